"""Forgetting who was merged: what a snapshot knows of a person goes when the person is erased."""

from typing import Any
from uuid import UUID

from sqlalchemy import any_, literal, null, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.sqltypes import Uuid

from helpdesk_api.kit.context import Ctx
from helpdesk_api.merging.merges import merges


async def cards_within(ctx: Ctx, contact_id: UUID) -> list[dict[str, Any]]:
    """Give the cards, as they were, that were merged into a contact, or into one that was merged into it."""
    found: list[dict[str, Any]] = []
    for row in await _merges_into(ctx, contact_id):
        found += [each["card"] for each in (row["snapshot"] or {"losers": []})["losers"]]
    return found


async def forget(ctx: Ctx, contact_id: UUID) -> None:
    """Empty the snapshots of these merges, which cannot be undone from then on."""
    ids = [row["id"] for row in await _merges_into(ctx, contact_id) if row["snapshot"] is not None]
    await ctx.tx.run(
        update(merges)
        .where(merges.c.tenant_id == ctx.tenant_id, merges.c.id == any_(literal(ids, ARRAY(Uuid()))))
        .values(state="final", snapshot=null(), version=merges.c.version + 1, updated_at=ctx.now)
    )


async def _merges_into(ctx: Ctx, contact_id: UUID) -> list[Any]:
    """Give the merges of a contact, and of those that went into it."""
    found: dict[UUID, Any] = {}
    wanted = [contact_id]
    while wanted:
        rows = await ctx.tx.rows(
            select(merges.c.id, merges.c.loser_ids, merges.c.snapshot).where(
                merges.c.tenant_id == ctx.tenant_id,
                merges.c.state != "undone",
                merges.c.winner_id == any_(literal(wanted, ARRAY(Uuid()))),
            )
        )
        fresh = [row for row in rows if row["id"] not in found]
        found |= {row["id"]: row for row in fresh}
        wanted = [each for row in fresh for each in row["loser_ids"]]
    return list(found.values())
