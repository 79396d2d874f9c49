"""Letting the versions of contracts name another client or place, and again the one that they named.

All versions do, also those of the past: the contract is about the same client and the same places as ever.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, any_, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.sqltypes import Uuid

from helpdesk_api.agreements.contract_tables import (
    contract_companies,
    contract_references,
    contract_versions,
    contracts,
)
from helpdesk_api.directory.companies import companies
from helpdesk_api.directory.locations import locations
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.merging.pointers import Absorption

# In which list versions name a card.
LISTED: Final[Mapping[Table, str]] = {companies: "company_ids", locations: "location_ids"}


async def rename_in_contracts(ctx: Ctx, step: Absorption) -> dict[str, list[Any]]:
    """Have every version name the winner; gives what stood in each, and what stands there now."""
    field = LISTED.get(step.card)
    if field is None:
        return {}
    versions = contract_versions.c
    rows = await ctx.tx.rows(
        select(versions.id, versions.contract_id, versions[field])
        .where(versions.tenant_id == ctx.tenant_id, versions[field].contains([step.loser_id]))
        .order_by(versions.id)
    )
    found: dict[str, list[Any]] = {}
    for row in rows:
        named = dict.fromkeys(step.winner_id if each == step.loser_id else each for each in row[field])
        found[str(row["id"])] = [[str(each) for each in row[field]], [str(each) for each in named]]
    for version_id, (_, new) in found.items():
        await _name(ctx, version_id, field, new)
    if rows:
        await _tell(ctx, {row["contract_id"] for row in rows}, step.cause)
    return found


async def rename_back_in_contracts(ctx: Ctx, step: Absorption, named: Mapping[str, list[Any]]) -> None:
    """Have the versions name the loser again, but for those that name something else since."""
    versions, field = contract_versions.c, LISTED[step.card]
    ids = [UUID(each) for each in named]
    rows = await ctx.tx.rows(
        select(versions.id, versions.contract_id, versions[field]).where(
            versions.tenant_id == ctx.tenant_id, versions.id == any_(literal(ids, ARRAY(Uuid())))
        )
    )
    for row in rows:
        old, new = named[str(row["id"])]
        if [str(each) for each in row[field]] == new:
            await _name(ctx, str(row["id"]), field, old)
    contract_ids = {row["contract_id"] for row in rows}
    await _keep(ctx, step, contract_ids)
    await _tell(ctx, contract_ids, step.cause)


async def _keep(ctx: Ctx, step: Absorption, contract_ids: set[UUID]) -> None:
    """Let contracts that were amended since for the winner stay with it, beside the card that comes back."""
    versions, field = contract_versions.c, LISTED[step.card]
    is_client = step.card is companies
    held, column = (contract_companies, "company_id") if is_client else (contract_references, "location_id")
    known = select(held.c.id).where(
        held.c.tenant_id == ctx.tenant_id,
        held.c.contract_id == versions.contract_id,
        held.c[column] == step.winner_id,
    )
    rows = await ctx.tx.rows(
        select(versions.contract_id)
        .where(
            versions.tenant_id == ctx.tenant_id,
            versions.contract_id == any_(literal(sorted(contract_ids), ARRAY(Uuid()))),
            versions[field].contains([step.winner_id]),
            ~known.exists(),
        )
        .distinct()
    )
    for row in rows:
        values = {"tenant_id": ctx.tenant_id, "contract_id": row["contract_id"], column: step.winner_id}
        if not is_client:
            of_place = locations.c.tenant_id == ctx.tenant_id, locations.c.id == step.winner_id
            values["company_id"] = await ctx.tx.value(select(locations.c.company_id).where(*of_place))
        await ctx.tx.run(insert(held).values(values | {"id": new_id()}))


async def _name(ctx: Ctx, version_id: str, field: str, ids: list[str]) -> None:
    versions = contract_versions.c
    await ctx.tx.run(
        update(contract_versions)
        .where(versions.tenant_id == ctx.tenant_id, versions.id == UUID(version_id))
        .values({field: [UUID(each) for each in ids]})
    )


async def _tell(ctx: Ctx, contract_ids: set[UUID], cause: dict[str, Any]) -> None:
    rows = await ctx.tx.rows(
        update(contracts)
        .where(
            contracts.c.tenant_id == ctx.tenant_id,
            contracts.c.id == any_(literal(sorted(contract_ids), ARRAY(Uuid()))),
        )
        .values(version=contracts.c.version + 1, updated_at=ctx.now)
        .returning(contracts.c.id, contracts.c.version)
    )
    for row in rows:
        record(ctx, "contract.updated", object_id=row["id"], version=row["version"], data=cause)
