"""API keys: how integrations and front ends prove who they are, and what they may do.

A key is shown once; only the hash of its secret is stored. It may do what its scopes say, or it stands for a member of
staff, a contact or a role and may do what that one may, or a part of it. Revoking
ends a key at once in this process and within the life of the cache (2 seconds) in the others. Keys live in real time,
also in a sandbox.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, Text, Uuid, and_, func, or_
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.key_grants import check_grant, check_within_own
from helpdesk_api.identity.key_networks import NetworkList
from helpdesk_api.identity.permissions import FieldGroupList, PermissionList
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.quotas import TenantQuota
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_reading,
    add_update,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Entity, Input, Instant, Line
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.tokens import new_key
from helpdesk_api.kit.unit_of_work import allowed

api_keys = tenant_table(
    "api_keys",
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("previous_secret_hash", LargeBinary),
    Column("previous_secret_expires_at", DateTime(timezone=True)),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("allowed_networks", ARRAY(Text), nullable=False),
    Column("field_groups", ARRAY(Text), nullable=False, server_default="{}"),
    Column("user_id", Uuid),
    Column("contact_id", Uuid),
    Column("role_id", Uuid),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("num_nonnulls(user_id, contact_id, role_id) <= 1", name="one_holder"),
    reference("user_id", "users", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    reference("role_id", "roles"),
    Index(None, "tenant_id", "user_id"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "role_id"),
    Index(None, "tenant_id", "created_at", "id"),
)


class ExpiryInPastError(InvalidError):
    """A key must expire in the future, if at all."""

    code = "expiry_in_past"
    title = "The expiry lies in the past"


class ApiKeyCreate(Input):
    """A new key."""

    name: Annotated[Line, Field(description="Who uses the key, and for what.")]
    scopes: Annotated[
        PermissionList,
        Field(
            description=(
                "What the key may do, see `GET /v1/permissions`; at least one. For a key that stands for somebody: "
                "what is left of that one's permissions; without it, all of them."
            )
        ),
    ] = Field(default=[])
    field_groups: Annotated[
        FieldGroupList,
        Field(
            description=(
                "The guarded fields that the key is shown; `*` for all. For a key that stands for somebody: what is "
                "left of that one's; without it, all of them."
            )
        ),
    ] = Field(default=[])
    user_id: Annotated[UUID | None, Field(description="The member of staff the key stands for.")] = None
    contact_id: Annotated[UUID | None, Field(description="The contact the key stands for.")] = None
    role_id: Annotated[UUID | None, Field(description="The role of the key, instead of permissions of its own.")] = None
    allowed_networks: NetworkList = Field(default=[])
    expires_at: Annotated[Instant | None, Field(description="When the key stops working; null for never.")] = None


class ApiKeyUpdate(Input):
    """Changes to a key; its scopes are fixed, so that a leaked key cannot grow."""

    name: Annotated[Line, Field(default_factory=str, description="Who uses the key, and for what.")]
    allowed_networks: Annotated[NetworkList, Field(default_factory=list)]


class ApiKey(Entity):
    """A credential, without its secret."""

    name: str
    scopes: list[str]
    allowed_networks: Annotated[list[str], Field(description="Where it may be used from; empty for anywhere.")]
    field_groups: list[str]
    user_id: UUID | None
    contact_id: UUID | None
    role_id: UUID | None
    expires_at: AwareDatetime | None
    previous_secret_expires_at: Annotated[
        AwareDatetime | None, Field(description="Until when the former secret works as well; in real time.")
    ]
    last_used_at: Annotated[AwareDatetime | None, Field(description="Exact to a minute.")]
    revoked_at: AwareDatetime | None


class NewApiKey(ApiKey):
    """A credential that was just created."""

    shows_secret = True

    key: Annotated[str, Field(description="The key itself: shown now and never again.")]


API_KEYS = Resource(
    name="api_key",
    plural="api-keys",
    table=api_keys,
    read=ApiKey,
    example={
        "name": "CRM sync",
        "scopes": ["companies:read", "companies:write", "contacts:read"],
        "allowed_networks": ["203.0.113.0/24"],
        "field_groups": ["client.contact_details"],
        "user_id": None,
        "contact_id": None,
        "role_id": None,
        "expires_at": "2027-01-01T00:00:00Z",
        "previous_secret_expires_at": None,
        "last_used_at": None,
        "revoked_at": None,
    },
    quota=TenantQuota(
        tenants.c.quota_api_keys,
        api_keys,
        lambda: and_(
            api_keys.c.revoked_at.is_(None),
            or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()),
        ),
    ),
    filters=(Filter("name", api_keys.c.name, str),),
    sorts=(Sort("name", api_keys.c.name, "text"),),
)


async def issue(ctx: Ctx, wanted: ApiKeyCreate, *, is_sandbox: bool) -> tuple[ApiKey, str]:
    """Create a key and give it together with its text, which cannot be had again; raises what `check_grant` raises."""
    await check_grant(ctx, wanted)
    key_id = new_id()
    text, secret_hash = new_key(ctx.tenant_id, key_id, "test" if is_sandbox else "live")
    values = wanted.model_dump() | {"secret_hash": secret_hash}
    return await crud.add(ctx, API_KEYS, values, object_id=key_id), text


async def revoke(ctx: Ctx, key_id: UUID, *, at: datetime, expected: int | None = None) -> ApiKey:
    """End a key; ending it again changes nothing."""
    before = await crud.fetch(ctx, API_KEYS, key_id)
    changes = {} if before.revoked_at else {"revoked_at": at}
    return await crud.amend(ctx, API_KEYS, key_id, changes, expected=expected)


router = ResourceRouter(API_KEYS)
add_reading(router, API_KEYS)
add_update(router, API_KEYS, ApiKeyUpdate)


@router.post(
    "",
    status_code=201,
    operation_id=operation(API_KEYS, "create"),
    summary="Create an API key",
    description="Creates a key and shows it this once. A key cannot give more scopes than it has.",
)
async def create_key(
    body: ApiKeyCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("api-keys:write")]
) -> NewApiKey:
    """Create a key."""
    await check_within_own(ctx, body)
    if body.expires_at is not None and body.expires_at <= ctx.real_now:
        message = "expires_at must lie in the future."
        raise ExpiryInPastError(message, pointer="/expires_at")
    created, text = await issue(ctx, body, is_sandbox=ctx.is_test_clock)
    announce_created(request, response, created)
    return NewApiKey.trusted({**vars(created), "key": text})


@router.post(
    "/{id}/revoke",
    operation_id=operation(API_KEYS, "revoke"),
    summary="Revoke an API key",
    description="Ends a key for good, within two seconds everywhere. Revoking it again changes nothing.",
)
async def revoke_key(
    id: UUID,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("api-keys:write")],
) -> ApiKey:
    """Revoke a key."""
    revoked = await revoke(ctx, id, at=ctx.real_now, expected=expected)
    request.app.state.runtime.authenticate.forget(id)
    tag_response(response, revoked)
    return revoked
