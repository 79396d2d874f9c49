"""The SLA clocks of a ticket as rows: started, moved and fired in the transaction of the change that moves them.

How a clock behaves is `domain.sla` and `domain.workflow`; here its rows, its deadlines and its events are kept in step
with it. Each move is recorded as one `ticket.sla_*` event, with the version that the ticket gets by the change.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select, update

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.promises import Promise
from helpdesk_api.domain import sla
from helpdesk_api.domain.business_time import ALWAYS_OPEN, Calendar
from helpdesk_api.domain.sla import Clock, ClockState, Metric, Terms
from helpdesk_api.domain.workflow import FINISHED, Status, follow_status
from helpdesk_api.kit import deadlines
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.deadlines import Deadline
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.tickets.models import sla_clocks

WARNING_KIND = "ticket.sla_warning"
BREACH_KIND = "ticket.sla_breach"

T = TypeVar("T")

_SECOND = timedelta(seconds=1)
_CLOCK_FIELDS = tuple(field.name for field in fields(Clock))
_SOURCE_FIELDS = ("policy_id", "policy_version", "calendar_id", "calendar_version")
_COLUMNS = ("tenant_id", "id", "ticket_id", *_SOURCE_FIELDS, *_CLOCK_FIELDS)
_ORDER = {metric: index for index, metric in enumerate(Metric)}

_INSERT = Statement(insert_many(sla_clocks, _COLUMNS))
_UPDATE = Statement(
    update(sla_clocks)
    .where(sla_clocks.c.tenant_id == bindparam("of_tenant"), sla_clocks.c.id == bindparam("of_clock"))
    .values({name: bindparam(name) for name in (*_SOURCE_FIELDS, *_CLOCK_FIELDS)})
)
_OF_TICKET = Statement(
    select(*(sla_clocks.c[name] for name in _COLUMNS if name != "tenant_id"))
    .where(sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.ticket_id == bindparam("ticket"))
    .order_by(sla_clocks.c.metric, sla_clocks.c.instance)
)


@dataclass(frozen=True, slots=True)
class TicketClock:
    """A clock together with its row, what it was promised by and the hours that measure it."""

    id: UUID
    ticket_id: UUID
    policy_id: UUID
    policy_version: int
    calendar_id: UUID | None
    calendar_version: int | None
    calendar: Calendar
    clock: Clock


async def of_ticket(ctx: Ctx, ticket_id: UUID) -> list[TicketClock]:
    """Load the clocks of one ticket, which the caller has locked."""
    rows = await ctx.tx.rows(_OF_TICKET, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    return [await _from_row(ctx, row) for row in rows]


async def begin(ctx: Ctx, ticket_id: UUID, promises: Mapping[Metric, Promise], status: Status) -> list[TicketClock]:
    """Make the clocks of a new ticket, already where its first status wants them; `write_new` stores them."""
    return [await _begin_one(ctx, ticket_id, promise, status) for promise in promises.values()]


async def write_new(ctx: Ctx, begun: Sequence[TicketClock], version: int) -> None:
    """Store the clocks of a ticket whose row has been written, with their deadlines and events."""
    if not begun:
        return
    rows = [_row(ctx, item) for item in begun]
    await ctx.tx.run(_INSERT, {name: [row[name] for row in rows] for name in _COLUMNS})
    await _arrange(ctx, begun, but_not=[{} for _ in begun])
    for item in begun:
        _record(ctx, "started", item, version)


def follow(
    moving: Sequence[TicketClock], status: Status, at: datetime, *, promised: Collection[Metric] = ()
) -> list[TicketClock]:
    """Carry clocks to what a status asks of them; a stopped one only when it is `promised` again by a reopening."""
    return [
        replace(item, clock=follow_status(item.clock, status, calendar=item.calendar, at=at))
        if item.clock.state in sla.LIVE or item.clock.metric in promised
        else item
        for item in moving
    ]


def answer(moving: Sequence[TicketClock], at: datetime) -> list[TicketClock]:
    """Stop the first-response clock because a user has replied, also while the ticket waits."""
    return [
        replace(item, clock=sla.stop(item.clock, item.calendar, at))
        if item.clock.metric is Metric.FIRST_RESPONSE and item.clock.state in sla.LIVE
        else item
        for item in moving
    ]


async def retarget(
    ctx: Ctx, ticket_id: UUID, moving: Sequence[TicketClock], promises: Mapping[Metric, Promise], status: Status
) -> tuple[list[TicketClock], list[TicketClock]]:
    """Put live clocks under what is promised now, keeping used and waited time; gives them and those newly begun.

    A clock whose metric is no longer promised is cancelled, and runs on when it is promised again. A clock that was
    stopped otherwise is history and keeps its terms. On a finished ticket nothing begins: it would be met at once.
    """
    moved: list[TicketClock] = []
    for item in moving:
        promise, clock = promises.get(item.clock.metric), item.clock
        if clock.state is ClockState.CANCELLED and promise is not None and status not in FINISHED:
            clock = sla.reopen(clock, item.calendar, ctx.now)
        if clock.state not in sla.LIVE:
            moved.append(item)
        elif promise is None:
            moved.append(replace(item, clock=sla.cancel(clock, item.calendar, ctx.now)))
        else:
            terms = await _terms(ctx, promise)
            clock = sla.retarget(clock, terms, calendar=item.calendar, at=ctx.now)
            clock = follow_status(clock, status, calendar=terms.calendar, at=ctx.now)
            moved.append(replace(item, clock=clock, calendar=terms.calendar, **_sources(promise)))
    running = {item.clock.metric for item in moving}
    begun = [
        await _begin_one(ctx, ticket_id, promise, status)
        for metric, promise in promises.items()
        if metric not in running and status not in FINISHED
    ]
    return moved, begun


async def write_moved(ctx: Ctx, before: Sequence[TicketClock], after: Sequence[TicketClock], version: int) -> None:
    """Store what has moved, keep its deadlines in step and record what happened to each clock."""
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    for old, new in changed:
        row = _row(ctx, new)
        await ctx.tx.run(_UPDATE, {"of_tenant": row["tenant_id"], "of_clock": row["id"]} | row)
        for move in _moves(old.clock, new.clock):
            _record(ctx, move, new, version)
        # What was recorded by other means, by a shorter target for one, must not fire any more.
        void = [kind for kind in _ahead(old.clock) if kind not in _ahead(new.clock)]
        if void:
            await deadlines.cancel(ctx, void, object_id=new.id, instance=new.clock.instance)
    # Only what has moved: another worker may be at the breach of a clock while this one is at its warning, and the two
    # would wait for each other.
    await _arrange(ctx, [new for _, new in changed], but_not=[_ahead(old.clock) for old, _ in changed])


def earliest_due(clocks: Sequence[TicketClock]) -> datetime | None:
    """Give the next deadline of the running clocks; a breached one counts until it stops."""
    return min((item.clock.due_at for item in clocks if _ticking(item.clock) and item.clock.due_at), default=None)


def _moves(old: Clock, new: Clock) -> list[str]:
    """Name what happened to a clock, in the order in which it happened."""
    moves: list[str] = []
    if old.warned_at is None and new.warned_at is not None:
        moves.append("warning")
    if old.breached_at is None and new.breached_at is not None:
        moves.append("breached")
    if old.state is not new.state:
        moves.append(_STATE_MOVES[new.state] if old.state in sla.LIVE else "reopened")
    elif old.target != new.target or old.warning != new.warning or old.due_at != new.due_at:
        moves.append("retargeted")
    return moves


_STATE_MOVES: Mapping[ClockState, str] = {
    ClockState.RUNNING: "resumed",
    ClockState.PAUSED: "paused",
    ClockState.MET: "met",
    ClockState.BREACHED: "missed",
    ClockState.CANCELLED: "cancelled",
}


def _record(ctx: Ctx, move: str, item: TicketClock, version: int) -> None:
    clock = item.clock
    happened = {"warning": clock.warned_at, "breached": clock.breached_at}.get(move)
    record(
        ctx,
        f"ticket.sla_{move}",
        object_id=item.ticket_id,
        version=version,
        occurred_at=happened,
        data={
            "clock_id": item.id,
            "metric": clock.metric,
            "instance": clock.instance,
            "state": clock.state,
            "due_at": clock.due_at,
            "target_seconds": clock.target // _SECOND,
            "elapsed_seconds": clock.elapsed // _SECOND,
            "policy_id": item.policy_id,
            "policy_version": item.policy_version,
        },
    )


async def _arrange(ctx: Ctx, items: Sequence[TicketClock], *, but_not: Sequence[Mapping[str, datetime]]) -> None:
    """Set the deadlines of clocks; for each clock, `but_not` are those that stand as they should."""
    await deadlines.arrange(
        ctx,
        [
            Deadline(kind, item.id, item.clock.instance, due_at)
            for item, standing in zip(items, but_not, strict=True)
            for kind, due_at in _ahead(item.clock).items()
            if standing.get(kind) != due_at
        ],
    )


def _ahead(clock: Clock) -> dict[str, datetime]:
    """Give the instants at which something is still to be recorded for a clock, by kind of deadline."""
    if not _ticking(clock):
        return {}
    instants = {
        WARNING_KIND: clock.warning_at if clock.warned_at is None else None,
        BREACH_KIND: clock.due_at if clock.breached_at is None else None,
    }
    return {kind: at for kind, at in instants.items() if at is not None}


def _ticking(clock: Clock) -> bool:
    return clock.state is ClockState.RUNNING


async def _begin_one(ctx: Ctx, ticket_id: UUID, promise: Promise, status: Status) -> TicketClock:
    terms = await _terms(ctx, promise)
    clock = follow_status(sla.start(promise.metric, terms, ctx.now), status, calendar=terms.calendar, at=ctx.now)
    return TicketClock(id=new_id(), ticket_id=ticket_id, calendar=terms.calendar, clock=clock, **_sources(promise))


async def _terms(ctx: Ctx, promise: Promise) -> Terms:
    warning = None if promise.warning_seconds is None else timedelta(seconds=promise.warning_seconds)
    calendar = await hours_by(ctx, promise.calendar_id, promise.calendar_version)
    return Terms(target=timedelta(seconds=promise.seconds), calendar=calendar, warning=warning)


async def hours_by(ctx: Ctx, calendar_id: UUID | None, version: int | None) -> Calendar:
    """Give the hours that measure a clock: those of its calendar, or all of them for calendar time."""
    if calendar_id is None or version is None:
        return ALWAYS_OPEN
    return await hours_of(ctx, calendar_id, version)


def _sources(promise: Promise) -> dict[str, Any]:
    return {name: getattr(promise, name) for name in _SOURCE_FIELDS}


def _row(ctx: Ctx, item: TicketClock) -> dict[str, Any]:
    own = {"tenant_id": ctx.tenant_id, "id": item.id, "ticket_id": item.ticket_id}
    sources = {name: getattr(item, name) for name in _SOURCE_FIELDS}
    return own | sources | {name: getattr(item.clock, name) for name in _CLOCK_FIELDS}


async def _from_row(ctx: Ctx, row: Record) -> TicketClock:
    values = dict(row.items())
    clock = Clock(**{name: values[name] for name in _CLOCK_FIELDS} | {
        "metric": Metric(values["metric"]),
        "state": ClockState(values["state"]),
    })  # fmt: skip
    return TicketClock(
        id=values["id"],
        ticket_id=values["ticket_id"],
        calendar=await hours_by(ctx, values["calendar_id"], values["calendar_version"]),
        clock=clock,
        **{name: values[name] for name in _SOURCE_FIELDS},
    )
