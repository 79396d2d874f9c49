"""Showing the contact details of a client to somebody who works on that client's ticket, for a reason that is kept.

Support staff come and go, and the desk must not be the hole through which the client base leaves: who has no right to
see addresses and phones (`client.contact_details`) is shown them for one contact at a time, for a ticket of its own, a
limited number of times an hour, and each time is an event.
"""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import bindparam, func, select

from helpdesk_api.directory.card_fields import Messenger
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.domain.errors import ForbiddenError, TooManyError
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import events, record
from helpdesk_api.kit.resource_routes import ResourceRouter, operation
from helpdesk_api.kit.schema import Input, Line, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket

MOST_AN_HOUR: Final = 30
_HOUR = timedelta(hours=1)

_LAST_HOUR = Statement(
    select(func.count().label("shown"), func.min(events.c.occurred_at).label("first")).where(
        events.c.tenant_id == bindparam("tenant"),
        events.c.type == "contact.revealed",
        events.c.actor_id == bindparam("actor"),
        events.c.occurred_at > bindparam("since"),
    )
)


class NotOwnTicketError(ForbiddenError):
    """Contact details are shown for tickets that one works on, and of the contact who asks there."""

    code = "not_own_ticket"
    title = "The ticket is not one the caller works on with this contact"


class TooManyRevealsError(TooManyError):
    """Nobody needs so many phone numbers in an hour."""

    code = "too_many_reveals"
    title = "Contact details were shown to this caller too often"


class RevealRequest(Input):
    """Why the contact details are needed."""

    ticket_id: Annotated[UUID, Field(description="A ticket of this contact that is given to you or to your team.")]
    reason: Annotated[Line, Field(description="Kept with the event `contact.revealed`.")]


class RevealedContact(Output):
    """The contact details of a contact, in full."""

    id: UUID
    emails: list[str]
    phones: list[str]
    messengers: list[Messenger]


REVEAL_EXAMPLE = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11",
    "emails": ["luca.ferri@alpine-dairy.example"],
    "phones": ["+390669821234"],
    "messengers": [{"service": "telegram", "address": "@luca_ferri"}],
}

router = ResourceRouter(CONTACTS)


@router.post(
    "/{id}/reveal",
    operation_id=operation(CONTACTS, "reveal"),
    summary="Show the contact details of a contact",
    description=(
        "Shows addresses, phones and messengers in full to somebody who works on a ticket of this contact, at most "
        f"{MOST_AN_HOUR} times an hour. Records `contact.revealed` with the reason."
    ),
)
async def reveal_contact(
    id: UUID, body: RevealRequest, ctx: Annotated[Ctx, allowed("contacts:reveal")]
) -> RevealedContact:
    """Show contact details."""
    contact = await crud.fetch(ctx, CONTACTS, id)
    ticket = (await crud.fetch_many(ctx, TICKETS, [body.ticket_id])).get(body.ticket_id)
    if ticket is None:
        message = f"There is no ticket {body.ticket_id}."
        raise UnknownReferenceError(message, pointer="/ticket_id")
    if ticket.contact_id != id or not await _works_on(ctx, ticket):
        message = "Contact details are shown for a ticket of this contact that is given to you or to your team."
        raise NotOwnTicketError(message, pointer="/ticket_id")
    await _count(ctx)
    data = {"ticket_id": ticket.id, "reason": body.reason}
    record(ctx, "contact.revealed", object_id=id, version=contact.version, data=data)
    return RevealedContact.trusted({
        "id": id, "emails": contact.emails, "phones": contact.phones, "messengers": contact.messengers
    })  # fmt: skip


async def _works_on(ctx: Ctx, ticket: Ticket) -> bool:
    if ctx.principal.type != "user" or ctx.principal.id is None:
        return ctx.principal.type == "api_key"
    user = await crud.fetch(ctx, USERS, ctx.principal.id)
    return ticket.assignee_id == user.id or (user.team_id is not None and ticket.team_id == user.team_id)


async def _count(ctx: Ctx) -> None:
    """Raise TooManyRevealsError when the last hour was full; the lock lets one caller's reveals wait for each other."""
    actor = ctx.principal.id
    await take_turn(ctx, f"reveal {actor}")
    row = await ctx.tx.row(_LAST_HOUR, {"tenant": ctx.tenant_id, "actor": actor, "since": ctx.now - _HOUR})
    if row is not None and row["shown"] >= MOST_AN_HOUR:
        message = f"Contact details were shown to this caller {row['shown']} times in the last hour."
        raise TooManyRevealsError(message, retry_after=row["first"] + _HOUR - ctx.now)
