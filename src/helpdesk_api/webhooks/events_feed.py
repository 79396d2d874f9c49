"""The event feed: everything that happened to a tenant's objects, in commit order, for whoever follows it.

Feed, audit trail and history are one list: `object_id` narrows it to the history of one object. A cursor is a position
in commit order and holds for every filter; it never expires, and `end` stands for the one at the end. Since only
settled events are told, nothing can appear behind a position once told (`kit.events`), at the price that a transaction
that runs long holds the feed up.
"""

import json
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import BigInteger, ColumnElement, any_, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import InvalidError, NotFoundError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Xid8, commit_order, events, is_settled
from helpdesk_api.kit.listing import Limit
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.visibility import shown_changes
from helpdesk_api.webhooks.event_types import EVERY_TYPE, PATTERNS
from helpdesk_api.webhooks.event_visibility import Resources, seen_events
from helpdesk_api.webhooks.messages import Actor, EventCause

_POSITION: Final = "feed"
_END: Final = "end"
_LAST: Final = 2**63 - 1
_MOST_NAMES: Final = 50

_TOLD = tuple(column for column in events.c if column.name != "tenant_id")


class UnknownEventTypeError(InvalidError):
    """No event is of this type; `GET /v1/event-types` lists them."""

    code = "unknown_event_type"
    title = "There are no events of this type"


class Event(Output):
    """Something that happened to one object."""

    id: Annotated[UUID, Field(description="UUIDv7; the same as `webhook-id` of its deliveries.")]
    type: Annotated[str, Field(examples=["ticket.status_changed"])]
    object_type: Annotated[str, Field(examples=["ticket"])]
    object_id: UUID
    object_version: Annotated[int, Field(description="The version of the object after this.")]
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]],
        Field(description="For each changed field its old and its new value, as `[old, new]`."),
    ]
    data: Annotated[dict[str, JsonValue], Field(description="What else there is to know, by type of event.")]
    actor: Actor
    cause: EventCause
    occurred_at: Annotated[AwareDatetime, Field(description="In the time of the tenant; the order is by commit.")]


class FeedPage(Output):
    """Where the feed goes on."""

    next_cursor: Annotated[
        str, Field(description="Pass as `after` to go on; at the end too, where it waits for what happens next.")
    ]
    has_more: Annotated[bool, Field(description="Whether there is more already; if not, ask again in a while.")]


class EventFeed(Output):
    """A stretch of the feed."""

    data: list[Event]
    page: FeedPage


