"""Deadlines after an edit of a calendar: the clocks of open tickets are measured anew by it.

A clock is made again of its own history, with the new version of the calendar in place of the one it had, so it comes
out the same however often and in whatever order this is done. A breach or warning that was recorded stays recorded.
Clocks that have stopped keep the version they stopped with. It is a job, a few tickets at a time, each batch in a
transaction of its own; every deadline that moves is told by `ticket.sla_retargeted`, and the end by
`calendar.deadlines_recomputed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, text

from helpdesk_api.agreements.calendar_schemas import HOURS_FIELDS
from helpdesk_api.agreements.calendar_versions import hours_of, latest_version
from helpdesk_api.domain import escalation
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.clock_history import MeasuredClock, Started, begun
from helpdesk_api.domain.sla import settle
from helpdesk_api.kit import deadlines, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import cause_of_event, record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_sandbox_tenant
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets import clock_batches, clock_rows
from helpdesk_api.tickets.clock_entries import happened, read
from helpdesk_api.tickets.clock_rows import TicketClock
from helpdesk_api.tickets.clocks import TicketClocks
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.reactions import settle_each

RECOMPUTE: Final = "calendar.recompute"
# So few that whoever writes to one of these tickets waits for a fraction of a second.
_TICKETS_AT_ONCE: Final = 100
_EDITED: Final = frozenset({*HOURS_FIELDS, "effective_from"})

_are_behind = (
    sla_clocks.c.tenant_id == bindparam("tenant"),
    sla_clocks.c.calendar_id == bindparam("calendar"),
    sla_clocks.c.calendar_version < bindparam("version"),
    # Written as the index has it.
    text("state IN ('running', 'paused')"),
)
_NEXT = Statement(
    select(sla_clocks.c.ticket_id)
    .where(*_are_behind, sla_clocks.c.ticket_id > bindparam("after"))
    .group_by(sla_clocks.c.ticket_id)
    .order_by(sla_clocks.c.ticket_id)
    .limit(_TICKETS_AT_ONCE)
)


@dataclass(frozen=True, slots=True)
class Edited:
    """A calendar as it is known by its latest edit."""

    calendar_id: UUID
    version: int
    hours: Calendar

    def is_ahead_of(self, item: TicketClock) -> bool:
        """Tell whether a clock is measured by an earlier version of the calendar."""
        version = item.source.calendar_version
        return item.source.calendar_id == self.calendar_id and version is not None and version < self.version


async def schedule_recomputation(ctx: Ctx, told: Sequence[Record]) -> None:
    """See to it that an edit of the hours of a calendar reaches the clocks that are measured by it."""
    edited = {
        str(event["object_id"]): cause_of_event(event)
        for event in told
        if event["type"] == "calendar.updated" and not _EDITED.isdisjoint(event["changes"])
    }
    if edited:
        await jobs.put(
            ctx,
            [
                NewJob(RECOMPUTE, {"calendar_id": calendar_id}, ctx.real_now, cause=cause)
                for calendar_id, cause in edited.items()
            ],
        )


async def recompute(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Measure the live clocks of a calendar by its latest version, batch by batch."""
    (job,) = claimed
    calendar_id = UUID(job.payload["calendar_id"])
    async with runtime.db.transaction(tenant_id) as transaction:
        is_sandbox = await is_sandbox_tenant(transaction, tenant_id)
    principal, cause = system(tenant_id, is_sandbox=is_sandbox), Cause("job", str(job.id))
    after, counts = UUID(int=0), {"ticket_count": 0, "clock_count": 0, "moved_count": 0}
    is_done = False
    while not is_done:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            version, _ = await latest_version(ctx, calendar_id)
            behind = {"tenant": tenant_id, "calendar": calendar_id, "version": version}
            rows = await ctx.tx.rows(_NEXT, behind | {"after": after})
            edited = Edited(calendar_id, version, await hours_of(ctx, calendar_id, version))
            if rows:
                after = rows[-1]["ticket_id"]
                done, moved = await _recompute(ctx, [row["ticket_id"] for row in rows], edited)
                counts["ticket_count"] += len(rows)
                counts["clock_count"] += done
                counts["moved_count"] += moved
            if len(rows) < _TICKETS_AT_ONCE:
                is_done = True
                if await jobs.complete(ctx.tx, claimed):
                    record(
                        ctx,
                        "calendar.deadlines_recomputed",
                        object_id=calendar_id,
                        version=version,
                        data={"calendar_version": version, **counts},
                    )


