"""Contracts: by which number, who looks after them and where they stand.

What they say is `agreements.contract_versions`. A contract is seen by those who see one of the clients that it has ever
been for; one for no client in particular by all of the staff.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import exists, or_, select

from helpdesk_api.agreements.contract_schemas import Contract, ContractStatusName
from helpdesk_api.agreements.contract_tables import contract_companies, contracts
from helpdesk_api.domain.contracts import ContractStatus
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import SHARED, rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Listing, PageQuery, Sort
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.visibility import RowRules


def _rows() -> RowRules:
    clients = select(contract_companies.c.contract_id).where(contract_companies.c.tenant_id == contracts.c.tenant_id)
    is_for_some = exists().where(
        contract_companies.c.tenant_id == contracts.c.tenant_id, contract_companies.c.contract_id == contracts.c.id
    )
    by_client = rows_of(company=contract_companies.c.company_id)
    return dict(SHARED) | {
        kind: or_(~is_for_some, contracts.c.id.in_(clients.where(seen)))
        for kind, seen in by_client.items()
        if kind in SHARED and seen is not SHARED[kind]
    }


class ContractQuery(PageQuery):
    """The query parameters of the list of contracts, beside its filters."""

    company_id: Annotated[UUID | None, Field(description="Those that are, or have ever been, for this client.")] = None


async def refine(
    ctx: Ctx, listing: Listing, query: PageQuery, narrowing: Narrowing | None
) -> tuple[Listing, Narrowing | None]:
    """Narrow a list to the contracts of a client."""
    company_id: UUID | None = getattr(query, "company_id", None)
    if company_id is None:
        return listing, narrowing
    of_client = select(contract_companies.c.contract_id).where(
        contract_companies.c.tenant_id == ctx.tenant_id, contract_companies.c.company_id == company_id
    )
    return listing, Narrowing(contracts.c.id.in_(of_client), said=["company_id", str(company_id)])


CONTRACTS = Resource(
    name="contract",
    plural="contracts",
    table=contracts,
    read=Contract,
    example={
        "number": "SC-2026-041",
        "name": "Service of the label printers",
        "status": "active",
        "responsible_user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "responsible_team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "notes": "To be renegotiated with the new warehouse.",
    },
    filters=(
        Filter("number", contracts.c.number, str),
        Filter("name", contracts.c.name, str),
        Filter("status", contracts.c.status, ContractStatusName),
        Filter("responsible_user_id", contracts.c.responsible_user_id, UUID),
        Filter("responsible_team_id", contracts.c.responsible_team_id, UUID),
    ),
    sorts=(Sort("number", contracts.c.number, "text"), Sort("name", contracts.c.name, "text")),
    includes=(
        Include("responsible_user", "responsible_user_id", USERS),
        Include("responsible_team", "responsible_team_id", TEAMS),
    ),
    rows=_rows(),
    query_base=ContractQuery,
    refine=refine,
)


async def begin_as_draft(ctx: Ctx, given: dict[str, Any], before: Contract | None) -> dict[str, Any]:
    """Let a new contract be a draft: it has no terms yet."""
    del ctx
    return given if before is not None else given | {"status": ContractStatus.DRAFT.value}
