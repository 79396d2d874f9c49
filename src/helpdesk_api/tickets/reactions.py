"""What follows at once from what happened to a ticket: the port that automation fills, in the same transaction.

Who reacts is said in `wiring`, and comes with the context. Without anybody a ticket stays as it is.
"""

from typing import Final

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Event
from helpdesk_api.tickets.schemas import Ticket

TICKET: Final = "ticket"
TICKETS: Final = "tickets"


async def settled(ctx: Ctx, ticket: Ticket, *, since: int) -> Ticket:
    """Let whoever listens react to the events recorded behind a place; gives the ticket as it is left."""
    react = ctx.reactions.get(TICKET)
    happened = [event for event in ctx.events[since:] if event.object_id == ticket.id]
    if react is None or not happened:
        return ticket
    left: Ticket = await react(ctx, ticket, happened)
    return left


async def settle_each(ctx: Ctx, *, since: int) -> None:
    """Let whoever listens react to what happened to many tickets, which the caller has locked and stored.

    Each ticket and each cause is for itself. Who listens is asked once for all of them.
    """
    react = ctx.reactions.get(TICKETS)
    happened: dict[object, list[Event]] = {}
    for event in ctx.events[since:]:
        if event.object_type == TICKET:
            happened.setdefault((event.object_id, event.cause), []).append(event)
    if react is not None and happened:
        await react(ctx, list(happened.values()))
