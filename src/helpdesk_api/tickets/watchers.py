"""Who watches a ticket beside those who work on it: members of staff, and contacts of its client.

Whoever of the client watches is shown the ticket, as long as it is one of that client; for staff watching is no right
(`tickets.resources`).
"""

from collections.abc import Collection
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.contacts import CONTACTS, check_works_for
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sqlstate import AlreadyExistsError, UnknownReferenceError
from helpdesk_api.tickets.models import ticket_watchers, tickets
from helpdesk_api.tickets.parties import InactiveUserError
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket

MOST_WATCHERS: Final = 100


class TicketWatcherCreate(Input):
    """Somebody who is to watch a ticket."""

    ticket_id: UUID
    user_id: Annotated[UUID | None, Field(description="An active user; or else a contact is given.")] = None
    contact_id: Annotated[UUID | None, Field(description="A contact who works for the client of the ticket.")] = None

    @model_validator(mode="after")
    def _is_one_person(self) -> "TicketWatcherCreate":
        if (self.user_id is None) == (self.contact_id is None):
            message = "give one of user_id and contact_id"
            raise ValueError(message)
        return self


class TicketWatcher(Entity):
    """Somebody who watches a ticket."""

    ticket_id: UUID
    user_id: UUID | None
    contact_id: UUID | None


TICKET_WATCHERS = Resource(
    name="ticket_watcher",
    plural="ticket-watchers",
    table=ticket_watchers,
    read=TicketWatcher,
    example={
        "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
        "user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "contact_id": None,
    },
    filters=(
        Filter("ticket_id", ticket_watchers.c.ticket_id, UUID),
        Filter("user_id", ticket_watchers.c.user_id, UUID),
        Filter("contact_id", ticket_watchers.c.contact_id, UUID),
    ),
    includes=(Include("user", "user_id", USERS), Include("contact", "contact_id", CONTACTS)),
    rows={
        kind: ticket_watchers.c.ticket_id.in_(
            select(tickets.c.id)
            .where(tickets.c.tenant_id == ticket_watchers.c.tenant_id, condition)
            .correlate(ticket_watchers)
        )
        for kind, condition in TICKETS.rows.items()
    },
)


class TooManyWatchersError(InvalidError):
    """A ticket has as many watchers as it may have."""

    code = "too_many_watchers"
    title = "The ticket has too many watchers"


async def check_watcher(ctx: Ctx, given: dict[str, Any], before: TicketWatcher | None) -> dict[str, Any]:
    """Check that somebody new may watch a ticket.

    Raises UnknownReferenceError, InactiveUserError, ContactNotOfCompanyError, AlreadyExistsError and
    TooManyWatchersError.
    """
    if before is not None:
        return given
    if not await crud.fetch_many(ctx, TICKETS, [given["ticket_id"]]):
        message = f"There is no ticket {given['ticket_id']}."
        raise UnknownReferenceError(message, pointer="/ticket_id")
    ticket = await crud.fetch_locked(ctx, TICKETS, given["ticket_id"])
    user_id, contact_id = given["user_id"], given["contact_id"]
    await _check_person(ctx, ticket, user_id, contact_id)
    present = await watchers_of(ctx, ticket.id)
    if any((each.user_id, each.contact_id) == (user_id, contact_id) for each in present):
        message = f"{user_id or contact_id} watches the ticket already."
        raise AlreadyExistsError(message, pointer="/contact_id" if user_id is None else "/user_id")
    if len(present) >= MOST_WATCHERS:
        message = f"The ticket {ticket.id} has {MOST_WATCHERS} watchers, the most there may be."
        raise TooManyWatchersError(message, pointer="/ticket_id")
    return given


async def _check_person(ctx: Ctx, ticket: Ticket, user_id: UUID | None, contact_id: UUID | None) -> None:
    if user_id is not None:
        user = (await crud.fetch_many(ctx, USERS, [user_id])).get(user_id)
        if user is None:
            message = f"There is no user {user_id}."
            raise UnknownReferenceError(message, pointer="/user_id")
        if not user.is_active:
            message = f"The user {user_id} is not active and watches nothing."
            raise InactiveUserError(message, pointer="/user_id")
    if contact_id is not None:
        contact = (await crud.fetch_many(ctx, CONTACTS, [contact_id])).get(contact_id)
        if contact is None:
            message = f"There is no contact {contact_id}."
            raise UnknownReferenceError(message, pointer="/contact_id")
        if ticket.company_id is not None:
            check_works_for(contact, ticket.company_id, pointer="/contact_id")


async def watchers_of(ctx: Ctx, ticket_id: UUID) -> list[TicketWatcher]:
    """Give everybody who watches a ticket."""
    mine = ticket_watchers.c.tenant_id == ctx.tenant_id
    found = select(*TICKET_WATCHERS.columns).where(mine, ticket_watchers.c.ticket_id == ticket_id)
    return await ctx.tx.all(TicketWatcher, found.order_by(ticket_watchers.c.id))


async def watch(ctx: Ctx, ticket: Ticket, column: str, ids: Collection[UUID]) -> int:
    """Let people watch a ticket who do not yet; gives how many those are."""
    present = {getattr(each, column) for each in await watchers_of(ctx, ticket.id)}
    missing = [each for each in dict.fromkeys(ids) if each not in present]
    for person_id in missing:
        given = {"ticket_id": ticket.id, "user_id": None, "contact_id": None, column: person_id}
        await crud.add(ctx, TICKET_WATCHERS, await check_watcher(ctx, given, None))
    return len(missing)


async def unwatch(ctx: Ctx, ticket: Ticket, column: str, ids: Collection[UUID]) -> int:
    """Let people watch a ticket no longer who do; gives how many those are."""
    gone = [each for each in await watchers_of(ctx, ticket.id) if getattr(each, column) in ids]
    for each in gone:
        await crud.remove(ctx, TICKET_WATCHERS, each.id)
    return len(gone)


def watcher_ids(reach: str) -> ColumnElement[Any]:
    """Give the SQL of who watches a ticket: the ids of users and contacts, as text."""
    del reach
    person = cast(func.coalesce(ticket_watchers.c.user_id, ticket_watchers.c.contact_id), Text)
    found = (
        select(func.coalesce(func.array_agg(person, type_=ARRAY(Text)), cast([], ARRAY(Text))))
        .where(ticket_watchers.c.tenant_id == tickets.c.tenant_id, ticket_watchers.c.ticket_id == tickets.c.id)
        .correlate(tickets)
    )
    return found.scalar_subquery()


router = routes(TICKET_WATCHERS, create=TicketWatcherCreate, check=check_watcher)
