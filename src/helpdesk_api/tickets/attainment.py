"""The records of what came of promises, one per clock, and where the time of a ticket went.

Clocks are read as they are stored and counted up to now. Time by status, team and assignee is made of the events of
the ticket, so it reaches as far back as these are kept.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Text, any_, bindparam, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.attainment import attained, remaining
from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.domain.escalation import Escalation
from helpdesk_api.domain.sla import LIVE, Metric, settle
from helpdesk_api.domain.spells import Spent, Standing, time_spent
from helpdesk_api.domain.workflow import Status
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import commit_order, events
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.attainment_schemas import (
    AssigneeTime,
    ClockRecord,
    ClockStep,
    StatusTime,
    TeamTime,
    TicketTimes,
)
from helpdesk_api.tickets.clock_rows import READ, TicketClock, from_row, hours_by
from helpdesk_api.tickets.explanations import HistoryIncompleteError
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.resources import TICKETS

T = TypeVar("T")

_SECOND: Final = timedelta(seconds=1)

# What a record is made of.
RECORDED: Final = (*READ, sla_clocks.c.manual_reason, sla_clocks.c.manual_by_id)
_CLOCKS = Statement(
    select(*RECORDED)
    .where(sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.ticket_id == bindparam("ticket"))
    .order_by(sla_clocks.c.metric, sla_clocks.c.instance)
)
_STANDINGS = Statement(
    select(events.c.type, events.c.changes, events.c.occurred_at)
    .where(
        events.c.tenant_id == bindparam("tenant"),
        events.c.object_id == bindparam("ticket"),
        events.c.type == any_(literal(["ticket.created", "ticket.status_changed", "ticket.assigned"], ARRAY(Text))),
    )
    .order_by(*commit_order())
)


async def records_of(ctx: Ctx, ticket_id: UUID) -> list[ClockRecord]:
    """Give the records of all clocks of a ticket, by metric and instance; raises NotFoundError."""
    await crud.fetch(ctx, TICKETS, ticket_id)
    rows = await ctx.tx.rows(_CLOCKS, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    return await recorded(ctx, rows)


async def recorded(ctx: Ctx, rows: Sequence[Record]) -> list[ClockRecord]:
    """Make records of rows with the columns `RECORDED`."""
    return [_record(await from_row(ctx, row), row, ctx.now) for row in rows]


async def record_of(ctx: Ctx, ticket_id: UUID, clock: str) -> ClockRecord:
    """Give the record of one clock, named by its id or, for the latest of its metric, by that; raises NotFoundError."""
    for record in reversed(await records_of(ctx, ticket_id)):
        if clock in {str(record.id), record.metric}:
            return record
    message = f"The ticket has no clock {clock[:60]!r}."
    raise NotFoundError(message)


async def times_of(ctx: Ctx, ticket_id: UUID) -> TicketTimes:
    """Tell where the time of a ticket went.

    Raises NotFoundError, and HistoryIncompleteError once its events are not kept any more.
    """
    await crud.fetch(ctx, TICKETS, ticket_id)
    params = {"tenant": ctx.tenant_id, "ticket": ticket_id}
    rows = await ctx.tx.rows(_STANDINGS, params)
    if not rows or rows[0]["type"] != "ticket.created":
        message = "The events of the ticket are not kept any more."
        raise HistoryIncompleteError(message)
    clocks = [await from_row(ctx, row) for row in await ctx.tx.rows(_CLOCKS, params)]
    calendar_id, version = _working_hours(clocks)
    spent = time_spent(_standings(rows), await hours_by(ctx, calendar_id, version), ctx.now)

    def seconds(time: Spent, prefix: str = "") -> dict[str, Any]:
        working = None if calendar_id is None else time.working // _SECOND
        return {f"{prefix or 'total_'}seconds": time.total // _SECOND, f"{prefix}working_seconds": working}

    return TicketTimes(
        ticket_id=ticket_id,
        as_of=ctx.now,
        calendar_id=calendar_id,
        calendar_version=version,
        by_status=[
            StatusTime(status=status, **seconds(spent.by_status[status]))
            for status in Status
            if status in spent.by_status
        ],
        by_team=[
            TeamTime(team_id=team_id, **seconds(time.whole), **seconds(time.unassigned, "unassigned_"))
            for team_id, time in _sorted(spent.by_team)
        ],
        by_assignee=[
            AssigneeTime(assignee_id=assignee_id, **seconds(time)) for assignee_id, time in _sorted(spent.by_assignee)
        ],
    )


def _record(item: TicketClock, row: Record, now: datetime) -> ClockRecord:
    clock, source = item.clock, item.source
    came_to = attained(clock, item.calendar, now)
    return ClockRecord(
        id=item.id,
        ticket_id=item.ticket_id,
        metric=clock.metric,
        instance=clock.instance,
        state=clock.state,
        policy_id=source.policy_id,
        policy_version=source.policy_version,
        calendar_id=source.calendar_id,
        calendar_version=source.calendar_version,
        target_seconds=clock.target // _SECOND,
        extension_seconds=clock.extension // _SECOND,
        started_at=clock.started_at,
        due_at=clock.due_at,
        stopped_at=clock.stopped_at,
        as_of=clock.stopped_at or now,
        elapsed_seconds=came_to.elapsed // _SECOND,
        elapsed_wall_seconds=came_to.elapsed_wall // _SECOND,
        paused_seconds=came_to.paused // _SECOND,
        paused_wall_seconds=came_to.paused_wall // _SECOND,
        remaining_seconds=remaining(clock, item.calendar, now) // _SECOND if clock.state in LIVE else None,
        breached_at=came_to.breached_at,
        breached_by_seconds=None if came_to.breached_by is None else came_to.breached_by // _SECOND,
        is_manual=clock.manual_due_at is not None,
        manual_reason=row["manual_reason"],
        manual_by_id=row["manual_by_id"],
        escalations=[_step(one) for one in settle(clock, now).escalations],
    )


def _step(one: Escalation) -> ClockStep:
    step = one.step
    return ClockStep(
        key=step.key,
        percent=step.percent,
        offset_seconds=None if step.offset is None else step.offset // _SECOND,
        at=one.at,
        reached_at=one.reached_at,
        is_late=one.is_late,
        is_current=one.is_current,
    )


def _standings(rows: Sequence[Record]) -> list[Standing]:
    """Give where a ticket stood after each of its changes."""
    standings: list[Standing] = []
    values: dict[str, Any] = {"status": None, "team_id": None, "assignee_id": None}
    for row in rows:
        values |= {field: new for field, (_, new) in row["changes"].items() if field in values}
        team_id, assignee_id = (
            None if values[name] is None else UUID(values[name]) for name in ("team_id", "assignee_id")
        )
        standings.append(Standing(row["occurred_at"], Status(values["status"]), team_id, assignee_id))
    return standings


def _working_hours(clocks: Sequence[TicketClock]) -> tuple[UUID | None, int | None]:
    """Choose whose working hours are counted: those of the latest resolution clock, else of the latest other one."""
    measured = [item for item in clocks if item.source.calendar_id is not None]
    if not measured:
        return None, None
    chosen = max(measured, key=lambda item: (item.clock.metric is Metric.RESOLUTION, item.clock.started_at))
    return chosen.source.calendar_id, chosen.source.calendar_version


def _sorted(times: Mapping[UUID | None, T]) -> list[tuple[UUID | None, T]]:
    """Put nobody first, and the others in the order of their ids."""
    return sorted(times.items(), key=lambda item: (item[0] is not None, str(item[0])))
