"""What rules do because of what other rules have done to other tickets: those they created, or finished along.

Each ticket has a chain of its own, one after another. Tickets that were created because of created tickets end after
some generations, and so does whoever creates too many: with an event, like every limit of a chain.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from helpdesk_api.automation.chains import Chain, end, meant, run_chain
from helpdesk_api.automation.compiled_rules import CompiledRule, as_rule
from helpdesk_api.automation.rule_runs import SkipReason, write_runs
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Event
from helpdesk_api.tickets.resources import TICKETS

MOST_GENERATIONS: Final = 3
MOST_CREATED: Final = 50


async def spread(
    ctx: Ctx, chain: Chain, known: Sequence[CompiledRule], *, since: int, is_sampled: Callable[[UUID], bool]
) -> list[UUID]:
    """Let rules react to what was done to other tickets behind a place in the events; gives those tickets."""
    fired = {chain.ticket.id: chain.fired}
    touched: dict[UUID, None] = {}
    created_count = 0
    waiting = deque([(chain.ticket.id, 0, ctx.events[since:])])
    while waiting:
        by, generation, events = waiting.popleft()
        for ticket_id, happened in _of_others(events, by).items():
            touched[ticket_id] = None
            is_new = any(event.type == f"{TICKETS.name}.created" for event in happened)
            created_count += is_new
            reached = generation + is_new
            tried = meant(known, happened)
            if not tried:
                continue
            ticket = await crud.fetch(as_rule(ctx, None), TICKETS, ticket_id)
            moment = replace(ctx, now=max(ctx.now, ticket.updated_at))
            other = Chain(ticket, is_sampled=is_sampled, fired=fired.setdefault(ticket_id, set()))
            mark = len(ctx.events)
            if reached > MOST_GENERATIONS or created_count > MOST_CREATED:
                reason = SkipReason.DEPTH if reached > MOST_GENERATIONS else SkipReason.BUDGET
                for rule in tried:
                    other.skip(rule, reason)
                end(moment, other, reason)
            else:
                await run_chain(moment, other, known, happened)
            await write_runs(moment, ticket_id, sorted(other.occasions), other.runs)
            waiting.append((ticket_id, reached, ctx.events[mark:]))
    return list(touched)


def _of_others(events: Sequence[Event], by: UUID) -> dict[UUID, list[Event]]:
    """Give what happened to each other ticket than the one whose chain it was."""
    found: dict[UUID, list[Event]] = {}
    for event in events:
        if event.object_type == TICKETS.name and event.object_id != by:
            found.setdefault(event.object_id, []).append(event)
    return found
