"""Users: the staff of the tenant, and of its contractors, with the role that says what each may do."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import Boolean, Column, Index, Text, UniqueConstraint, Uuid

from helpdesk_api.identity.masks import EMAIL_OF_STAFF
from helpdesk_api.identity.roles import ROLES, check_role
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.quotas import TenantQuota
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import EmailAddress, Entity, Flag, Input, Line, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.tenancy import tenants

users = tenant_table(
    "users",
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("team_id", Uuid),
    Column("role_id", Uuid),
    Column("is_active", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "email"),
    reference("team_id", "teams"),
    reference("role_id", "roles"),
    Index(None, "tenant_id", "team_id"),
    Index(None, "tenant_id", "role_id"),
)


class UserCreate(Input):
    """A new member of staff."""

    name: Line
    email: Annotated[EmailAddress, Field(description="Unique within the tenant; the domain is kept in lower case.")]
    team_id: Annotated[UUID | None, Field(description="The team the user works in.")] = None
    role_id: Annotated[
        UUID | None, Field(description="What the user may do and see; without a role nothing. Never more than you may.")
    ] = None
    is_active: Annotated[Flag, Field(description="Inactive users keep their tickets but get no new ones.")] = True


class User(Entity):
    """A member of the tenant's staff."""

    name: str
    email: Annotated[str, EMAIL_OF_STAFF]
    team_id: UUID | None
    role_id: UUID | None
    is_active: bool


USERS = Resource(
    name="user",
    plural="users",
    table=users,
    read=User,
    example={
        "name": "Ada Moretti",
        "email": "ada.moretti@service.example",
        "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "role_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e04",
        "is_active": True,
    },
    filters=(
        Filter("email", users.c.email, str, is_lookup=True),
        Filter("team_id", users.c.team_id, UUID),
        Filter("role_id", users.c.role_id, UUID),
        Filter("is_active", users.c.is_active, bool),
    ),
    sorts=(Sort("name", users.c.name, "text"),),
    includes=(Include("team", "team_id", TEAMS), Include("role", "role_id", ROLES)),
    rows=SHARED,
    quota=TenantQuota(tenants.c.quota_users, users, lambda: users.c.is_active),
    activates="is_active",
)


async def _checked(ctx: Ctx, given: dict[str, Any], before: User | None) -> dict[str, Any]:
    # Whoever could change the address of somebody with more rights could soon be that one.
    await check_role(ctx, given, field="role_id", audience="staff", current=before.role_id if before else None)
    return given


router = routes(USERS, create=UserCreate, update=patch_model(UserCreate), check=_checked)
