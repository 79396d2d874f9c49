"""Opening a live stream of events: who may, from where on, and with which credential.

A stream runs outside of any unit of work: it holds no connection, and opens short ones of its own when there is
something to tell (`webhooks.event_stream`).
"""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Security
from pydantic import Field
from starlette.responses import Response

from helpdesk_api.domain.errors import Refusal, UnauthenticatedError
from helpdesk_api.kit.caller import admit, authenticated, cause_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.direct_routes import DirectRoute
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import Authentication, UnitOfWorkRoute, allowed
from helpdesk_api.webhooks import stream_tickets
from helpdesk_api.webhooks.event_filter import EventFilter
from helpdesk_api.webhooks.event_stream import PERMISSION, Caller, EventStream, Start
from helpdesk_api.webhooks.feed import BEGINNING, END, OLDEST, Event, position_of
from helpdesk_api.webhooks.feed_start import oldest_position
from helpdesk_api.webhooks.stream_tickets import StreamTicket

EVENT_STREAM: Final = "text/event-stream"
_LONGEST_CURSOR: Final = 500


class _Streaming(Authentication):
    """Hand the stream its caller, recognised by the header or by a ticket."""

    async def __call__(self, request: Request) -> Caller:
        ticket = request.query_params.get("ticket")
        caller = await (_by_header(request) if ticket is None else _by_ticket(request, ticket))
        caller.principal.require(PERMISSION)
        return caller


async def _by_header(request: Request) -> Caller:
    runtime: Runtime = request.app.state.runtime
    principal = await authenticated(request)
    token = runtime.authenticate.token_of(request.headers.get("authorization"))
    return Caller(principal, token, runtime.addresses.of(request.scope))


async def _by_ticket(request: Request, ticket: str) -> Caller:
    """Recognise whoever asked for a ticket; who brings wrong ones is counted like who brings wrong credentials."""
    runtime: Runtime = request.app.state.runtime
    address = runtime.addresses.of(request.scope)
    await runtime.admission.unproven(request)
    try:
        token = await stream_tickets.use(runtime.db, ticket)
        principal = await runtime.authenticate.again(runtime, token, address, not_before=0)
    except UnauthenticatedError:
        await runtime.admission.anonymous(request)
        raise
    await admit(request, principal)
    return Caller(principal, token, address)


async def _start(runtime: Runtime, caller: Caller, after: str | None) -> Start:
    if after is None or after == END:
        return Start()
    if after == OLDEST:
        tenant_id = caller.principal.tenant_id
        async with runtime.db.transaction(tenant_id, read_only=True) as transaction:
            return Start(await oldest_position(transaction, tenant_id) or BEGINNING)
    try:
        return Start(position_of(runtime.signer, caller.principal.tenant_id, after))
    except Refusal as refusal:
        return Start(refusal=refusal)


class StreamQuery(EventFilter):
    """Where to begin, what to leave out, and who asks."""

    after: Annotated[
        str | None,
        Field(
            max_length=_LONGEST_CURSOR,
            description="A cursor of the feed, or the id of the last event seen; `oldest`: all that is still kept; "
            "absent or `end`: what comes from now.",
        ),
    ] = None
    presence: Annotated[
        bool,
        Field(description="Tell also who comes to a ticket, types on it or leaves, to callers who may read notes."),
    ] = False
    ticket: Annotated[
        str | None,
        Field(max_length=200, description="A ticket of `POST /v1/events/stream-tickets`, instead of the header."),
    ] = None


router = APIRouter(prefix="/v1", tags=["events"], route_class=UnitOfWorkRoute)


async def stream_events(
    request: Request,
    query: Annotated[StreamQuery, Query()],
    caller: Annotated[Caller, Security(_Streaming(), scopes=[PERMISSION])],
    last_event_id: Annotated[
        str | None,
        Header(max_length=_LONGEST_CURSOR, description="The id of the last event seen; it goes before `after`."),
    ] = None,
) -> Response:
    """Open a stream."""
    query.check()
    runtime: Runtime = request.app.state.runtime
    credential = caller.principal.credential_id
    if credential is not None:
        runtime.usage.note(caller.principal.tenant_id, credential, "events_stream", was_refused=False)
    start = await _start(runtime, caller, last_event_id or query.after)
    cause = cause_of(request)
    return EventStream(runtime, caller, start, wanted=query, tells_presence=query.presence, cause=cause)


router.add_api_route(
    "/events/stream",
    stream_events,
    methods=["GET"],
    route_class_override=DirectRoute,
    response_model=Event,
    responses={200: {"description": "The stream, until either side ends it.", "content": {EVENT_STREAM: {}}}},
    operation_id="events_stream",
    summary="Stream events as they happen",
    description=(
        "Server-sent events. First comes `ready` with a cursor, or `reset` when the place to go on from cannot be "
        "found any more: then read everything anew, the stream goes on from the cursor that `reset` gives. Each event "
        "of the feed is a message without a name, whose data is the event and whose id is its cursor; send the last "
        "id as `Last-Event-ID` or `after` to go on without loss. With `presence=true` messages named `presence` tell "
        "who is at which ticket; they have no id and are told once or never. Quiet streams send comments. What is told "
        "is decided for each event by what the caller may see at that time. When its rights end, or the server does, "
        "the last message is `end` with the reason as `code`."
    ),
)


@router.post(
    "/events/stream-tickets",
    status_code=201,
    operation_id="events_create_stream_ticket",
    summary="Get a ticket for a stream",
    description=(
        "Gives a ticket that opens one stream within 30 seconds, for `EventSource`, which cannot send a header. The "
        "stream is that of the caller, and ends when the credential does that the ticket was asked for with."
    ),
)
async def create_stream_ticket(request: Request, ctx: Annotated[Ctx, allowed(PERMISSION)]) -> StreamTicket:
    """Make a ticket."""
    runtime: Runtime = request.app.state.runtime
    return await stream_tickets.issue(ctx, runtime.authenticate.token_of(request.headers.get("authorization")))
