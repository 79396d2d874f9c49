"""The rows of SLA clocks: loaded, stored with their history, and kept in step with their deadlines and events.

How a clock moves is decided in `tickets.clocks`; here a moved clock is written down. Each move is recorded as one
`ticket.sla_*` event, with the version that the ticket gets by the change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.domain import sla
from helpdesk_api.domain.business_time import ALWAYS_OPEN, Calendar
from helpdesk_api.domain.clock_history import Change, MeasuredClock
from helpdesk_api.domain.escalation import Escalation
from helpdesk_api.domain.sla import Clock, ClockState, Metric, Terms
from helpdesk_api.domain.workflow import Conduct, OnChange, OnReopen, Status
from helpdesk_api.kit import deadlines
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.deadlines import Deadline
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.tickets.clock_entries import Reason, Source, read_escalation, stored_escalation, written
from helpdesk_api.tickets.models import sla_clocks

WARNING_KIND = "ticket.sla_warning"
BREACH_KIND = "ticket.sla_breach"
STEP_KIND = "ticket.sla_step"

_SECOND = timedelta(seconds=1)
_CLOCK_FIELDS = tuple(field.name for field in fields(Clock))
_SOURCE_FIELDS = tuple(field.name for field in fields(Source))
_CHANGING = (*_SOURCE_FIELDS, *_CLOCK_FIELDS, "conduct")
_COLUMNS = ("tenant_id", "id", "ticket_id", *_CHANGING)

_AS_TEXT = ("history", "escalations")
_INSERT = Statement(insert_many(sla_clocks, (*_COLUMNS, "history"), as_text=_AS_TEXT))
_UPDATE = Statement(
    update(sla_clocks)
    .where(sla_clocks.c.tenant_id == bindparam("of_tenant"), sla_clocks.c.id == bindparam("of_clock"))
    .values(
        {name: bindparam(name) for name in _CHANGING}
        # Appended where it is: nobody has to read a long history to add to it.
        | {"history": sla_clocks.c.history.concat(bindparam("happened", type_=JSONB))}
    )
)
# What `from_row` makes a clock of.
READ = tuple(sla_clocks.c[name] for name in _COLUMNS if name != "tenant_id")
_LATEST = Statement(
    select(*READ)
    .ext(distinct_on(sla_clocks.c.metric))
    .where(sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.ticket_id == bindparam("ticket"))
    .order_by(sla_clocks.c.metric, sla_clocks.c.instance.desc())
)

_STATE_MOVES: Mapping[ClockState, str] = {
    ClockState.RUNNING: "resumed",
    ClockState.PAUSED: "paused",
    ClockState.MET: "met",
    ClockState.BREACHED: "missed",
    ClockState.CANCELLED: "cancelled",
}


# A deadline of a clock is named by its kind and, of steps, by the place of the step.
Named = tuple[str, int]


@dataclass(frozen=True, slots=True)
class TicketClock:
    """A clock together with its row, what of its history is not stored yet, and why somebody changed its deadline."""

    id: UUID
    ticket_id: UUID
    source: Source
    conduct: Conduct
    measured: MeasuredClock
    unwritten: tuple[Mapping[str, Any], ...] = ()
    note: str | None = None

    @property
    def clock(self) -> Clock:
        """Give the clock itself."""
        return self.measured.clock

    @property
    def calendar(self) -> Calendar:
        """Give the hours that measure it."""
        return self.measured.terms.calendar

    def after(
        self, change: Change, reason: Reason, *, source: Source | None = None, conduct: Conduct | None = None
    ) -> "TicketClock":
        """Give the clock as a change leaves it; `source` and `conduct` come with other terms."""
        moved = replace(
            self,
            source=source or self.source,
            conduct=conduct or self.conduct,
            measured=self.measured.after(change),
        )
        if moved == self:
            return self
        return replace(moved, unwritten=(*self.unwritten, written(change, reason, moved.source)))


async def latest_of(ctx: Ctx, ticket_id: UUID) -> list[TicketClock]:
    """Load the latest clock of each metric of a ticket, which the caller has locked; earlier ones never move again."""
    rows = await ctx.tx.rows(_LATEST, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    return [await from_row(ctx, row) for row in rows]


async def write(ctx: Ctx, before: Sequence[TicketClock], after: Sequence[TicketClock], version: int) -> None:
    """Store the clocks of a ticket whose row has been written, with their deadlines and events."""
    known = {item.id: item for item in before}
    await _write_moved(ctx, [(known[new.id], new) for new in after if new.id in known], version)
    await _write_new(ctx, [new for new in after if new.id not in known], version)


async def _write_new(ctx: Ctx, begun: Sequence[TicketClock], version: int) -> None:
    if not begun:
        return
    rows = [
        row | {"history": to_json(item.unwritten).decode(), "escalations": to_json(row["escalations"]).decode()}
        for item in begun
        for row in (_row(ctx, item),)
    ]
    await ctx.tx.run(_INSERT, {name: [row[name] for row in rows] for name in (*_COLUMNS, "history")})
    await arrange(ctx, begun, but_not=[{} for _ in begun])
    for item in begun:
        record_move(ctx, "started", item, version)


async def _write_moved(ctx: Ctx, moving: Sequence[tuple[TicketClock, TicketClock]], version: int) -> None:
    """Store what has moved, keep its deadlines in step and record what happened to each clock."""
    changed = [(old, new) for old, new in moving if old != new]
    for old, new in changed:
        row = _row(ctx, new)
        stored = {"of_tenant": row["tenant_id"], "of_clock": row["id"], "happened": list(new.unwritten)}
        await ctx.tx.run(_UPDATE, stored | row)
        for move in moves(old.clock, new.clock):
            due_before = {"due_before": old.clock.due_at} if move == "retargeted" else {}
            record_move(ctx, move, new, version, **due_before)
        # What was recorded by other means, by a shorter target for one, must not fire any more.
        await deadlines.cancel(ctx, void(old, new))
    # Only what has moved: another worker may be at the breach of a clock while this one is at its warning, and the two
    # would wait for each other.
    await arrange(ctx, [new for _, new in changed], but_not=[ahead(old.clock) for old, _ in changed])


async def hours_by(ctx: Ctx, calendar_id: UUID | None, version: int | None) -> Calendar:
    """Give the hours that measure a clock: those of its calendar, or all of them for calendar time."""
    if calendar_id is None or version is None:
        return ALWAYS_OPEN
    return await hours_of(ctx, calendar_id, version)


def moves(old: Clock, new: Clock) -> list[str]:
    """Name what happened to a clock, in the order in which it happened."""
    named: list[str] = []
    if old.warned_at is None and new.warned_at is not None:
        named.append("warning")
    if old.breached_at is None and new.breached_at is not None:
        named.append("breached")
    if old.state is not new.state:
        named.append(_STATE_MOVES[new.state] if old.state in sla.LIVE else "reopened")
    elif old.manual_due_at != new.manual_due_at:
        named.append("deadline_released" if new.manual_due_at is None else "deadline_set")
    elif old.extension != new.extension:
        named.append("extended")
    elif old.target != new.target or old.warning != new.warning or old.due_at != new.due_at:
        named.append("retargeted")
    return named


def record_step(ctx: Ctx, one: Escalation, item: TicketClock, version: int) -> None:
    """Record that a step of a clock was reached, as of its own instant."""
    told = {"step": one.step.key, "is_late": one.is_late}
    record_move(ctx, "escalated", item, version, happened_at=one.reached_at, **told)


def record_move(
    ctx: Ctx, move: str, item: TicketClock, version: int, *, happened_at: datetime | None = None, **more: object
) -> None:
    """Record what happened to a clock; a warning or a breach as of its own instant."""
    clock = item.clock
    happened_at = {"warning": clock.warned_at, "breached": clock.breached_at}.get(move, happened_at)
    record(
        ctx,
        f"ticket.sla_{move}",
        object_id=item.ticket_id,
        version=version,
        occurred_at=happened_at,
        data={
            "clock_id": item.id,
            "metric": clock.metric,
            "instance": clock.instance,
            "state": clock.state,
            "due_at": clock.due_at,
            "target_seconds": clock.target // _SECOND,
            "elapsed_seconds": clock.elapsed // _SECOND,
            "paused_seconds": clock.paused // _SECOND,
            "policy_id": item.source.policy_id,
            "policy_version": item.source.policy_version,
            **more,
            **({} if item.note is None else {"reason": item.note}),
        },
    )


async def arrange(ctx: Ctx, items: Sequence[TicketClock], *, but_not: Sequence[Mapping[Named, datetime]]) -> None:
    """Set the deadlines of clocks; for each clock, `but_not` are those that stand as they should."""
    await deadlines.arrange(
        ctx,
        [
            Deadline(kind, item.id, instance, due_at)
            for item, standing in zip(items, but_not, strict=True)
            for (kind, instance), due_at in ahead(item.clock).items()
            if standing.get((kind, instance)) != due_at
        ],
    )


def void(old: TicketClock, new: TicketClock) -> list[Deadline]:
    """Give the deadlines of a clock that must not fire any more."""
    still = ahead(new.clock)
    gone = {named: at for named, at in ahead(old.clock).items() if named not in still}
    return [Deadline(kind, old.id, instance, at) for (kind, instance), at in gone.items()]


def ahead(clock: Clock) -> dict[Named, datetime]:
    """Give the instants at which something is still to be recorded or told of a clock, by the names of its deadlines.

    A step that was reached is told also of a clock that has stopped since.
    """
    ticks = sla.is_ticking(clock)
    instants = {
        (WARNING_KIND, clock.instance): clock.warning_at if ticks and clock.warned_at is None else None,
        (BREACH_KIND, clock.instance): clock.due_at if ticks and clock.breached_at is None else None,
    } | {
        (STEP_KIND, place): one.reached_at or (one.at if ticks else None)
        for place, one in enumerate(clock.escalations, start=1)
        if not one.is_told
    }
    return {named: at for named, at in instants.items() if at is not None}


def _row(ctx: Ctx, item: TicketClock) -> dict[str, Any]:
    own = {"tenant_id": ctx.tenant_id, "id": item.id, "ticket_id": item.ticket_id}
    conduct = {
        "pauses_in": sorted(item.conduct.pauses_in),
        "on_reopen": item.conduct.on_reopen,
        "on_change": item.conduct.on_change,
    }
    clock = {name: getattr(item.clock, name) for name in _CLOCK_FIELDS}
    clock["escalations"] = list(map(stored_escalation, item.clock.escalations))
    return own | asdict(item.source) | clock | {"conduct": conduct}


async def from_row(ctx: Ctx, row: Record) -> TicketClock:
    """Make a clock of the columns `READ`."""
    values = dict(row.items())
    clock = Clock(**{name: values[name] for name in _CLOCK_FIELDS} | {
        "metric": Metric(values["metric"]),
        "state": ClockState(values["state"]),
        "escalations": tuple(map(read_escalation, values["escalations"])),
    })  # fmt: skip
    source = Source(**{name: values[name] for name in _SOURCE_FIELDS})
    calendar = await hours_by(ctx, source.calendar_id, source.calendar_version)
    steps = tuple(one.step for one in clock.escalations if one.is_current)
    return TicketClock(
        id=values["id"],
        ticket_id=values["ticket_id"],
        source=source,
        conduct=_conduct(values["conduct"]),
        measured=MeasuredClock(clock, Terms(clock.target, calendar, clock.warning, steps)),
    )


def _conduct(stored: Mapping[str, Any]) -> Conduct:
    return Conduct(
        pauses_in=frozenset(map(Status, stored["pauses_in"])),
        on_reopen=OnReopen(stored["on_reopen"]),
        on_change=OnChange(stored["on_change"]),
    )
