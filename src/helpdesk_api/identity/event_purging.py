"""Letting old events go without losing the proof of the rest: whole seals at a time, from the beginning of the log.

A seal stays for ever, with the hash of every event that it covered. What of it was removed is told by an event in the
log itself (`identity.audit_purges`), written by the transaction that removes. Two kinds of events go at different ages:
those about the business of the desk, and those about its security, which are kept longer, so that nobody erases his own
traces. Where the feed begins by now is kept in `event_log_starts`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, DateTime, any_, func, literal, not_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from helpdesk_api.domain.audit_chain import Position, Seal, first_break
from helpdesk_api.identity.audit_purges import EVENTS_PURGED, RuleName, load_purges
from helpdesk_api.identity.audit_redactions import redactions_of_events
from helpdesk_api.identity.audit_seals import BEGINNING, audit_seals, covered_events, seal_of
from helpdesk_api.identity.due_seals import beyond, last_due_seal, up_to
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Xid8, events, record
from helpdesk_api.kit.retention import COUNTED_UP_TO, Batch, Days, Due, remove
from helpdesk_api.kit.sql import tenant_table

_SEALS_AT_ONCE: Final = 100
_EVENTS_AT_ONCE: Final = 1_000

# `after_*` is the position that the feed begins behind, null while all of it is there; `*_seal` how far a rule went.
event_log_starts = tenant_table(
    "event_log_starts",
    Column("events_seal", BigInteger, nullable=False, server_default="0"),
    Column("security_events_seal", BigInteger, nullable=False, server_default="0"),
    Column("after_xid", Xid8),
    Column("after_seq", BigInteger),
    Column("kept_since", DateTime(timezone=True)),
    versioned=False,
)


class BrokenTrailError(Exception):
    """Events that do not fit their seals are evidence, and are not removed; the message names the seal."""


@dataclass(frozen=True, eq=False)
class KeptEvents:
    """Events of the log that are kept for a number of days: those of the `business` types, or all the others."""

    name: RuleName
    meaning: str
    days: Days
    business: Collection[str]

    async def due(self, ctx: Ctx, days: int) -> Due:
        """Tell what would go."""
        stretch = await self._stretch(ctx, days)
        if stretch is None:
            return Due(0, None, None)
        found = select(events.c.id).where(*stretch).limit(COUNTED_UP_TO).subquery("found")
        ends = select(func.min(events.c.occurred_at), func.max(events.c.occurred_at)).where(*stretch)
        row = await ctx.tx.row(ends)
        count: int = await ctx.tx.value(select(func.count()).select_from(found))
        return Due(count, *((None, None) if row is None else (row[0], row[1])))

    async def is_due(self, ctx: Ctx, days: int) -> bool:
        """Tell whether anything would go."""
        stretch = await self._stretch(ctx, days)
        return stretch is not None and bool(await ctx.tx.value(select(select(events.c.id).where(*stretch).exists())))

    async def purge(self, ctx: Ctx, days: int, run_id: UUID) -> Batch:
        """Remove what is due of the next few seals, and tell it; raises BrokenTrailError."""
        start = await self._hold_start(ctx)
        through = await last_due_seal(ctx, timedelta(days=days), after=await _position(ctx, start[self.name]))
        if self.name == "security_events":
            # Those of the business go first: what is left is then all that goes.
            through = min(through, start["events"])
        seals = await _seals(ctx, start[self.name], through)
        if not seals:
            return Batch(0, is_last=True)
        removed = await self._remove(ctx, await _seal(ctx, start[self.name]), seals, run_id)
        return Batch(removed, is_last=seals[-1].number == through)

    async def _remove(self, ctx: Ctx, before: Seal | None, seals: Sequence[Seal], run_id: UUID) -> int:
        purges = await load_purges(ctx.tx, ctx.tenant_id)
        kept: dict[str, list[int]] = {}
        gone: list[UUID] = []
        for seal in seals:
            covered = await covered_events(ctx.tx, before, seal)
            redactions = await redactions_of_events(ctx.tx, ctx.tenant_id, [event["id"] for event in covered])
            hashed = [redactions.hashed(event) for event in covered]
            if first_break(before, seal, hashed, kept=purges.kept(seal.number)) is not None:
                message = f"Events of the seal {seal.number} are not as they were sealed; they are kept as evidence."
                raise BrokenTrailError(message)
            gone += [event["id"] for event in covered if self._goes(event)]
            if staying := [place for place, event in enumerate(covered) if not self._goes(event)]:
                kept[str(seal.number)] = staying
            before = seal
        await self._advance(ctx, seals[-1], has_removed=bool(gone))
        if gone:
            await remove(ctx, events, gone)
            told = {"rule": self.name, "first_seal": seals[0].number, "last_seal": seals[-1].number}
            data = told | {"event_count": len(gone), "kept": kept}
            record(ctx, EVENTS_PURGED, object_id=run_id, version=1, data=data)
        return len(gone)

    def _goes(self, event: Record) -> bool:
        return self.name == "security_events" or event["type"] in self.business

    async def _hold_start(self, ctx: Ctx) -> dict[str, int]:
        """Give the seals that either rule went through, and keep others from purging meanwhile."""
        anew = insert(event_log_starts).values(tenant_id=ctx.tenant_id, id=ctx.tenant_id)
        await ctx.tx.run(anew.on_conflict_do_nothing())
        row = await ctx.tx.row(
            select(event_log_starts.c.events_seal, event_log_starts.c.security_events_seal)
            .where(event_log_starts.c.tenant_id == ctx.tenant_id)
            .with_for_update()
        )
        return {} if row is None else {"events": row["events_seal"], "security_events": row["security_events_seal"]}

    async def _stretch(self, ctx: Ctx, days: int) -> list[ColumnElement[bool]] | None:
        column = event_log_starts.c[f"{self.name}_seal"]
        start = await ctx.tx.value(select(column).where(event_log_starts.c.tenant_id == ctx.tenant_id)) or 0
        after = await _position(ctx, start)
        through = await last_due_seal(ctx, timedelta(days=days), after=after)
        if through <= start:
            return None
        is_business = events.c.type == any_(literal(sorted(self.business), ARRAY(events.c.type.type)))
        return [
            events.c.tenant_id == ctx.tenant_id,
            beyond(after),
            up_to(await _position(ctx, through)),
            is_business if self.name == "events" else not_(is_business),
        ]

    async def _advance(self, ctx: Ctx, last: Seal, *, has_removed: bool) -> None:
        mine = event_log_starts.c.tenant_id == ctx.tenant_id
        await ctx.tx.run(update(event_log_starts).where(mine).values({f"{self.name}_seal": last.number}))
        if has_removed:
            here = func.row(literal(last.last.xid, Xid8), literal(last.last.seq, BigInteger))
            known = func.row(event_log_starts.c.after_xid, event_log_starts.c.after_seq)
            await ctx.tx.run(
                update(event_log_starts)
                .where(mine, event_log_starts.c.after_xid.is_(None) | (known < here))
                .values(after_xid=last.last.xid, after_seq=last.last.seq, kept_since=last.sealed_at)
            )


async def _seals(ctx: Ctx, start: int, through: int) -> list[Seal]:
    """Give the next seals, as many as hold a batch of events, but one at least."""
    rows = await ctx.tx.rows(
        select(audit_seals)
        .where(
            audit_seals.c.tenant_id == ctx.tenant_id,
            audit_seals.c.number > start,
            audit_seals.c.number <= through,
        )
        .order_by(audit_seals.c.number)
        .limit(_SEALS_AT_ONCE)
    )
    chosen: list[Seal] = []
    count = 0
    for row in rows:
        count += row["event_count"]
        if chosen and count > _EVENTS_AT_ONCE:
            break
        chosen.append(seal_of(row))
    return chosen


async def _seal(ctx: Ctx, number: int) -> Seal | None:
    found = select(audit_seals).where(audit_seals.c.tenant_id == ctx.tenant_id, audit_seals.c.number == number)
    row = await ctx.tx.row(found)
    return None if row is None else seal_of(row)


async def _position(ctx: Ctx, number: int) -> Position:
    seal = await _seal(ctx, number)
    return BEGINNING if seal is None else seal.last
