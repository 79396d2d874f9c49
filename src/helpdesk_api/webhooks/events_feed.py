"""The event feed: everything that happened to a tenant's objects, in commit order, for whoever asks for it.

Feed, audit trail and history are one list: `object_id` narrows it to the history of one object. A request may wait for
the next event. Reading is `webhooks.feed`; for those who keep a connection open there is `webhooks.event_stream`.
"""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from sqlalchemy import select

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import TOLD, events
from helpdesk_api.kit.following import Entry
from helpdesk_api.kit.listing import Limit
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.waiting_route import Waiting, WaitingRoute, wait_for
from helpdesk_api.webhooks.event_filter import EventFilter
from helpdesk_api.webhooks.event_visibility import may_see, seen_events
from helpdesk_api.webhooks.feed import OLDEST, Event, cursor_of, position_of, read_after, shown
from helpdesk_api.webhooks.feed_start import check_kept

_LONGEST_WAIT: Final = 25


class FeedPage(Output):
    """Where the feed goes on."""

    next_cursor: Annotated[
        str, Field(description="Pass as `after` to go on; at the end too, where it waits for what happens next.")
    ]
    has_more: Annotated[
        bool, Field(description="Whether there is more already; if not, ask again in a while, or with `wait`.")
    ]
    kept_since: Annotated[
        AwareDatetime | None,
        Field(description="What was recorded before is no longer all kept; in real time. Null while everything is."),
    ]


class EventFeed(Output):
    """A stretch of the feed."""

    data: list[Event]
    page: FeedPage


class FeedQuery(EventFilter):
    """Where to go on, and what to leave out."""

    after: Annotated[
        str | None,
        Field(
            max_length=500,
            description=(
                "`next_cursor` of an earlier answer, `end` for what comes, or `oldest` for what is still kept; absent: "
                "from the first event."
            ),
        ),
    ] = None
    limit: Limit = 50
    wait: Annotated[
        int,
        Field(
            ge=0,
            le=_LONGEST_WAIT,
            description=(
                "Seconds to wait for the next event when there is none yet; with `X-View-As` it is answered at once."
            ),
        ),
    ] = 0


router = APIRouter(prefix="/v1", tags=["events"], route_class=UnitOfWorkRoute)


async def list_events(
    request: Request, query: Annotated[FeedQuery, Query()], ctx: Annotated[Ctx, allowed("events:read")]
) -> EventFeed:
    """Follow the feed."""
    query.check()
    runtime: Runtime = request.app.state.runtime
    # The history of an object begins with what is kept of it: whoever looks at one does not copy anything.
    is_oldest = query.after == OLDEST or (query.after is None and query.object_id)
    start = None if is_oldest else position_of(runtime.signer, ctx.tenant_id, query.after)
    conditions = query.conditions() + seen_events(ctx, runtime.resources)
    rows, end, has_more, kept_since = await read_after(ctx, runtime.signer, start, conditions, query.limit)
    if not rows and query.wait and "x-view-as" not in request.headers:

        def matches(entry: Entry) -> bool:
            return query.lets_through(entry.row) and may_see(ctx.principal, runtime.resources, entry.row)

        wait_for(request, Waiting(ctx.principal, end, matches, query.wait))
    next_cursor = cursor_of(runtime.signer, ctx.tenant_id, end)
    page = FeedPage.trusted({"next_cursor": next_cursor, "has_more": has_more, "kept_since": kept_since})
    return EventFeed.trusted({"data": [shown(ctx.principal, runtime.resources, row) for row in rows], "page": page})


router.add_api_route(
    "/events",
    list_events,
    methods=["GET"],
    route_class_override=WaitingRoute,
    operation_id="events_list",
    summary="Follow the event feed",
    description=(
        "Tells what happened, in commit order. Follow it with `after`, the `next_cursor` of the answer before, which "
        "is always given: no event is told twice and none is left out, also while others write. A cursor holds for "
        "every filter, and as long as the events behind it are kept; then it is answered with 410 and the way to begin "
        "anew, and so is reading from the first event when that is gone, unless for the history of an object. "
        "`after=end` gives a cursor for what comes, `after=oldest` what is kept. With `wait` an answer without "
        "events comes only after so many seconds, and at once when something happens. Told are the events of objects "
        "that the caller may read, with the fields it is shown. With `object_id` it is the history of one object, such "
        "as a ticket."
    ),
)


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
        select(*TOLD).where(events.c.tenant_id == ctx.tenant_id, events.c.id == id, *seen_events(ctx, resources)),
        ctx.principal.reach.values,
    )
    if row is None:
        await check_kept(ctx, id)
        message = f"There is no event {id}."
        raise NotFoundError(message, params={"id": str(id)})
    return shown(ctx.principal, resources, row)
