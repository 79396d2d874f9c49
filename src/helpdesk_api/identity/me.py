"""Who is asking, and what there is to be allowed: what a front end reads first to know what it may offer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Text, Uuid, bindparam, column, select, table

from helpdesk_api.identity.permissions import FIELD_GROUPS, FOR_CONTACTS, PERMISSIONS
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

# Only what is read of them here: some of the tables belong to layers above.
_NAMES = {
    kind: Statement(
        select(people.c.name).where(people.c.tenant_id == bindparam("tenant"), people.c.id == bindparam("own"))
    )
    for kind, people in (
        (kind, table(name, column("tenant_id", Uuid), column("id", Uuid), column("name", Text)))
        for kind, name in (("user", "users"), ("contact", "contacts"), ("api_key", "api_keys"))
    )
}
_TENANT_NAME = Statement(select(tenants.c.name).where(tenants.c.id == bindparam("tenant")))


class OwnTenant(Output):
    """The tenant that the caller belongs to."""

    id: UUID
    name: str
    is_sandbox: Annotated[bool, Field(description="Whether its time only moves by `POST /v1/test-clock/advance`.")]


class OwnReach(Output):
    """Which rows the caller sees."""

    kind: Annotated[str, Field(examples=["all", "team", "assigned", "companies", "territory", "own", "company"])]
    team_ids: list[UUID]
    company_ids: list[UUID]
    territories: list[str]


class Me(Output):
    """Who the caller is and what it may do and see."""

    type: Annotated[str, Field(examples=["user", "contact", "api_key"])]
    id: Annotated[UUID | None, Field(description="The user, the contact or the API key; null while viewing as a role.")]
    name: Annotated[str | None, Field(description="What the user, contact or API key is called.")]
    tenant: OwnTenant
    permissions: Annotated[list[str], Field(description="Every single permission, without wildcards, sorted.")]
    field_groups: Annotated[list[str], Field(description="The guarded fields that are shown, sorted.")]
    reach: OwnReach


class PermissionShown(Output):
    """One permission."""

    name: Annotated[str, Field(examples=["tickets:read"])]
    description: str
    for_contacts: Annotated[bool, Field(description="Whether roles for contacts of clients may hold it.")]


class FieldGroupShown(Output):
    """One group of guarded fields; fields of read models name theirs as `x-field-group`."""

    name: Annotated[str, Field(examples=["client.contact_details"])]
    description: str


class Catalogue(Output):
    """Everything that roles and keys can be given."""

    permissions: list[PermissionShown]
    field_groups: list[FieldGroupShown]


ME_EXAMPLE = {
    "type": "user",
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
    "name": "Ada Moretti",
    "tenant": {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e00", "name": "Nordlicht Service", "is_sandbox": False},
    "permissions": ["comments:read", "comments:write", "tickets:create", "tickets:read", "tickets:write"],
    "field_groups": ["ticket.internal"],
    "reach": {
        "kind": "team",
        "team_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02"],
        "company_ids": [],
        "territories": [],
    },
}

router = APIRouter(prefix="/v1", tags=["me"], route_class=UnitOfWorkRoute)


@router.get(
    "/me",
    operation_id="me_get",
    summary="Tell who is asking",
    description=(
        "Tells a front end who it is signed in as, and what that one may do and see, so that it offers nothing that "
        "would be refused."
    ),
)
async def get_me(ctx: Annotated[Ctx, allowed()]) -> Me:
    """Tell who is asking."""
    principal = ctx.principal
    seen = principal.reach.values
    who = {"tenant": ctx.tenant_id, "own": principal.id}
    tenant = {
        "id": ctx.tenant_id,
        "name": await ctx.tx.value(_TENANT_NAME, {"tenant": ctx.tenant_id}),
        "is_sandbox": principal.is_sandbox,
    }
    return Me.trusted({
        "type": principal.type,
        "id": principal.id,
        "name": None if principal.id is None else await ctx.tx.value(_NAMES[principal.type], who),
        "tenant": OwnTenant.trusted(tenant),
        "permissions": sorted(filter(principal.may, PERMISSIONS)),
        "field_groups": sorted(filter(principal.sees, FIELD_GROUPS)),
        "reach": OwnReach.trusted({
            "kind": principal.reach.kind,
            "team_ids": seen.get("seen_teams", []),
            "company_ids": seen.get("seen_companies", []),
            "territories": seen.get("seen_territories", []),
        }),
    })  # fmt: skip


@router.get(
    "/permissions",
    operation_id="permissions_list",
    summary="List permissions and field groups",
    description="Lists everything that roles and API keys can be given, and what it means.",
)
async def list_permissions(ctx: Annotated[Ctx, allowed()]) -> Catalogue:
    """List what there is to be allowed."""
    del ctx
    return Catalogue(
        permissions=[
            PermissionShown(name=name, description=meaning, for_contacts=name in FOR_CONTACTS)
            for name, meaning in PERMISSIONS.items()
        ],
        field_groups=[FieldGroupShown(name=name, description=meaning) for name, meaning in FIELD_GROUPS.items()],
    )
