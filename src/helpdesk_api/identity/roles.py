"""Roles: what members of staff and contacts of clients may do, which rows they see, and which guarded fields.

Every tenant has the built-in roles from its first day; they cannot be changed, only left unused. Custom roles are put
together from the catalogue (`identity.permissions`). Nobody can give a role that holds more than he has himself.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import CheckConstraint, Column, Text, UniqueConstraint, Uuid, insert
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import ConflictError, ForbiddenError, InvalidError
from helpdesk_api.identity.builtin_roles import BUILT_IN
from helpdesk_api.identity.permissions import FOR_CONTACTS, FieldGroupList, PermissionList, check_known
from helpdesk_api.identity.visibility import COMPANIES, CONTACT_REACHES, SHARED, STAFF_REACHES, TERRITORY
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, Principal, new_id
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input, Label, Line, patch_model
from helpdesk_api.kit.sql import tenant_table

roles = tenant_table(
    "roles",
    Column("slug", Text),
    Column("name", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("reach", Text, nullable=False),
    Column("company_ids", ARRAY(Uuid), nullable=False),
    Column("territories", ARRAY(Text), nullable=False),
    Column("field_groups", ARRAY(Text), nullable=False),
    UniqueConstraint("tenant_id", "slug"),
    UniqueConstraint("tenant_id", "name"),
    CheckConstraint("audience IN ('staff', 'contact')", name="audience"),
    CheckConstraint(
        "reach IN ('own', 'company') = (audience = 'contact') "
        "AND reach IN ('all', 'team', 'assigned', 'companies', 'territory', 'own', 'company')",
        name="reach",
    ),
)

Audience = Literal["staff", "contact"]
ReachKind = Literal["all", "team", "assigned", "companies", "territory", "own", "company"]


class BuiltInRoleError(ConflictError):
    """Built-in roles are the same for everybody."""

    code = "built_in_role"
    title = "Built-in roles cannot be changed"


class RoleExceedsOwnError(ForbiddenError):
    """Nobody can hand out, or lay hands on, more than he may do himself."""

    code = "role_exceeds_own"
    title = "The role holds more than its giver"


class ReachMismatchError(InvalidError):
    """The rows that a role shows do not fit its audience, or the values that narrow them are missing."""

    code = "reach_mismatch"
    title = "The reach does not fit the role"


class NotForContactsError(InvalidError):
    """Contacts of clients can only be given the few permissions of a portal."""

    code = "not_for_contacts"
    title = "The permission is not for contacts"


class RoleCreate(Input):
    """A new role."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    audience: Annotated[Audience, Field(description="Whom it is for: members of staff, or contacts of clients.")] = (
        "staff"
    )
    permissions: PermissionList
    reach: Annotated[
        ReachKind,
        Field(
            description=(
                "Which rows are seen. Staff: `all`; `team`, tickets of one's team or assigned to oneself; `assigned`, "
                "those only; `companies` or `territory`, what belongs to these clients. Contacts: `own` tickets, or "
                "those of the whole `company`."
            )
        ),
    ]
    company_ids: Annotated[list[UUID], Field(max_length=1_000, description="With the reach `companies`: which.")] = (
        Field(default=[])
    )
    territories: Annotated[list[Label], Field(max_length=200, description="With the reach `territory`: which.")] = (
        Field(default=[])
    )
    field_groups: FieldGroupList = Field(default=[])


class Role(Entity):
    """What somebody may do and see."""

    slug: Annotated[str | None, Field(description="The name of a built-in role; null for one of your own.")]
    name: str
    audience: Annotated[str, Field(examples=["staff", "contact"])]
    permissions: list[str]
    reach: Annotated[str, Field(examples=["all", "team", "own"])]
    company_ids: list[UUID]
    territories: list[str]
    field_groups: list[str]


