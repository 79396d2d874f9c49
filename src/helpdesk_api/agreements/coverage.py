"""What covers something, asked of the contracts that may: those that have ever been for the client, and those for all.

One statement reads them, with the terms that hold at the instant as known now, by way of the client and never through
all contracts of the tenant. The decision itself is `domain.coverage`.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, Uuid, any_, bindparam, exists, func, or_, select, text, union
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.contract_tables import contract_companies, contract_versions, contracts
from helpdesk_api.agreements.contract_versions import TERMS, read_terms
from helpdesk_api.domain.coverage import Asked, Candidate, Coverage, decide
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement

_tenant = bindparam("tenant", type_=Uuid())
_at = bindparam("at", type_=DateTime(timezone=True))
_version = contract_versions.c
_may_cover = union(
    select(contract_companies.c.contract_id).where(
        contract_companies.c.tenant_id == _tenant,
        contract_companies.c.company_id == bindparam("company", type_=Uuid()),
    ),
    # Written as the index has it.
    select(_version.contract_id).where(
        _version.tenant_id == _tenant, _version.superseded_at.is_(None), text("company_ids = '{}'")
    ),
    select(contracts.c.id).where(
        contracts.c.tenant_id == _tenant, contracts.c.id == any_(bindparam("named", type_=ARRAY(Uuid)))
    ),
).subquery("may_cover")
_known = (
    select(_version.contract_id, *(_version[name] for name in TERMS))
    .where(
        _version.tenant_id == _tenant,
        _version.contract_id == any_(func.array(select(_may_cover.c.contract_id).scalar_subquery())),
        _version.superseded_at.is_(None),
        or_(_version.effective_from.is_(None), _version.effective_from <= _at),
        or_(_version.effective_until.is_(None), _version.effective_until > _at),
    )
    # Joined contract by contract, the planner would look into the index of the exclusion constraint, which is slower.
    .cte("known")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_CANDIDATES: Final = Statement(
    select(contracts.c.id.label("candidate_id"), contracts.c.number, *(_known.c[name] for name in TERMS))
    .select_from(_may_cover)
    .join(contracts, (contracts.c.tenant_id == _tenant) & (contracts.c.id == _may_cover.c.contract_id))
    .outerjoin(_known, _known.c.contract_id == contracts.c.id)
)
_version_of_it = (_version.tenant_id == _tenant, _version.contract_id == bindparam("contract", type_=Uuid()))
_IS_FOR: Final = Statement(
    select(
        or_(
            exists().where(
                contract_companies.c.tenant_id == _tenant,
                contract_companies.c.contract_id == bindparam("contract", type_=Uuid()),
                contract_companies.c.company_id == bindparam("company", type_=Uuid()),
            ),
            exists().where(*_version_of_it, text("company_ids = '{}'")),
        )
    )
)
HAS_CONTRACTS: Final = exists().where(contracts.c.tenant_id == bindparam("tenant_id", type_=Uuid()))
_HAS_CONTRACTS: Final = Statement(select(HAS_CONTRACTS))


async def has_contracts(ctx: Ctx) -> bool:
    """Tell whether the tenant has contracts at all."""
    return bool(await ctx.tx.value(_HAS_CONTRACTS, {"tenant_id": ctx.tenant_id}))


async def is_for_client(ctx: Ctx, contract_id: UUID, company_id: UUID) -> bool:
    """Tell whether a contract is, or has ever been, for a client or for all."""
    asked = {"tenant": ctx.tenant_id, "contract": contract_id, "company": company_id}
    return bool(await ctx.tx.value(_IS_FOR, asked))


async def coverage_of(ctx: Ctx, asked: Asked) -> Coverage:
    """Decide what covers something, by what is known now of the instant that is asked about."""
    named: list[UUID] = [] if asked.contract_id is None else [asked.contract_id]
    rows = await ctx.tx.rows(
        _CANDIDATES, {"tenant": ctx.tenant_id, "company": asked.company_id, "named": named, "at": asked.at}
    )
    return decide(asked, [_candidate(row) for row in rows])


def _candidate(row: Record) -> Candidate:
    # Terms always have a start.
    has_terms = row["starts_at"] is not None
    return Candidate(
        row["candidate_id"], row["number"], read_terms({name: row[name] for name in TERMS}) if has_terms else None
    )