class FeedQuery(BaseModel):
    """Where to go on, and what to leave out."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str | None,
        Field(
            max_length=500,
            description="`next_cursor` of an earlier answer, or `end` for what comes; absent: from the first event.",
        ),
    ] = None
    limit: Limit = 50
    type: Annotated[
        list[str],
        Field(
            max_length=_MOST_NAMES,
            description="Type such as `ticket.created`, or `ticket.*`. Repeat for any of several.",
        ),
    ] = []
    object_type: Annotated[
        list[str], Field(max_length=_MOST_NAMES, description="Such as `ticket`. Repeat for any of several.")
    ] = []
    object_id: Annotated[
        list[UUID], Field(max_length=_MOST_NAMES, description="Gives the history of an object. Repeat for several.")
    ] = []


class Position(NamedTuple):
    """A place in commit order, between two events."""

    xid: int
    seq: int


EVENT_EXAMPLE = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
    "type": "ticket.status_changed",
    "object_type": "ticket",
    "object_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "object_version": 4,
    "changes": {"status": ["open", "pending"]},
    "data": {},
    "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
    "cause": {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"},
    "occurred_at": "2026-11-23T09:30:00Z",
}

router = APIRouter(prefix="/v1", tags=["events"], route_class=UnitOfWorkRoute)


@router.get(
    "/events",
    operation_id="events_list",
    summary="Follow the event feed",
    description=(
        "Tells what happened, in commit order. Follow it with `after`, the `next_cursor` of the answer before, which "
        "is always given: no event is told twice and none is left out, also while others write. A cursor never "
        "expires and holds for every filter; `after=end` gives one for what comes. Told are the events of objects that "
        "the caller may read, with the fields it is shown. With `object_id` it is the history of one object, such as a "
        "ticket."
    ),
)
async def list_events(
    request: Request, query: Annotated[FeedQuery, Query()], ctx: Annotated[Ctx, allowed("events:read")]
) -> EventFeed:
    """Follow the feed."""
    signer: Signer = request.app.state.runtime.signer
    start = position_after(ctx, signer, query.after)
    resources = request.app.state.runtime.resources
    found = await _after(ctx, start, _filters(query) + seen_events(ctx, resources), query.limit)
    # One row says how far the feed is settled, also when there are no events.
    settled_below: int = found[0]["settled_below"]
    rows = [row for row in found if row["id"] is not None]
    has_more = len(rows) > query.limit
    del rows[query.limit :]
    # At the end the position is that up to which all was looked at: a rare type does not cost a look at all the others
    # with every call.
    end = Position(rows[-1]["xid"], rows[-1]["seq"]) if has_more else Position(settled_below - 1, _LAST)
    page = FeedPage.trusted({"next_cursor": _cursor(ctx, signer, end), "has_more": has_more})
    return EventFeed.trusted({"data": [_event(ctx, resources, row) for row in rows], "page": page})


@router.get(
    "/events/{id}",
    operation_id="events_get",
    summary="Get one event",
    description="Reads one event by its id, such as the `webhook-id` of a webhook.",
)
async def get_event(id: UUID, request: Request, ctx: Annotated[Ctx, allowed("events:read")]) -> Event:
    """Read an event."""
    resources = request.app.state.runtime.resources
    row = await ctx.tx.row(
        select(*_TOLD).where(events.c.tenant_id == ctx.tenant_id, events.c.id == id, *seen_events(ctx, resources)),
        ctx.principal.reach.values,
    )
    if row is None:
        message = f"There is no event {id}."
        raise NotFoundError(message, params={"id": str(id)})
    return _event(ctx, resources, row)


async def _after(ctx: Ctx, start: Position, conditions: list[ColumnElement[bool]], limit: int) -> list[Record]:
    """Fetch one row more than asked for, each with the transaction below which all is settled."""
    order = commit_order()
    page = (
        select(*_TOLD)
        .where(
            events.c.tenant_id == ctx.tenant_id,
            is_settled(),
            func.row(*order) > func.row(literal(start.xid, Xid8), literal(start.seq, BigInteger)),
            *conditions,
        )
        .order_by(*order)
        .limit(limit + 1)
        .subquery("page")
    )
    horizon = select(func.pg_snapshot_xmin(func.pg_current_snapshot()).label("settled_below")).subquery("horizon")
    return await ctx.tx.rows(
        select(horizon.c.settled_below, *page.c)
        .select_from(horizon.outerjoin(page, true()))
        .order_by(page.c.xid, page.c.seq),
        ctx.principal.reach.values,
    )


def _filters(query: FeedQuery) -> list[ColumnElement[bool]]:
    for parameter, patterns in (("type", query.type), ("object_type", [f"{name}.*" for name in query.object_type])):
        for name in patterns:
            if name not in PATTERNS:
                message = f"There is no event of the type {name[:60]!r}; see /v1/event-types."
                raise UnknownEventTypeError(message, pointer=f"/{parameter}", location="query")
    conditions: list[ColumnElement[bool]] = []
    if query.type and EVERY_TYPE not in query.type:
        families = [name.removesuffix(".*") for name in query.type if name.endswith(".*")]
        conditions.append(or_(_any(events.c.type, query.type), _any(events.c.object_type, families)))
    if query.object_type:
        conditions.append(_any(events.c.object_type, query.object_type))
    if query.object_id:
        conditions.append(_any(events.c.object_id, query.object_id))
    return conditions


def _any(column: ColumnElement[object], values: list[str] | list[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(values, ARRAY(column.type)))


def _event(ctx: Ctx, resources: Resources, row: Record) -> Event:
    values = dict(row.items())
    if (resource := resources.get(row["object_type"])) is not None:
        values["changes"] = shown_changes(row["changes"], resource.groups, ctx.principal.field_groups)
    return Event.trusted({
        **{name: values[name] for name in Event.model_fields if name in values},
        "actor": Actor.trusted({"type": values["actor_type"], "id": values["actor_id"]}),
        "cause": EventCause.trusted({"type": values["cause_type"], "id": values["cause_id"]}),
    })  # fmt: skip


def _cursor(ctx: Ctx, signer: Signer, position: Position) -> str:
    return signer.sign(_POSITION, json.dumps([ctx.tenant_id.hex, *position], separators=(",", ":")).encode())


def position_after(ctx: Ctx, signer: Signer, after: str | None) -> Position:
    """Give the position to go on from: the beginning, the end, or what a cursor says."""
    if after is None:
        return Position(0, 0)
    return Position(_LAST, _LAST) if after == _END else _read_cursor(ctx, signer, after)


def _read_cursor(ctx: Ctx, signer: Signer, text: str) -> Position:
    payload = signer.verify(_POSITION, text)
    tenant, *position = (None,) if payload is None else json.loads(payload)
    if tenant != ctx.tenant_id.hex:
        message = "The cursor is not one of this feed, or is damaged; go on from the last one that was, or start anew."
        raise CursorMismatchError(message, pointer="/after", location="query")
    return Position(*position)
