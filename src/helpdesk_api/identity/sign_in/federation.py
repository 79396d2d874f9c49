"""Signing in with the token of an identity provider: it is checked once and exchanged for a session.

Afterwards the session counts, which can be ended at once; the token of the provider could not. A person is known by
the provider's subject. The first time, a verified e-mail address in one of the provider's domains connects the subject
with the user who has the address, or makes that user, if the provider may.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.identity.sign_in.identity_providers import (
    PROVIDERS,
    IdentityProvider,
    external_identities,
    identity_providers,
)
from helpdesk_api.identity.sign_in.passwords import find_user_by_email
from helpdesk_api.identity.sign_in.routes import TenantId, located
from helpdesk_api.identity.sign_in.sessions import Person, SessionTokens, invalid_token
from helpdesk_api.identity.sign_in.token_checks import (
    LONGEST,
    Expected,
    TokenRefusedError,
    check_token,
    read_token,
)
from helpdesk_api.identity.sign_in.visits import Visit, begin_visit, enter, record_failure
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.admission import count_for_address
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.direct_routes import DirectRoute
from helpdesk_api.kit.events import record
from helpdesk_api.kit.key_sets import KeySource
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input, single_line
from helpdesk_api.kit.sql import Statement

log = structlog.get_logger()

_LONGEST_NAME: Final = 200
_LONGEST_EMAIL: Final = 254

_FIND: Final = Statement(
    select(*PROVIDERS.columns).where(
        identity_providers.c.tenant_id == bindparam("tenant"),
        identity_providers.c.issuer == bindparam("issuer"),
        identity_providers.c.is_enabled,
    )
)
_KNOWN: Final = Statement(
    select(external_identities.c.user_id).where(
        external_identities.c.tenant_id == bindparam("tenant"),
        external_identities.c.provider_id == bindparam("provider"),
        external_identities.c.subject == bindparam("subject"),
    )
)
_CONNECT: Final = Statement(
    insert(external_identities)
    .values(
        tenant_id=bindparam("tenant"),
        id=bindparam("identity"),
        provider_id=bindparam("provider"),
        subject=bindparam("subject"),
        user_id=bindparam("user"),
    )
    .on_conflict_do_nothing(index_elements=["tenant_id", "provider_id", "subject"])
)

router = APIRouter(
    prefix="/v1/sign-in",
    tags=["sign-in"],
    route_class=DirectRoute,
    dependencies=[Depends(count_for_address)],
)


class TokenExchange(Input):
    """A token of an identity provider."""

    tenant_id: TenantId
    token: Annotated[
        str,
        StringConstraints(min_length=1, max_length=LONGEST),
        AfterValidator(single_line),
        Field(description="The ID token or access token (JWT) that the provider gave the front end; at most 8 kB."),
    ]


@router.post(
    "/identity-provider",
    status_code=201,
    operation_id="sign_in_with_identity_provider",
    summary="Sign in with an identity provider",
    description=(
        "Exchanges an ID token or access token of a registered identity provider for a session. The token must be "
        "signed by the provider, meant for one of the audiences that are registered, and still good; what is wrong "
        "with one is not told."
    ),
)
async def exchange_token(body: TokenExchange, request: Request, response: Response) -> SessionTokens:
    """Sign in with the token of a provider."""
    runtime: Runtime = request.app.state.runtime
    visit = await begin_visit(request, body.tenant_id)
    try:
        provider, claims = await _checked(runtime, body.tenant_id, body.token)
    except TokenRefusedError as error:
        log.info("sign_in.token_refused", reason=str(error))
        await record_failure(runtime, visit, body.tenant_id, method="oidc", reason="wrong_token", person=None)
        raise invalid_token() from None
    person = await _person(runtime, visit, body.tenant_id, provider, claims)
    tokens = None if person is None else await enter(runtime, visit, body.tenant_id, person, "oidc")
    if tokens is None:
        if person is None:
            await record_failure(runtime, visit, body.tenant_id, method="oidc", reason="not_allowed", person=None)
        raise invalid_token()
    return located(response, tokens)


async def _checked(runtime: Runtime, tenant_id: UUID, text: str) -> tuple[IdentityProvider, dict[str, Any]]:
    """Give the provider and the claims of a token; raises TokenRefusedError and KeysUnavailableError."""
    token = read_token(text)
    async with runtime.db.transaction(tenant_id, read_only=True) as transaction:
        provider = await transaction.first(IdentityProvider, _FIND, {"tenant": tenant_id, "issuer": token.issuer})
    if provider is None or token.algorithm not in provider.algorithms:
        message = "not of a provider of this tenant, or not signed as it signs"
        raise TokenRefusedError(message)
    keys = await runtime.key_sets.find(KeySource(provider.issuer, provider.jwks_url), token.key_id)
    expected = Expected(provider.issuer, frozenset(provider.audiences), frozenset(provider.algorithms))
    return provider, check_token(token, expected, keys, now=datetime.now(UTC))


async def _person(
    runtime: Runtime, visit: Visit, tenant_id: UUID, provider: IdentityProvider, claims: dict[str, Any]
) -> Person | None:
    """Give the user that a subject is, connected or made the first time; None for one who is nobody here."""
    key = {"tenant": tenant_id, "provider": provider.id, "subject": claims["sub"]}
    async with visit.work(runtime, tenant_id) as ctx:
        user_id = await ctx.tx.value(_KNOWN, key)
        if user_id is None:
            email = _vouched_address(provider, claims)
            user_id = None if email is None else await _connect(ctx, provider, claims, email)
        return None if user_id is None else Person("user", user_id)


async def _connect(ctx: Ctx, provider: IdentityProvider, claims: dict[str, Any], email: str) -> UUID | None:
    found = await find_user_by_email(ctx.tx, ctx.tenant_id, email)
    if found is None:
        if not provider.auto_provision:
            return None
        values = {"name": _name(provider, claims, email), "email": email, "role_id": provider.role_id}
        user_id = (await crud.add(ctx, USERS, {**values, "team_id": None, "is_active": True})).id
        version = 1
    else:
        user_id, version = found["id"], found["version"]
    await ctx.tx.run(
        _CONNECT,
        {
            "tenant": ctx.tenant_id,
            "identity": new_id(),
            "provider": provider.id,
            "subject": claims["sub"],
            "user": user_id,
        },
    )
    data = {"identity_provider_id": str(provider.id)}
    record(ctx, "user.identity_connected", object_id=user_id, version=version, data=data, occurred_at=ctx.real_now)
    return user_id


def _vouched_address(provider: IdentityProvider, claims: dict[str, Any]) -> str | None:
    """Give the address that the provider vouches for: verified, well formed and in one of its domains; else None."""
    claimed = claims.get(provider.email_claim)
    # An address that the person only typed at the provider could be anybody's.
    if not isinstance(claimed, str) or len(claimed) > _LONGEST_EMAIL or claims.get("email_verified") is not True:
        return None
    try:
        address = validate_email(claimed, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return address.normalized if address.domain.lower() in provider.email_domains else None


def _name(provider: IdentityProvider, claims: dict[str, Any], email: str) -> str:
    claimed = claims.get(provider.name_claim)
    readable = "".join(each for each in claimed if each.isprintable()).strip() if isinstance(claimed, str) else ""
    return readable[:_LONGEST_NAME] or email.partition("@")[0]
