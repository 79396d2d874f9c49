"""Changing one's own password: the present one is asked for again, because an open browser is no proof of a person."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from helpdesk_api.identity.sign_in.attempts import PASSWORD, count_attempt, forget_attempts
from helpdesk_api.identity.sign_in.credentials import invalid_credentials
from helpdesk_api.identity.sign_in.passwords import (
    find_user,
    forget_all,
    personal_words,
    store_password,
)
from helpdesk_api.identity.sign_in.routes import Password
from helpdesk_api.identity.sign_in.session_routes import SessionRequiredError, own_session
from helpdesk_api.identity.sign_in.sessions import Person
from helpdesk_api.identity.sign_in.visits import Visit, record_failure, visit_of
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.direct_routes import DirectRoute, known
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.unit_of_work import unit_of_work

router = APIRouter(prefix="/v1/me", tags=["me"], route_class=DirectRoute)

_METHOD: Final = "password_again"


class PasswordChange(Input):
    """The present password and a new one."""

    current_password: Password
    new_password: Annotated[Password, Field(description="At least 10 characters, and not easy to guess.")]


@router.post(
    "/password",
    status_code=204,
    operation_id="me_change_password",
    summary="Change one's own password",
    description=(
        "Sets a new password and ends every other session of the caller. The present password is asked for again; "
        "wrong ones count like those of a sign-in."
    ),
)
async def change_password(body: PasswordChange, request: Request, principal: Annotated[Principal, known()]) -> None:
    """Change one's own password."""
    runtime: Runtime = request.app.state.runtime
    user = await prove_again(runtime, visit_of(request), principal, body.current_password)
    await runtime.passwords.check_strength(body.new_password, personal=personal_words(user), pointer="/new_password")
    hashed = await runtime.passwords.hashed(body.new_password)
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        ended = await store_password(ctx, user, hashed, spared=await own_session(ctx))
    forget_all(runtime, ended)


async def prove_again(runtime: Runtime, visit: Visit, principal: Principal, password: str) -> Record:
    """Give the member of staff who has signed in and knows the password; raises what refuses everybody else."""
    if principal.type != "user" or principal.id is None:
        message = "Only members of staff have a password; sign in as one."
        raise SessionRequiredError(message)
    cause = visit.cause
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id, read_only=True) as ctx:
        await own_session(ctx)
        user = await find_user(ctx.tx, ctx.tenant_id, principal.id)
    if user is None:
        raise invalid_credentials()
    await _verify(runtime, visit, principal.tenant_id, user, password)
    return user


async def _verify(runtime: Runtime, visit: Visit, tenant_id: UUID, user: Record, password: str) -> None:
    is_last = await count_attempt(runtime.db, tenant_id, PASSWORD, user["email"])
    if await runtime.passwords.verify(user["hash"], password):
        await forget_attempts(runtime.db, tenant_id, PASSWORD, user["email"])
        return
    await record_failure(
        runtime,
        visit,
        tenant_id,
        method=_METHOD,
        reason="locked" if is_last else "wrong_credentials",
        person=Person("user", user["id"]),
    )
    raise invalid_credentials()
