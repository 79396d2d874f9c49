"""The second factor over the API: adding one, removing one's own, and taking away that of somebody who lost it."""

from typing import Annotated, Final
from uuid import UUID

import pyotp
from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import bindparam, select

from helpdesk_api.identity.roles import check_role
from helpdesk_api.identity.sign_in.attempts import SECOND_FACTOR, count_attempt, forget_attempts
from helpdesk_api.identity.sign_in.credentials import invalid_credentials
from helpdesk_api.identity.sign_in.factor_proof import prove_second_factor
from helpdesk_api.identity.sign_in.own_password import prove_again
from helpdesk_api.identity.sign_in.passwords import find_user, forget_all
from helpdesk_api.identity.sign_in.routes import Code, Password
from helpdesk_api.identity.sign_in.second_factor import (
    NoSecondFactorError,
    begin_factor,
    codes_left,
    confirm_factor,
    find_factor,
    remove_factor,
    takes_code,
)
from helpdesk_api.identity.sign_in.session_routes import SessionRequiredError, own_session, person_of
from helpdesk_api.identity.sign_in.sessions import Person, end_sessions_of
from helpdesk_api.identity.sign_in.visits import visit_of
from helpdesk_api.identity.users import USERS, User
from helpdesk_api.kit import crud
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.direct_routes import DirectRoute, known
from helpdesk_api.kit.resource_routes import operation, tag_response
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed, unit_of_work

_TENANT_NAME: Final = Statement(select(tenants.c.name).where(tenants.c.id == bindparam("tenant")))

own_router = APIRouter(prefix="/v1/me/second-factor", tags=["me"], route_class=DirectRoute)
reading_router = APIRouter(prefix="/v1/me/second-factor", tags=["me"], route_class=UnitOfWorkRoute)
router = APIRouter(prefix=f"/v1/{USERS.plural}", tags=[USERS.plural], route_class=UnitOfWorkRoute)


class SecondFactorStart(Input):
    """The present password, before a second factor is added."""

    current_password: Password


class SecondFactorConfirmation(Input):
    """A code, to show that the app has the secret."""

    code: Code


class SecondFactorRemoval(Input):
    """The present password and a code."""

    current_password: Password
    code: Code


class NewSecondFactor(Output):
    """A secret for an authenticator app."""

    secret: Annotated[str, Field(description="In base 32, to be typed; shown now and never again.")]
    uri: Annotated[str, Field(description="The same as an `otpauth://` address, to be shown as a QR code.")]


class RecoveryCodes(Output):
    """What signs in instead of a code of the app, once each."""

    recovery_codes: Annotated[list[str], Field(description="Shown now and never again.")]


class SecondFactorState(Output):
    """Whether a second factor is asked for."""

    is_active: bool
    recovery_codes_left: int


@reading_router.get(
    "",
    operation_id="me_get_second_factor",
    summary="Tell whether there is a second factor",
    description="Tells whether the caller is asked for a code when signing in, and how many recovery codes are left.",
)
async def get_state(ctx: Annotated[Ctx, allowed()]) -> SecondFactorState:
    """Tell the state of one's own second factor."""
    person = person_of(ctx)
    factor = None if person is None else await find_factor(ctx.tx, ctx.tenant_id, person.id)
    if person is None or factor is None or factor.confirmed_at is None:
        return SecondFactorState.trusted({"is_active": False, "recovery_codes_left": 0})
    left = await codes_left(ctx.tx, ctx.tenant_id, person.id)
    return SecondFactorState.trusted({"is_active": True, "recovery_codes_left": left})


@own_router.post(
    "",
    operation_id="me_add_second_factor",
    summary="Begin to add a second factor",
    description=(
        "Gives a secret for an authenticator app (TOTP, six digits, 30 seconds). Nothing is asked for before a code "
        "has been confirmed; beginning again replaces the secret."
    ),
)
async def add_second_factor(
    body: SecondFactorStart, request: Request, principal: Annotated[Principal, known()]
) -> NewSecondFactor:
    """Begin to add a second factor."""
    runtime: Runtime = request.app.state.runtime
    user = await prove_again(runtime, visit_of(request), principal, body.current_password)
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        secret = await begin_factor(ctx, runtime.sealer, user["id"])
        tenant = await ctx.tx.value(_TENANT_NAME, {"tenant": ctx.tenant_id})
    uri = pyotp.TOTP(secret).provisioning_uri(name=user["email"], issuer_name=tenant)
    return NewSecondFactor.trusted({"secret": secret, "uri": uri})


@own_router.post(
    "/confirm",
    operation_id="me_confirm_second_factor",
    summary="Confirm a second factor",
    description=(
        "Shows that the app has the secret; from now on every sign-in with the password needs a code. Gives ten "
        "recovery codes, each of which signs in once."
    ),
)
async def confirm_second_factor(
    body: SecondFactorConfirmation, request: Request, principal: Annotated[Principal, known()]
) -> RecoveryCodes:
    """Confirm a second factor."""
    runtime: Runtime = request.app.state.runtime
    user_id = _staff_id(principal)
    await count_attempt(runtime.db, principal.tenant_id, SECOND_FACTOR, str(user_id))
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        await own_session(ctx)
        user = await find_user(ctx.tx, ctx.tenant_id, user_id)
        factor = await find_factor(ctx.tx, ctx.tenant_id, user_id)
        if user is None or factor is None or factor.confirmed_at is not None:
            message = "There is no second factor that waits to be confirmed."
            raise NoSecondFactorError(message)
        if not await takes_code(ctx, runtime.sealer, factor, body.code):
            raise invalid_credentials()
        codes = await confirm_factor(ctx, user_id, version=user["version"])
    await forget_attempts(runtime.db, principal.tenant_id, SECOND_FACTOR, str(user_id))
    return RecoveryCodes.trusted({"recovery_codes": codes})


@own_router.post(
    "/remove",
    status_code=204,
    operation_id="me_remove_second_factor",
    summary="Remove one's own second factor",
    description="Asks for the password and a code once more; then signing in needs the password only.",
)
async def remove_second_factor(
    body: SecondFactorRemoval, request: Request, principal: Annotated[Principal, known()]
) -> None:
    """Remove one's own second factor."""
    runtime: Runtime = request.app.state.runtime
    visit = visit_of(request)
    user = await prove_again(runtime, visit, principal, body.current_password)
    await prove_second_factor(runtime, visit, principal.tenant_id, user["id"], body.code)
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        await remove_factor(ctx, user["id"], version=user["version"])


@router.post(
    "/{id}/reset-second-factor",
    operation_id=operation(USERS, "reset_second_factor"),
    summary="Take away the second factor of a user",
    description=(
        "For somebody who lost app and recovery codes: signing in needs the password only, until another factor is "
        "added. Ends every session of the user. Nobody can do this to somebody with more rights."
    ),
)
async def reset_second_factor(
    id: UUID, request: Request, response: Response, ctx: Annotated[Ctx, allowed("users:write")]
) -> User:
    """Take away the second factor of a user."""
    user = await crud.fetch_locked(ctx, USERS, id)
    await check_role(ctx, {}, field="role_id", audience="staff", current=user.role_id)
    await remove_factor(ctx, user.id, version=user.version)
    forget_all(request.app.state.runtime, await end_sessions_of(ctx, Person("user", user.id), "second_factor_reset"))
    tag_response(response, user)
    return user


def _staff_id(principal: Principal) -> UUID:
    if principal.type != "user" or principal.id is None:
        message = "Only members of staff have a second factor; sign in as one."
        raise SessionRequiredError(message)
    return principal.id
