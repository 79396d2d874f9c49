"""Turning a person, a role or a key into a principal: what that one may do, and which rows and fields are seen.

Whoever checks credentials (`identity.authentication`) asks here for the rights that come with them; nothing else makes
principals of people. Rights are read with every look-up, so a changed role holds as soon as a credential is looked up
again.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Uuid, bindparam, column, select, table

from helpdesk_api.identity.permissions import FIELD_GROUPS, PERMISSIONS
from helpdesk_api.identity.roles import roles
from helpdesk_api.identity.users import users
from helpdesk_api.identity.visibility import reach_of_contact, reach_of_user
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.visibility import has_group

# Only what is read of them here: the table itself belongs to a layer above.
_contacts = table("contacts", *(column(name, Uuid) for name in ("tenant_id", "id", "company_id", "portal_role_id")))
_RIGHTS = (
    roles.c.permissions,
    roles.c.reach,
    roles.c.company_ids,
    roles.c.territories,
    roles.c.field_groups,
    tenants.c.clock_at.is_not(None).label("is_sandbox"),
)


def _with_role(source: FromClause, role_id: ColumnElement[Any], *more: ColumnElement[Any]) -> Statement:
    return Statement(
        select(*_RIGHTS, *more)
        .select_from(source)
        .join(roles, (roles.c.tenant_id == source.c.tenant_id) & (roles.c.id == role_id))
        .join(tenants, tenants.c.id == source.c.tenant_id)
        .where(source.c.tenant_id == bindparam("tenant"), source.c.id == bindparam("person"))
    )


_USER = _with_role(users, users.c.role_id, users.c.team_id, users.c.is_active)
_CONTACT = _with_role(_contacts, _contacts.c.portal_role_id, _contacts.c.company_id)
_ROLE = Statement(
    select(*_RIGHTS)
    .join(tenants, tenants.c.id == roles.c.tenant_id)
    .where(roles.c.tenant_id == bindparam("tenant"), roles.c.id == bindparam("person"))
)


async def principal_of_user(
    transaction: Transaction, tenant_id: UUID, user_id: UUID, *, credential_id: UUID | None
) -> Principal | None:
    """Give the principal of a member of staff, or None for one who is unknown, inactive or without a role."""
    row = await transaction.row(_USER, {"tenant": tenant_id, "person": user_id})
    if row is None or not row["is_active"]:
        return None
    return _of_staff(row, "user", user_id, tenant_id, credential_id, team_id=row["team_id"])


async def principal_of_contact(
    transaction: Transaction, tenant_id: UUID, contact_id: UUID, *, credential_id: UUID | None
) -> Principal | None:
    """Give the principal of a client's contact, or None for one who is unknown or without a portal role."""
    row = await transaction.row(_CONTACT, {"tenant": tenant_id, "person": contact_id})
    if row is None:
        return None
    return Principal(
        type="contact",
        id=contact_id,
        tenant_id=tenant_id,
        permissions=frozenset(row["permissions"]),
        reach=reach_of_contact(row["reach"], contact_id=contact_id, company_id=row["company_id"]),
        field_groups=frozenset(row["field_groups"]),
        is_sandbox=row["is_sandbox"],
        credential_id=credential_id,
    )


async def principal_of_role(
    transaction: Transaction, tenant_id: UUID, role_id: UUID, *, key_id: UUID | None
) -> Principal | None:
    """Give the principal of a key, or of nobody in particular, that has a role; None for an unknown role."""
    row = await transaction.row(_ROLE, {"tenant": tenant_id, "person": role_id})
    return None if row is None else _of_staff(row, "api_key", key_id, tenant_id, key_id, team_id=None)


def narrowed(principal: Principal, permissions: Collection[str], groups: Collection[str]) -> Principal:
    """Leave of a principal's rights what a key names; an empty list leaves them whole."""
    named = replace(principal, permissions=frozenset(permissions), field_groups=frozenset(groups))
    return replace(
        principal,
        permissions=frozenset(each for each in PERMISSIONS if principal.may(each) and named.may(each))
        if permissions
        else principal.permissions,
        field_groups=frozenset(each for each in FIELD_GROUPS if principal.sees(each) and has_group(groups, each))
        if groups
        else principal.field_groups,
    )


def _of_staff(
    row: Record,
    kind: Literal["user", "api_key"],
    own_id: UUID | None,
    tenant_id: UUID,
    credential_id: UUID | None,
    *,
    team_id: UUID | None,
) -> Principal:
    reach = reach_of_user(
        row["reach"],
        tenant_id=tenant_id,
        user_id=own_id,
        team_id=team_id,
        company_ids=row["company_ids"],
        territories=row["territories"],
    )
    return Principal(
        type=kind,
        id=own_id,
        tenant_id=tenant_id,
        permissions=frozenset(row["permissions"]),
        reach=reach,
        field_groups=frozenset(row["field_groups"]),
        is_sandbox=row["is_sandbox"],
        credential_id=credential_id,
    )
