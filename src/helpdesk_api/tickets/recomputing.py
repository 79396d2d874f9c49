"""Deadlines after an edit of a calendar: the clocks of open tickets are measured anew by it.

A clock is made again of its own history, with the new version of the calendar in place of the one it had, so it comes
out the same however often and in whatever order this is done. A breach or warning that was recorded stays recorded.
Clocks that have stopped keep the version they stopped with. It is a job, a few tickets at a time, each batch in a
transaction of its own; every deadline that moves is told by `ticket.sla_retargeted`, and the end by
`calendar.deadlines_recomputed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.agreements.calendar_schemas import HOURS_FIELDS
from helpdesk_api.agreements.calendar_versions import hours_of, latest_version
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.clock_history import MeasuredClock, Started, begun
from helpdesk_api.domain.sla import settle
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_sandbox_tenant
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets import clock_rows
from helpdesk_api.tickets.clock_entries import happened, read
from helpdesk_api.tickets.clock_rows import TicketClock
from helpdesk_api.tickets.clocks import TicketClocks
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.resources import TICKETS

RECOMPUTE: Final = "calendar.recompute"
# So few that whoever writes to one of these tickets waits for a fraction of a second.
_TICKETS_AT_ONCE: Final = 50
_EDITED: Final = frozenset({*HOURS_FIELDS, "effective_from"})

_is_behind = (
    sla_clocks.c.tenant_id == bindparam("tenant"),
    sla_clocks.c.calendar_id == bindparam("calendar"),
    sla_clocks.c.calendar_version < bindparam("version"),
    # Written as the index has it.
    text("state IN ('running', 'paused')"),
)
_NEXT = Statement(
    select(sla_clocks.c.ticket_id)
    .where(*_is_behind, sla_clocks.c.ticket_id > bindparam("after"))
    .group_by(sla_clocks.c.ticket_id)
    .order_by(sla_clocks.c.ticket_id)
    .limit(_TICKETS_AT_ONCE)
)
_HISTORIES = Statement(
    select(sla_clocks.c.id, sla_clocks.c.history).where(*_is_behind, sla_clocks.c.ticket_id == bindparam("ticket"))
)
_REWRITE = Statement(
    update(sla_clocks)
    .where(sla_clocks.c.tenant_id == bindparam("of_tenant"), sla_clocks.c.id == bindparam("of_clock"))
    .values(history=bindparam("entries", type_=JSONB))
)


async def schedule_recomputation(ctx: Ctx, told: Sequence[Record]) -> None:
    """See to it that an edit of the hours of a calendar reaches the clocks that are measured by it."""
    edited = [
        event["object_id"]
        for event in told
        if event["type"] == "calendar.updated" and not _EDITED.isdisjoint(event["changes"])
    ]
    if edited:
        calendars = [str(calendar_id) for calendar_id in dict.fromkeys(edited)]
        await jobs.put(ctx, [NewJob(RECOMPUTE, {"calendar_id": one}, ctx.real_now) for one in calendars])


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
            hours = await hours_of(ctx, calendar_id, version)
            for row in rows:
                after = row["ticket_id"]
                done, moved = await _recompute_ticket(ctx, after, behind, hours)
                counts["ticket_count"] += 1
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


async def _recompute_ticket(ctx: Ctx, ticket_id: UUID, behind: Mapping[str, Any], hours: Calendar) -> tuple[int, int]:
    """Measure the clocks of one ticket anew; gives how many, and how many deadlines have moved."""
    before = await crud.fetch_locked(ctx, TICKETS, ticket_id)
    ctx = ctx if ctx.now >= before.updated_at else replace(ctx, now=before.updated_at)
    running = await clock_rows.latest_of(ctx, ticket_id)
    histories = {row["id"]: row["history"] for row in await ctx.tx.rows(_HISTORIES, {**behind, "ticket": ticket_id})}
    moved: list[TicketClock] = []
    for item in running:
        # A clock from before histories were kept goes on as it was promised.
        if not histories.get(item.id):
            moved.append(item)
            continue
        entries = [_known_as(entry, behind) for entry in histories[item.id]]
        moved.append(await _measured_anew(ctx, item, entries, hours))
        await ctx.tx.run(_REWRITE, {"of_tenant": ctx.tenant_id, "of_clock": item.id, "entries": entries})
    moved_count = sum(old.clock.due_at != new.clock.due_at for old, new in zip(running, moved, strict=True))
    version = before.version
    if any(old.clock != new.clock for old, new in zip(running, moved, strict=True)):
        clocks = TicketClocks(ctx, ticket_id, moved)
        version = (await crud.store_changes(ctx, TICKETS, before, {"due_at": clocks.earliest_due})).version
    await clock_rows.write(ctx, running, moved, version)
    return len(histories), moved_count


def _known_as(entry: Mapping[str, Any], behind: Mapping[str, Any]) -> dict[str, Any]:
    if entry.get("calendar_id") != str(behind["calendar"]):
        return dict(entry)
    return {**entry, "calendar_version": behind["version"]}


async def _measured_anew(
    ctx: Ctx, item: TicketClock, stored: Sequence[Mapping[str, Any]], hours: Calendar
) -> TicketClock:
    """Make a clock of its history again, where the calendar in question is known as `hours`."""
    entries = read(stored)
    measured: MeasuredClock | None = None
    source = item.source
    for entry in entries:
        calendar = None
        if entry.source is not None:
            source = entry.source
            if source.calendar_id == item.source.calendar_id:
                calendar = hours
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
    kept = replace(new, warned_at=old.warned_at or new.warned_at, breached_at=old.breached_at or new.breached_at)
    return replace(item, source=source, measured=replace(measured, clock=kept))
