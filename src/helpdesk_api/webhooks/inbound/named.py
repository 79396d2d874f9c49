"""What an alert names, looked up: the team that its ticket is for, and the client, in any of the ways to name one."""

from typing import Final
from uuid import UUID

from sqlalchemy import Text, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES, companies
from helpdesk_api.directory.external_references import find_reference
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.teams import TEAMS, teams
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.webhooks.inbound.mapping import Alert

_SHOWN: Final = 60
_TEAM: Final = Statement(
    select(teams.c.id).where(teams.c.tenant_id == bindparam("tenant"), teams.c.name == bindparam("name"))
)
# Two tell that there is more than one; which two does not matter.
_COMPANIES: Final = Statement(
    select(companies.c.id)
    .where(
        companies.c.tenant_id == bindparam("tenant"),
        companies.c.domains.contains(bindparam("domains", type_=ARRAY(Text))),
    )
    .order_by(companies.c.id)
    .limit(2)
)


class AmbiguousCompanyError(ConflictError):
    """Several clients have the mail domain that an alert names one by."""

    code = "ambiguous_company"
    title = "The alert could be of several clients"


async def team_of(ctx: Ctx, alert: Alert) -> UUID | None:
    """Find the team that an alert names; raises UnknownReferenceError when it is not there."""
    if alert.team_id is not None:
        if not await crud.fetch_many(ctx, TEAMS, [alert.team_id]):
            message = f"There is no team {alert.team_id}."
            raise UnknownReferenceError(message, pointer="/mapping/team_id")
        return alert.team_id
    if not alert.team_name:
        return None
    found: UUID | None = await ctx.tx.value(_TEAM, {"tenant": ctx.tenant_id, "name": alert.team_name})
    if found is None:
        message = f"There is no team {alert.team_name[:_SHOWN]!r}."
        raise UnknownReferenceError(message, pointer="/mapping/team_name")
    return found


async def company_of(ctx: Ctx, alert: Alert) -> UUID | None:
    """Find the client that an alert names: by its id, then by another system's, then by domain.

    Raises UnknownReferenceError when it is not there, and AmbiguousCompanyError when several are.
    """
    if alert.company_id is not None:
        if not await crud.fetch_many(ctx, COMPANIES, [alert.company_id]):
            message = f"There is no company {alert.company_id}."
            raise UnknownReferenceError(message, pointer="/mapping/company_id")
        return alert.company_id
    if alert.company_reference is not None:
        source, external_id = alert.company_reference
        reference = await find_reference(ctx, "company_id", source, external_id)
        if reference is None:
            message = f"No company goes by {external_id[:_SHOWN]!r} in {source[:_SHOWN]!r}."
            raise UnknownReferenceError(message, pointer="/mapping/company_external_id")
        return reference.company_id
    return await _of_domain(ctx, alert.company_domain) if alert.company_domain else None


async def _of_domain(ctx: Ctx, domain: str) -> UUID:
    found = await ctx.tx.rows(_COMPANIES, {"tenant": ctx.tenant_id, "domains": [domain]})
    if not found:
        message = f"No company has the domain {domain[:_SHOWN]!r}."
        raise UnknownReferenceError(message, pointer="/mapping/company_domain")
    if len(found) > 1:
        message = f"Several companies have the domain {domain[:_SHOWN]!r}."
        raise AmbiguousCompanyError(message, pointer="/mapping/company_domain")
    company_id: UUID = found[0]["id"]
    return company_id
