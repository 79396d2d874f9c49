"""Identity providers: whose word a tenant takes for who its staff are (OpenID Connect).

A provider vouches for people of certain e-mail domains. Whoever may register one can let it vouch for anybody in those
domains, so the permission to write here is as much as that of an administrator. Checking tokens is `token_checks`,
signing in with one is `federation`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Body, Request, Response
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Boolean, Column, Index, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.roles import ROLES, check_role
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import (
    MERGE_PATCH,
    ResourceRouter,
    add_delete,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Entity, Flag, Input, Line, patch_model, single_line
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.unit_of_work import allowed

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

identity_providers = tenant_table(
    "identity_providers",
    Column("name", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("jwks_url", Text),
    Column("audiences", ARRAY(Text), nullable=False),
    Column("algorithms", ARRAY(Text), nullable=False),
    Column("email_claim", Text, nullable=False),
    Column("name_claim", Text, nullable=False),
    Column("email_domains", ARRAY(Text), nullable=False),
    Column("auto_provision", Boolean, nullable=False),
    Column("role_id", Uuid),
    Column("is_enabled", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "name"),
    UniqueConstraint("tenant_id", "issuer"),
    reference("role_id", "roles"),
    Index(None, "tenant_id", "role_id"),
)

# Who at a provider is which user here: by the subject, which never changes, and no longer by the address.
external_identities = tenant_table(
    "external_identities",
    Column("provider_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "provider_id", "subject"),
    reference("provider_id", "identity_providers", ondelete="CASCADE"),
    reference("user_id", "users", ondelete="CASCADE"),
    Index(None, "tenant_id", "user_id"),
    versioned=False,
)


class RoleRequiredError(InvalidError):
    """Users that are made when they first sign in need a role."""

    code = "role_required"
    title = "A role is needed"


def _algorithm(value: str) -> str:
    if value not in ALGORITHMS:
        message = f"must be one of {', '.join(ALGORITHMS)}: public keys only, and never none"
        raise ValueError(message)
    return value


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value.lower()):
        message = "must be a domain such as service.example"
        raise ValueError(message)
    return value.lower()


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


_LINE: Final = (StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(single_line))
URL = Annotated[str, Field(max_length=500), *_LINE]
Audience = Annotated[str, Field(max_length=200), *_LINE]
ClaimName = Annotated[str, Field(max_length=100), *_LINE]
Algorithm = Annotated[str, StringConstraints(max_length=20), AfterValidator(_algorithm)]
Domain = Annotated[str, StringConstraints(max_length=253), AfterValidator(_domain)]


class IdentityProviderCreate(Input):
    """A new provider."""

    name: Annotated[Line, Field(description="Unique within the tenant; what the button to sign in says.")]
    issuer: Annotated[URL, Field(description="Exactly as it stands in the tokens as `iss`. Unique within the tenant.")]
    jwks_url: Annotated[
        URL | None, Field(description="Where the keys are; null for where the discovery document says.")
    ] = None
    audiences: Annotated[
        list[Audience],
        Field(min_length=1, max_length=20, description="Client ids or API names; a token must be for one of them."),
        AfterValidator(_unique),
    ]
    algorithms: Annotated[
        list[Algorithm],
        Field(min_length=1, max_length=len(ALGORITHMS), description="How the provider signs; all else is refused."),
        AfterValidator(_unique),
    ] = Field(default=["RS256"])
    email_claim: Annotated[ClaimName, Field(description="Which claim holds the e-mail address.")] = "email"
    name_claim: Annotated[ClaimName, Field(description="Which claim holds the name of a person.")] = "name"
    email_domains: Annotated[
        list[Domain],
        Field(min_length=1, max_length=50, description="The domains of the people it vouches for."),
        AfterValidator(_unique),
    ]
    auto_provision: Annotated[
        Flag, Field(description="Whether somebody who is no user yet becomes one at the first sign-in.")
    ] = False
    role_id: Annotated[UUID | None, Field(description="What such new users may do. Never more than you may.")] = None
    is_enabled: Annotated[Flag, Field(description="Whether its tokens are accepted.")] = True


class IdentityProvider(Entity):
    """Whose word is taken for who somebody is."""

    name: str
    issuer: str
    jwks_url: str | None
    audiences: list[str]
    algorithms: list[str]
    email_claim: str
    name_claim: str
    email_domains: list[str]
    auto_provision: bool
    role_id: UUID | None
    is_enabled: bool


PROVIDERS = Resource(
    name="identity_provider",
    plural="identity-providers",
    table=identity_providers,
    read=IdentityProvider,
    example={
        "name": "Company account",
        "issuer": "https://login.service.example",
        "jwks_url": None,
        "audiences": ["helpdesk-front-end"],
        "algorithms": ["RS256"],
        "email_claim": "email",
        "name_claim": "name",
        "email_domains": ["service.example"],
        "auto_provision": True,
        "role_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e04",
        "is_enabled": True,
    },
    filters=(Filter("is_enabled", identity_providers.c.is_enabled, bool),),
    sorts=(Sort("name", identity_providers.c.name, "text"),),
    includes=(Include("role", "role_id", ROLES),),
)

router = ResourceRouter(PROVIDERS)
add_reading(router, PROVIDERS)
add_delete(router, PROVIDERS)

_Update: Any = patch_model(IdentityProviderCreate)


@router.post(
    "",
    status_code=201,
    operation_id=operation(PROVIDERS, "create"),
    summary="Register an identity provider",
    description="From now on, whoever the provider vouches for may sign in. It is first called when somebody does.",
)
async def create_provider(
    body: IdentityProviderCreate,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("identity-providers:write")],
) -> IdentityProvider:
    """Register a provider."""
    values = body.model_dump()
    await _check(request, ctx, values, before=None)
    created = await crud.add(ctx, PROVIDERS, values)
    announce_created(request, response, created)
    return created


@router.patch(
    "/{id}",
    operation_id=operation(PROVIDERS, "update"),
    summary="Change an identity provider",
    description=(
        "Changes the given fields (RFC 7396) and records `identity_provider.updated`. Sessions that it opened go on; "
        "end them where that matters."
    ),
)
async def update_provider(
    id: UUID,
    body: Annotated[_Update, Body(media_type=MERGE_PATCH)],
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("identity-providers:write")],
) -> IdentityProvider:
    """Change a provider."""
    changes = body.given()
    before = await crud.fetch_locked(ctx, PROVIDERS, id)
    await _check(request, ctx, changes, before=before)
    changed = await crud.amend(ctx, PROVIDERS, id, changes, expected=expected)
    tag_response(response, changed)
    return changed


async def _check(request: Request, ctx: Ctx, values: Mapping[str, Any], *, before: IdentityProvider | None) -> None:
    runtime: Runtime = request.app.state.runtime
    for field in ("issuer", "jwks_url"):
        if values.get(field) is not None:
            runtime.outbound.check_url(values[field], pointer=f"/{field}")
    current = None if before is None else before.role_id
    await check_role(ctx, values, field="role_id", audience="staff", current=current)
    whole = (vars(before) if before is not None else {}) | dict(values)
    if whole["auto_provision"] and whole["role_id"] is None:
        message = "Users that are made at their first sign-in need a role."
        raise RoleRequiredError(message, pointer="/role_id")
