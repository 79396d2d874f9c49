"""Deadlines of clocks that fire: warnings, breaches and steps are recorded, for as many tickets at once as are due.

What a deadline does to its clock is `domain.clock_firing`, and what a step does then, `tickets.escalating`. A ticket
that somebody is at is left for later instead of being waited for: whoever changes a ticket may wait for its deadlines,
which are held here.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk_api.domain.clock_firing import breach, escalate, warn
from helpdesk_api.domain.escalation import Escalation
from helpdesk_api.domain.sla import Clock
from helpdesk_api.kit.context import Cause, Ctx
from helpdesk_api.kit.deadlines import DueDeadline, Unfired
from helpdesk_api.tickets import clock_batches, escalating
from helpdesk_api.tickets.clock_rows import (
    BREACH_KIND,
    STEP_KIND,
    WARNING_KIND,
    TicketClock,
    moves,
    record_move,
    record_step,
)
from helpdesk_api.tickets.reactions import settle_each

_MARKS: Final[Mapping[str, Callable[[Clock, datetime], Clock]]] = {WARNING_KIND: warn, BREACH_KIND: breach}


async def reach(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
    """Record that the warnings, deadlines and steps of clocks have come."""
    since = len(ctx.events)
    clock_ids = [deadline.object_id for deadline in due]
    held = {ticket.id: ticket for ticket in await clock_batches.hold_free(ctx, clock_ids)}
    clocks = await clock_batches.of_held(ctx, list(held.values()), clock_ids)
    times: defaultdict[UUID, datetime] = defaultdict(lambda: ctx.now)
    waiting: set[UUID] = set()
    acting: list[tuple[Ctx, TicketClock, Escalation]] = []
    for deadline in due:
        item = clocks.get(deadline.object_id)
        if item is None:
            waiting.add(deadline.id)
            continue
        ticket = held[item.ticket_id]
        # The clock of this process may be behind that of the database, and behind that of whoever wrote last.
        at = times[ticket.id] = max(times[ticket.id], deadline.due_at, ticket.updated_at)
        caused = replace(ctx, now=at, cause=Cause("deadline", str(deadline.id)))
        if deadline.kind == STEP_KIND:
            clock, one = escalate(item.clock, deadline.instance, at)
            reached = clocks[item.id] = replace(item, measured=replace(item.measured, clock=clock))
            record_step(caused, one, reached, ticket.version + 1)
            if one.step.actions is not None:
                acting.append((caused, reached, one))
            continue
        reached = replace(item, measured=replace(item.measured, clock=_MARKS[deadline.kind](item.clock, at)))
        clocks[item.id] = reached
        for move in moves(item.clock, reached.clock):
            record_move(caused, move, reached, ticket.version + 1)
    if times:
        await clock_batches.touch(ctx, times)
        await clock_batches.store_recorded(ctx, list(clocks.values()))
        # Whoever reacts may wait for a deadline that another holds, who may wait for one of these: then both are
        # tried again.
        await settle_each(ctx, since=since)
        for caused, item, one in acting:
            await escalating.act(caused, item, one)
    if not waiting:
        return Unfired()
    known = await clock_batches.known(ctx, clock_ids)
    orphans = {deadline.id for deadline in due if deadline.object_id not in known}
    return Unfired(waiting=waiting - orphans, orphans=orphans)
