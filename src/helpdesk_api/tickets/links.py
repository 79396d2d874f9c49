"""Links between tickets: what is part of, duplicates, blocks, is caused by or otherwise relates to what.

A link is seen by who sees the tickets at both of its ends. Links of one type never close a ring, a ticket has one
parent at most, and children stand in few levels. What ends together is `tickets.ending_together`.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    Select,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.domain.workflow import FINISHED, Status
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.hierarchy import TooManyLevelsError
from helpdesk_api.kit.listing import Filter, Listing, PageQuery
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.sqlstate import AlreadyExistsError, UnknownReferenceError
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket
from helpdesk_api.tickets.ticket_settings import OpenChildren, settings_of

LinkType = Literal["child_of", "duplicates", "blocks", "caused_by", "relates_to"]
MOST_LEVELS: Final = 10
# Of these neither end is the first.
_MUTUAL: Final = frozenset({"relates_to"})

ticket_links = tenant_table(
    "ticket_links",
    Column("type", Text, nullable=False),
    Column("source_ticket_id", Uuid, nullable=False),
    Column("target_ticket_id", Uuid, nullable=False),
    CheckConstraint("type IN ('child_of', 'duplicates', 'blocks', 'caused_by', 'relates_to')", name="type"),
    CheckConstraint("source_ticket_id <> target_ticket_id", name="of_two"),
    UniqueConstraint("tenant_id", "source_ticket_id", "target_ticket_id", "type", name="uq_ticket_links_ends_and_type"),
    reference("source_ticket_id", "tickets", ondelete="CASCADE"),
    reference("target_ticket_id", "tickets", ondelete="CASCADE"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "target_ticket_id", "type"),
    Index(
        "uq_ticket_links_one_parent",
        *("tenant_id", "source_ticket_id"),
        unique=True,
        postgresql_where=text("type = 'child_of'"),
    ),
)


class TicketLinkCreate(Input):
    """A new link between two tickets."""

    type: Annotated[
        LinkType,
        Field(description="What the source is to the target: it is `child_of` it, `duplicates` it, and so on."),
    ]
    source_ticket_id: UUID
    target_ticket_id: Annotated[UUID, Field(description="Another ticket.")]


class TicketLink(Entity):
    """A link between two tickets."""

    type: Annotated[str, Field(examples=["child_of", "duplicates", "blocks", "caused_by", "relates_to"])]
    source_ticket_id: UUID
    target_ticket_id: UUID


class TicketLinkQuery(PageQuery):
    """The query parameters of the list of links."""

    ticket_id: Annotated[
        list[UUID], Field(max_length=50, description="The ticket at either end. Repeat for any of several.")
    ] = Field(default=[])


async def _of_tickets(
    ctx: Ctx, listing: Listing, query: PageQuery, narrowing: Narrowing | None
) -> tuple[Listing, Narrowing | None]:
    """Narrow the list to the links of some tickets, whichever end they are."""
    del ctx
    ids: list[UUID] = getattr(query, "ticket_id", [])
    if not ids:
        return listing, narrowing
    wanted = literal(ids, ARRAY(Uuid()))
    where = or_(ticket_links.c.source_ticket_id == any_(wanted), ticket_links.c.target_ticket_id == any_(wanted))
    return listing, Narrowing(where, said=[str(each) for each in ids])


def _seen_end(end: Column[Any], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return end.in_(
        select(tickets.c.id).where(tickets.c.tenant_id == ticket_links.c.tenant_id, condition).correlate(ticket_links)
    )


TICKET_LINKS = Resource(
    name="ticket_link",
    plural="ticket-links",
    table=ticket_links,
    read=TicketLink,
    example={
        "type": "child_of",
        "source_ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e41",
        "target_ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    },
    filters=(
        Filter("type", ticket_links.c.type, LinkType),
        Filter("source_ticket_id", ticket_links.c.source_ticket_id, UUID),
        Filter("target_ticket_id", ticket_links.c.target_ticket_id, UUID),
    ),
    rows={
        kind: and_(
            _seen_end(ticket_links.c.source_ticket_id, condition), _seen_end(ticket_links.c.target_ticket_id, condition)
        )
        for kind, condition in TICKETS.rows.items()
    },
    query_base=TicketLinkQuery,
    refine=_of_tickets,
)


class LinkedToItselfError(InvalidError):
    """A ticket is linked to others, not to itself."""

    code = "linked_to_itself"
    title = "A ticket cannot be linked to itself"


class LinkCycleError(InvalidError):
    """Links of one type would lead from a ticket back to itself."""

    code = "link_cycle"
    title = "The links would form a ring"


class HasParentError(ConflictError):
    """A ticket has one parent at most."""

    code = "has_parent"
    title = "The ticket has a parent already"


class ParentFinishedError(ConflictError):
    """Where open children keep their parent open, what is finished gets no open child."""

    code = "parent_finished"
    title = "The parent is finished"


_mine = ticket_links.c.tenant_id == bindparam("tenant", type_=Uuid())
_of_type = ticket_links.c.type == bindparam("type", type_=Text)
_first = (
    select(ticket_links.c.target_ticket_id.label("id"))
    .where(_mine, _of_type, ticket_links.c.source_ticket_id == bindparam("ticket", type_=Uuid()))
    .cte("beyond", recursive=True)
)
_beyond = _first.union(
    select(ticket_links.c.target_ticket_id).where(_mine, _of_type, ticket_links.c.source_ticket_id == _first.c.id)
)
# Where links of a type lead from a ticket, however far.
_BEYOND: Final = Statement(select(_beyond.c.id))
_top = (
    select(ticket_links.c.source_ticket_id.label("id"), literal(1, Integer).label("level"))
    .where(_mine, _of_type, ticket_links.c.target_ticket_id == bindparam("ticket", type_=Uuid()))
    .cte("below", recursive=True)
)
_below = _top.union(
    select(ticket_links.c.source_ticket_id, _top.c.level + 1).where(
        _mine, _of_type, ticket_links.c.target_ticket_id == _top.c.id, _top.c.level <= MOST_LEVELS
    )
)
_LEVELS_BELOW: Final = Statement(select(func.coalesce(func.max(_below.c.level), 0)))
_LINKED: Final = Statement(
    select(ticket_links.c.id).where(
        _mine,
        _of_type,
        ticket_links.c.source_ticket_id == bindparam("source", type_=Uuid()),
        ticket_links.c.target_ticket_id == bindparam("target", type_=Uuid()),
    )
)


async def check_link(ctx: Ctx, given: dict[str, Any], before: TicketLink | None) -> dict[str, Any]:
    """Check that a new link is between two tickets that the caller sees, and leads neither round nor too deep.

    Raises UnknownReferenceError, LinkedToItselfError, AlreadyExistsError, LinkCycleError, HasParentError,
    ParentFinishedError and TooManyLevelsError.
    """
    if before is not None:
        return given
    type_, source_id, target_id = given["type"], given["source_ticket_id"], given["target_ticket_id"]
    ends = await crud.fetch_many(ctx, TICKETS, [source_id, target_id])
    for field in ("source_ticket_id", "target_ticket_id"):
        if given[field] not in ends:
            message = f"There is no ticket {given[field]}."
            raise UnknownReferenceError(message, pointer=f"/{field}")
    if source_id == target_id:
        message = f"{source_id} is both ends of the link."
        raise LinkedToItselfError(message, pointer="/target_ticket_id")
    if type_ == "child_of":
        # Held before the turn is taken, as by whoever already holds a ticket when it gets a child.
        await _check_parent_is_open(ctx, ends[source_id].status, target_id)
    await take_turn(ctx, f"ticket links {ctx.tenant_id}")
    await _check_not_linked(ctx, type_, source_id, target_id)
    if type_ in _MUTUAL:
        await _check_not_linked(ctx, type_, target_id, source_id)
    else:
        await _check_tree(ctx, type_, source_id, target_id)
    return given


async def _check_parent_is_open(ctx: Ctx, status: str, parent_id: UUID) -> None:
    parent = await crud.fetch_locked(ctx, TICKETS, parent_id)
    if Status(status) in FINISHED or Status(parent.status) not in FINISHED:
        return
    if (await settings_of(ctx)).open_children == OpenChildren.BLOCK:
        message = f"The ticket {parent_id} is {parent.status} and gets no open child."
        raise ParentFinishedError(message, pointer="/target_ticket_id")


async def _check_not_linked(ctx: Ctx, type_: str, source_id: UUID, target_id: UUID) -> None:
    wanted = {"tenant": ctx.tenant_id, "type": type_, "source": source_id, "target": target_id}
    if await ctx.tx.value(_LINKED, wanted) is not None:
        message = f"The ticket {target_id} is linked so with {source_id} already."
        raise AlreadyExistsError(message, pointer="/type")


async def _check_tree(ctx: Ctx, type_: str, source_id: UUID, target_id: UUID) -> None:
    """Look where the links of this type lead, which nobody else changes meanwhile."""
    wanted = {"tenant": ctx.tenant_id, "type": type_}
    above = {row["id"] for row in await ctx.tx.rows(_BEYOND, wanted | {"ticket": target_id})}
    if source_id in above:
        message = f"From {target_id} links of this type lead to {source_id} already."
        raise LinkCycleError(message, pointer="/target_ticket_id")
    if type_ != "child_of":
        return
    if await ctx.tx.rows(_BEYOND, wanted | {"ticket": source_id}):
        message = f"The ticket {source_id} is a child of another ticket already."
        raise HasParentError(message, pointer="/source_ticket_id")
    below: int = await ctx.tx.value(_LEVELS_BELOW, wanted | {"ticket": source_id})
    if len(above) + 2 + below > MOST_LEVELS:
        message = f"There would be more than {MOST_LEVELS} levels of tickets."
        raise TooManyLevelsError(message, pointer="/target_ticket_id")


async def link_new(ctx: Ctx, created: Ticket, type_: str, ticket: Ticket) -> None:
    """Link a ticket that was just created to another, which is locked.

    Raises ParentFinishedError, and TooManyLevelsError also for other links than those to a parent: what makes a ticket
    for each ticket comes to an end.
    """
    if type_ == "child_of":
        await _check_parent_is_open(ctx, created.status, ticket.id)
    await take_turn(ctx, f"ticket links {ctx.tenant_id}")
    above = await ctx.tx.rows(_BEYOND, {"tenant": ctx.tenant_id, "type": type_, "ticket": ticket.id})
    if len(above) + 2 > MOST_LEVELS:
        message = f"There would be more than {MOST_LEVELS} levels of tickets."
        raise TooManyLevelsError(message, pointer="/link_type")
    values = {"type": type_, "source_ticket_id": created.id, "target_ticket_id": ticket.id}
    await crud.add(ctx, TICKET_LINKS, values)


def parent_of(reach: str) -> ColumnElement[Any]:
    """Give the SQL of the parent of a ticket, as somebody with this kind of reach sees it."""
    return _child_links(select(ticket_links.c.target_ticket_id), "source_ticket_id", reach).scalar_subquery()


def open_child_count(reach: str) -> ColumnElement[Any]:
    """Give the SQL of how many children of a ticket are not finished, of those that a kind of reach sees."""
    child = tickets.alias("child")
    counted = select(func.count()).select_from(
        ticket_links.join(
            child, and_(child.c.tenant_id == ticket_links.c.tenant_id, child.c.id == ticket_links.c.source_ticket_id)
        )
    )
    return _child_links(counted.where(child.c.solved_at.is_(None)), "target_ticket_id", reach).scalar_subquery()


def _child_links(wanted: Select[Any], end: str, reach: str) -> Select[Any]:
    return wanted.where(
        ticket_links.c.tenant_id == tickets.c.tenant_id,
        ticket_links.c.type == "child_of",
        ticket_links.c[end] == tickets.c.id,
        *seen_rows(TICKET_LINKS.rows, reach),
    ).correlate(tickets)


router = routes(TICKET_LINKS, create=TicketLinkCreate, check=check_link)
