"""Who sees which rows: one condition for every kind of reach, put together from what a table knows of its rows.

A table says which of its columns hold the company, contact, team or assignee that a row belongs to; a kind of reach
that none of them tells anything about does not narrow the table for staff, and shows nothing of it to clients. The
mechanism is `kit.visibility`; who has which reach is told by roles.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Text, Uuid, any_, bindparam, column, or_, select, table, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit.visibility import EVERY_ROW, UNLIMITED, Reach, RowRules

TEAM: Final = "team"
ASSIGNED: Final = "assigned"
COMPANIES: Final = "companies"
TERRITORY: Final = "territory"
OWN: Final = "own"
COMPANY: Final = "company"

STAFF_REACHES: Final = (UNLIMITED, TEAM, ASSIGNED, COMPANIES, TERRITORY)
CONTACT_REACHES: Final = (OWN, COMPANY)

_user = bindparam("seen_user", type_=Uuid())
SEEN_CONTACT: Final = bindparam("seen_contact", type_=Uuid())
_teams = any_(bindparam("seen_teams", type_=ARRAY(Uuid())))
SEEN_COMPANIES: Final = any_(bindparam("seen_companies", type_=ARRAY(Uuid())))
# Only what is compared: the table itself belongs to a layer above.
_clients = table("companies", column("tenant_id", Uuid), column("id", Uuid), column("territory", Text)).alias("clients")
_of_territory = select(_clients.c.id).where(
    _clients.c.tenant_id == bindparam("tenant_of_territory", type_=Uuid()),
    _clients.c.territory == any_(bindparam("seen_territories", type_=ARRAY(Text))),
)


class ReachTooNarrowError(ForbiddenError):
    """What is asked for concerns objects that the caller does not see."""

    code = "reach_too_narrow"
    title = "The caller sees only some of the objects"


SHARED: Final[RowRules] = {kind: true() for kind in STAFF_REACHES}


def rows_of(
    *,
    company: Column[Any] | None = None,
    contact: Column[Any] | None = None,
    team: Column[Any] | None = None,
    assignee: Column[Any] | None = None,
) -> RowRules:
    """Give the conditions for a table whose rows belong to these."""
    rules = dict(SHARED)
    if assignee is not None:
        rules[ASSIGNED] = assignee == _user
        rules[TEAM] = rules[ASSIGNED] if team is None else or_(team == _teams, assignee == _user)
    if company is not None:
        rules[COMPANIES] = company == SEEN_COMPANIES
        rules[TERRITORY] = company.in_(_of_territory)
    mine = [] if contact is None else [contact == SEEN_CONTACT]
    ours = [] if company is None else [company == SEEN_COMPANIES]
    if mine or ours:
        rules[OWN] = _either(mine or ours)
        rules[COMPANY] = _either(mine + ours)
    return rules


def _either(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(*conditions)


def reach_of_user(
    kind: str,
    *,
    tenant_id: UUID,
    user_id: UUID | None,
    team_id: UUID | None,
    company_ids: list[UUID],
    territories: list[str],
) -> Reach:
    """Give the reach of a member of staff."""
    values = {
        "seen_user": user_id,
        "seen_teams": [team_id] if team_id else [],
        "seen_companies": company_ids,
        "seen_territories": territories,
        "tenant_of_territory": tenant_id,
    }
    return EVERY_ROW if kind == UNLIMITED else Reach(kind, values)


def reach_of_contact(kind: str, *, contact_id: UUID, company_id: UUID | None) -> Reach:
    """Give the reach of a client's contact."""
    return Reach(kind, {"seen_contact": contact_id, "seen_companies": [company_id] if company_id else []})