async def _recompute(ctx: Ctx, ticket_ids: Sequence[UUID], edited: Edited) -> tuple[int, int]:
    """Measure the clocks of some tickets anew; gives how many, and how many deadlines have moved."""
    since = len(ctx.events)
    held = await clock_batches.hold(ctx, ticket_ids)
    live = await clock_batches.live_of_held(ctx, held)
    stored: list[tuple[TicketClock, Sequence[Mapping[str, Any]]]] = []
    changed: list[tuple[TicketClock, TicketClock]] = []
    times: dict[UUID, datetime] = {}
    due: dict[UUID, datetime | None] = {}
    for ticket in held:
        # The clocks of two servers are never quite the same, and the later change must not seem the earlier one.
        moment = ctx if ctx.now >= ticket.updated_at else replace(ctx, now=ticket.updated_at)
        anew = TicketClocks(moment, ticket.id, [item for item, _ in live[ticket.id]])
        for item, history in live[ticket.id]:
            # A clock from before histories were kept goes on as it was promised.
            if not edited.is_ahead_of(item) or not history:
                continue
            measured, entries = await measured_anew(moment, item, history, edited)
            anew.put(measured)
            stored.append((measured, entries))
            if measured.clock == item.clock:
                continue
            changed.append((item, measured))
            times[ticket.id] = moment.now
            due_before = {"due_before": item.clock.due_at}
            for move in clock_rows.moves(item.clock, measured.clock):
                more = due_before if move == "retargeted" else {}
                clock_rows.record_move(moment, move, measured, ticket.version + 1, **more)
        due[ticket.id] = anew.earliest_due
    if stored:
        await clock_batches.store_measured(ctx, stored)
    if changed:
        await clock_batches.touch_due(ctx, times, due)
        await deadlines.cancel(ctx, [gone for old, new in changed for gone in clock_rows.void(old, new)])
        standing = [clock_rows.ahead(old.clock) for old, _ in changed]
        await clock_rows.arrange(ctx, [new for _, new in changed], but_not=standing)
        await settle_each(ctx, since=since)
    return len(stored), sum(old.clock.due_at != new.clock.due_at for old, new in changed)


async def measured_anew(
    ctx: Ctx, item: TicketClock, history: Sequence[Mapping[str, Any]], edited: Edited
) -> tuple[TicketClock, list[dict[str, Any]]]:
    """Make a clock of its history again, by an edit of its calendar; gives the history as it is known then, too."""
    stored = [_known_as(entry, edited) for entry in history]
    entries = read(stored)
    measured: MeasuredClock | None = None
    source = item.source
    for entry in entries:
        calendar = None
        if entry.source is not None:
            source = entry.source
            if source.calendar_id == item.source.calendar_id:
                calendar = edited.hours
            else:
                calendar = await clock_rows.hours_by(ctx, source.calendar_id, source.calendar_version)
        change = happened(entry, calendar)
        if isinstance(change, Started):
            measured = begun(item.clock.metric, change, instance=item.clock.instance)
        elif measured is not None:
            measured = measured.after(change)
    if measured is None:
        message = f"the history of clock {item.id} has no start"
        raise LookupError(message)
    old, new = item.clock, settle(measured.clock, ctx.now)
    kept = replace(
        new,
        warned_at=old.warned_at or new.warned_at,
        breached_at=old.breached_at or new.breached_at,
        escalations=escalation.kept(old.escalations, new.escalations, ctx.now),
    )
    return replace(item, source=source, measured=replace(measured, clock=kept)), stored


def _known_as(entry: Mapping[str, Any], edited: Edited) -> dict[str, Any]:
    if entry.get("calendar_id") != str(edited.calendar_id):
        return dict(entry)
    return {**entry, "calendar_version": edited.version}
