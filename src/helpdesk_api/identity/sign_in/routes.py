"""The operations that anybody may call: signing in, keeping a session up, and asking for a link.

They need no credential and tell nothing of who exists: an unknown tenant, an unknown address and a wrong password get
the same answer, after the same work. The list of such operations is reviewed by a test.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from helpdesk_api.identity.sign_in.access import principal_of
from helpdesk_api.identity.sign_in.links import LIFE, Purpose, read_link
from helpdesk_api.identity.sign_in.mailing import SEND_TO_USER, ask_for_link
from helpdesk_api.identity.sign_in.passwords import Credentials, forget_all, set_password_by_link, sign_in
from helpdesk_api.identity.sign_in.sessions import SessionTokens, invalid_token, refresh
from helpdesk_api.identity.sign_in.visits import begin_visit, record_failure
from helpdesk_api.kit.admission import count_for_address
from helpdesk_api.kit.direct_routes import DirectRoute
from helpdesk_api.kit.passwords import LONGEST
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import EmailAddress, Input, Output, single_line
from helpdesk_api.kit.tokens import LONGEST_KEY, read_key

Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST), AfterValidator(single_line)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY), AfterValidator(single_line)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(single_line)]
TenantId = Annotated[UUID, Field(description="The tenant that the front end belongs to.")]

router = APIRouter(
    prefix="/v1/sign-in",
    tags=["sign-in"],
    route_class=DirectRoute,
    dependencies=[Depends(count_for_address)],
)


class SignIn(Input):
    """An e-mail address and a password."""

    tenant_id: TenantId
    email: EmailAddress
    password: Password
    code: Annotated[
        Code | None,
        Field(description="Of the second factor, when `second_factor_required` was answered; or a recovery code."),
    ] = None


class TokenRefresh(Input):
    """A refresh token."""

    refresh_token: Annotated[Token, Field(description="The one that was given last; it works once.")]


class LinkRequest(Input):
    """Where to send a link."""

    tenant_id: TenantId
    email: EmailAddress


class LinkRequested(Output):
    """What is told of a link: nothing that depends on whether anybody has the address."""

    life_seconds: Annotated[int, Field(description="For how long a link works that is sent now.")]


class PasswordChoice(Input):
    """A password and the token that allows to set it."""

    token: Annotated[Token, Field(description="From the link in an invitation or a password reset; it works once.")]
    password: Annotated[Password, Field(description="At least 10 characters, and not easy to guess.")]


@router.post(
    "/password",
    status_code=201,
    operation_id="sign_in_with_password",
    summary="Sign in with a password",
    description=(
        "Opens a session for a member of staff. Ten attempts per address in 15 minutes are looked at; the answer is "
        "the same for an unknown tenant, an unknown address and a wrong password."
    ),
)
async def sign_in_with_password(body: SignIn, request: Request, response: Response) -> SessionTokens:
    """Sign in."""
    runtime: Runtime = request.app.state.runtime
    given = Credentials(body.tenant_id, body.email, body.password, body.code)
    visit = await begin_visit(request, body.tenant_id)
    return located(response, await sign_in(runtime, visit, given))


@router.post(
    "/refresh",
    operation_id="sign_in_refresh",
    summary="Get the next tokens of a session",
    description=(
        "Gives a new access token and a new refresh token. A refresh token works once: when one is used a second time, "
        "two parties hold it, and the session ends."
    ),
)
async def refresh_session(body: TokenRefresh, request: Request) -> SessionTokens:
    """Get the next tokens."""
    runtime: Runtime = request.app.state.runtime
    token = read_key(body.refresh_token)
    if token is None:
        raise invalid_token()
    visit = await begin_visit(request, token.tenant_id)
    async with visit.work(runtime, token.tenant_id) as ctx:
        refreshed = await refresh(ctx, token)
        # Who may no longer come in gets no more tokens, and the old one stays unused.
        may_enter = await principal_of(ctx.tx, ctx.tenant_id, refreshed.person, credential_id=None) is not None
        if refreshed.tokens is not None and not may_enter:
            raise invalid_token()
    if refreshed.tokens is None:
        forget_all(runtime, [refreshed.session_id])
        await record_failure(
            runtime, visit, token.tenant_id, method="refresh_token", reason="wrong_token", person=refreshed.person
        )
        raise invalid_token()
    return refreshed.tokens


@router.post(
    "/password-reset",
    status_code=202,
    operation_id="sign_in_reset_password",
    summary="Ask for a new password",
    description=(
        "Sends a link to choose a new password with, if an active member of staff has this address; the answer is the "
        "same if nobody has. Three links per address in 15 minutes."
    ),
)
async def reset_password(body: LinkRequest, request: Request) -> LinkRequested:
    """Ask for a link to choose a new password with."""
    runtime: Runtime = request.app.state.runtime
    visit = await begin_visit(request, body.tenant_id)
    await ask_for_link(runtime, visit, body.tenant_id, body.email, job_kind=SEND_TO_USER)
    return link_requested("password_reset")


@router.post(
    "/new-password",
    status_code=204,
    operation_id="sign_in_set_password",
    summary="Choose a password by a link",
    description=(
        "Sets the password of who was sent the link, ends every session of theirs and makes every other link void. "
        "A password that is refused as too weak leaves the link usable."
    ),
)
async def set_password(body: PasswordChoice, request: Request) -> None:
    """Choose a password."""
    runtime: Runtime = request.app.state.runtime
    token = read_link(body.token)
    visit = await begin_visit(request, token.tenant_id)
    await set_password_by_link(runtime, visit, token, password=body.password)


def located(response: Response, tokens: SessionTokens) -> SessionTokens:
    """Say where the session is that was opened."""
    response.headers["location"] = f"/v1/sessions/{tokens.session_id}"
    return tokens


def link_requested(purpose: Purpose) -> LinkRequested:
    """Give the answer to everybody who asks for a link."""
    return LinkRequested.trusted({"life_seconds": int(LIFE[purpose].total_seconds())})