ROLES = Resource(
    name="role",
    plural="roles",
    table=roles,
    read=Role,
    example={
        "slug": None,
        "name": "Second line north",
        "audience": "staff",
        "permissions": ["comments:read", "comments:write", "notes:read", "notes:write", "tickets:read"],
        "reach": "territory",
        "company_ids": [],
        "territories": ["north"],
        "field_groups": ["ticket.internal"],
    },
    filters=(Filter("slug", roles.c.slug, str), Filter("audience", roles.c.audience, str)),
    sorts=(Sort("name", roles.c.name, "text"),),
    rows={**SHARED, **dict.fromkeys(CONTACT_REACHES, roles.c.audience == "contact")},
)


async def seed_built_in_roles(transaction: Transaction, tenant_id: UUID, *, at: datetime) -> None:
    """Give a new tenant the built-in roles."""
    for slug, role in BUILT_IN.items():
        values = {**role, "company_ids": [], "territories": [], "created_at": at, "updated_at": at, "version": 1}
        await transaction.run(insert(roles).values(tenant_id=tenant_id, id=new_id(), slug=slug, **values))


def check_grantable(principal: Principal, role: Role, *, pointer: str) -> None:
    """Raise RoleExceedsOwnError unless the principal has everything that the role gives."""
    if principal.type == "system":
        return
    wider_rows = not principal.reach.is_unlimited and role.audience == "staff"
    lacking = [permission for permission in role.permissions if not principal.may(permission)]
    hidden = [group for group in role.field_groups if not principal.sees(group)]
    if wider_rows or lacking or hidden:
        more = ", ".join(lacking + hidden) or "more rows"
        message = f"The role {role.name} gives {more}, which this caller does not have."
        raise RoleExceedsOwnError(message, pointer=pointer, params={"role_id": str(role.id)})


async def check_role(
    ctx: Ctx, values: Mapping[str, Any], *, field: str, audience: Audience, current: UUID | None = None
) -> None:
    """Check the role that somebody is given, and `current`, which would be taken; for `field` of a user or contact.

    Raises RoleExceedsOwnError and ReachMismatchError; an unknown role is refused by the database.
    """
    wanted = [role_id for role_id in (values.get(field), current) if role_id is not None]
    for role in (await crud.fetch_many(ctx, ROLES, wanted)).values():
        if role.audience != audience:
            message = f"The role {role.name} is not for this kind of person."
            raise ReachMismatchError(message, pointer=f"/{field}")
        check_grantable(ctx.principal, role, pointer=f"/{field}")


async def _checked(ctx: Ctx, given: dict[str, Any], before: Role | None) -> dict[str, Any]:
    if before is not None and before.slug is not None:
        message = f"{before.name} is a built-in role; make one of your own from it."
        raise BuiltInRoleError(message)
    whole = (vars(before) if before is not None else {}) | given
    check_known(given.get("permissions", ()), given.get("field_groups", ()), named="permissions")
    fitting = CONTACT_REACHES if whole["audience"] == "contact" else STAFF_REACHES
    if whole["reach"] not in fitting:
        message = f"A role for the audience {whole['audience']} reaches one of {', '.join(fitting)}."
        raise ReachMismatchError(message, pointer="/reach")
    for field, kind in (("company_ids", COMPANIES), ("territories", TERRITORY)):
        if bool(whole[field]) != (whole["reach"] == kind):
            message = f"{field} belong to the reach {kind}, and only to it."
            raise ReachMismatchError(message, pointer=f"/{field}")
    if whole["audience"] == "contact":
        for index, permission in enumerate(whole["permissions"]):
            if permission not in FOR_CONTACTS:
                message = f"{permission} is not for contacts; they may have {', '.join(sorted(FOR_CONTACTS))}."
                raise NotForContactsError(message, pointer=f"/permissions/{index}")
    for role in [role for role in (before, Role.trusted({"id": None, **whole})) if role is not None]:
        check_grantable(ctx.principal, role, pointer="/permissions")
    return given


router = routes(ROLES, create=RoleCreate, update=patch_model(RoleCreate), check=_checked)
