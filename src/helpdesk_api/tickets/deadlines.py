"""Deadlines that people change: set by hand, taken back, or extended for many tickets at once.

What that does to a clock is `domain.sla`. The reason is kept with the clock and told by the event.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Text,
    all_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain import sla
from helpdesk_api.domain.clock_history import Change, Extended, Fixed, Move, Moved
from helpdesk_api.domain.clock_refusals import ClockStoppedError
from helpdesk_api.domain.errors import ConflictError, InvalidError, NotFoundError
from helpdesk_api.domain.sla import Metric
from helpdesk_api.domain.workflow import FINISHED
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.tickets import service
from helpdesk_api.tickets.clock_entries import Reason
from helpdesk_api.tickets.clock_rows import TicketClock
from helpdesk_api.tickets.clocks import TicketClocks
from helpdesk_api.tickets.models import sla_clocks, tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import AffectedTickets, ClockExtension, Ticket

Outcome = Literal["extended", "manual_deadline", "not_running"]

MOST_TICKETS: Final = 200

_KEEP_REASON: Final = Statement(
    update(sla_clocks)
    .where(sla_clocks.c.tenant_id == bindparam("of_tenant"), sla_clocks.c.id == bindparam("of_clock"))
    .values(manual_reason=bindparam("reason"), manual_by_id=bindparam("by_id"))
)


class NoManualDeadlineError(ConflictError):
    """There is nothing to take back: the deadline is what the history of the clock makes of it."""

    code = "no_manual_deadline"
    title = "The deadline was not set by hand"


class TooManyTicketsError(InvalidError):
    """More tickets match than one request extends."""

    code = "too_many_tickets"
    title = "Too many tickets match"


async def set_deadline(ctx: Ctx, ticket_id: UUID, clock: str, *, due_at: datetime, reason: str) -> Ticket:
    """Set the deadline of a clock by hand. Raises ClockStoppedError and DeadlinePassedError."""
    ctx, before = await service.locked(ctx, ticket_id)
    clocks = await service.clocks_of(ctx, ticket_id)
    item = _named(clocks, clock)
    return await _change(ctx, before, clocks, replace(_checked(item), note=reason), Fixed(due_at, ctx.now))


async def release_deadline(ctx: Ctx, ticket_id: UUID, clock: str) -> Ticket:
    """Take back a deadline that was set by hand. Raises ClockStoppedError and NoManualDeadlineError."""
    ctx, before = await service.locked(ctx, ticket_id)
    clocks = await service.clocks_of(ctx, ticket_id)
    item = _named(clocks, clock)
    if item.clock.manual_due_at is None:
        message = f"The deadline of the {item.clock.metric} clock was not set by hand."
        raise NoManualDeadlineError(message)
    return await _change(ctx, before, clocks, _checked(item), Moved(Move.RELEASE, ctx.now))


async def extend(
    ctx: Ctx, affected: AffectedTickets, metrics: Sequence[Metric], by: timedelta, reason: str
) -> list[ClockExtension]:
    """Grant the live clocks of unfinished tickets more time, and tell for each clock what became of it.

    Raises TooManyTicketsError.
    """
    reach = ctx.principal.reach
    values = {"tenant": ctx.tenant_id, "most": MOST_TICKETS + 1, **affected.model_dump(), **reach.values}
    rows = await ctx.tx.rows(_affected(reach.kind), values)
    if len(rows) > MOST_TICKETS:
        message = f"More than {MOST_TICKETS} tickets match; extend them in parts."
        raise TooManyTicketsError(message, pointer="/filter")
    # In the order of their ids, so that two extensions never wait for each other.
    return [found for row in rows for found in await _extend_one(ctx, row["id"], metrics, by, reason)]


@cache
def _affected(kind: str) -> Statement:
    def any_of(name: str, column: Column[Any]) -> ColumnElement[bool]:
        wanted = bindparam(name, type_=ARRAY(column.type))
        return or_(func.cardinality(wanted) == 0, column == any_(wanted))

    return Statement(
        select(tickets.c.id)
        .where(
            tickets.c.tenant_id == bindparam("tenant"),
            tickets.c.status != all_(literal(sorted(FINISHED), ARRAY(Text))),
            any_of("ticket_ids", tickets.c.id),
            any_of("company_ids", tickets.c.company_id),
            any_of("priorities", tickets.c.priority),
            *seen_rows(TICKETS.rows, kind),
        )
        .order_by(tickets.c.id)
        .limit(bindparam("most", type_=Integer))
    )


async def _extend_one(
    ctx: Ctx, ticket_id: UUID, metrics: Sequence[Metric], by: timedelta, reason: str
) -> list[ClockExtension]:
    ctx, before = await service.locked(ctx, ticket_id)
    clocks = await service.clocks_of(ctx, ticket_id)
    outcomes: list[tuple[TicketClock, Outcome]] = []
    for item in clocks.after:
        if metrics and item.clock.metric not in metrics:
            continue
        if item.clock.state not in sla.LIVE:
            outcomes.append((item, "not_running"))
        elif item.clock.manual_due_at is not None:
            outcomes.append((item, "manual_deadline"))
        else:
            extended = replace(item.after(Extended(by, ctx.now), Reason("extension")), note=reason)
            clocks.put(extended)
            outcomes.append((extended, "extended"))
    if any(outcome == "extended" for _, outcome in outcomes):
        await service.change(ctx, before, clocks, {})
    return [_extension(ticket_id, item, outcome) for item, outcome in outcomes]


async def _change(ctx: Ctx, before: Ticket, clocks: TicketClocks, item: TicketClock, change: Change) -> Ticket:
    clocks.move(item, change, Reason("manual"))
    after = await service.change(ctx, before, clocks, {})
    by_id = None if item.note is None else ctx.principal.id
    kept = {"of_tenant": ctx.tenant_id, "of_clock": item.id, "reason": item.note, "by_id": by_id}
    await ctx.tx.run(_KEEP_REASON, kept)
    return after


def _checked(item: TicketClock) -> TicketClock:
    if item.clock.state not in sla.LIVE:
        message = f"The {item.clock.metric} clock has stopped; its deadline stays."
        raise ClockStoppedError(message)
    return item


def _named(clocks: TicketClocks, name: str) -> TicketClock:
    for item in clocks.after:
        if name in {str(item.id), item.clock.metric}:
            return item
    message = f"The ticket has no clock {name[:60]!r}."
    raise NotFoundError(message)


def _extension(ticket_id: UUID, item: TicketClock, outcome: Outcome) -> ClockExtension:
    clock = item.clock
    return ClockExtension(
        ticket_id=ticket_id, clock_id=item.id, metric=clock.metric, outcome=outcome, due_at=clock.due_at
    )
