"""One live stream of events (server-sent events): what is told, in which order, and when it ends.

A stream goes through the same commit order as the feed, and every event carries the feed's cursor as its id, so a
client that was cut off goes on from the last id it saw. What is told is decided anew for everything that is sent: who
the credential stands for now, what that one may do, which rows it sees. A stream that is too slow is not remembered
for: it reads from the database what is no longer kept, at its own pace. Opening streams is `webhooks.stream_routes`.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from helpdesk_api.domain.errors import Refusal, UnavailableError
from helpdesk_api.kit import crud
from helpdesk_api.kit.client_address import Address
from helpdesk_api.kit.context import Cause, Ctx, Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Position, events
from helpdesk_api.kit.following import Entry, Listener
from helpdesk_api.kit.http import ShuttingDownError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.signals import Message
from helpdesk_api.kit.tokens import KeyToken
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.kit.waiting_route import until_gone
from helpdesk_api.webhooks.event_filter import EventFilter
from helpdesk_api.webhooks.event_visibility import may_see, seen_events
from helpdesk_api.webhooks.feed import BEGINNING, cursor_of, read_after, shown
from helpdesk_api.webhooks.feed_start import EventsPurgedError

PERMISSION: Final = "events:read"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Proxies that gather answers before they pass them on would hold events back.
    (b"x-accel-buffering", b"no"),
)
_READ_AT_ONCE: Final = 100
_RETRY_MILLISECONDS: Final = 2_000
_PATIENCE_SECONDS: Final = 30.0
_PAUSE_AFTER_REFUSAL: Final = 1.0
_JITTER: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a stream, with what and from where: enough to find out again and again who that is."""

    principal: Principal
    token: KeyToken
    address: Address | None


class Start(NamedTuple):
    """Where a stream begins: behind a position, at the end for None; or why the place asked for cannot be found."""

    position: Position | None = None
    refusal: Refusal | None = None


class EventStream(Response):
    """The answer that goes on until the client leaves, its rights end, or the process does."""

    def __init__(
        self,
        runtime: Runtime,
        caller: Caller,
        start: Start,
        *,
        wanted: EventFilter,
        tells_presence: bool,
        cause: Cause,
    ) -> None:
        super().__init__()
        self._runtime = runtime
        self._caller = caller
        self._principal = caller.principal
        self._start = start
        self._wanted = wanted
        self._tells_presence = tells_presence
        self._cause = cause
        self._marked_at: Position | None = None
        self._looked_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell events until there is a reason to end."""
        del scope
        async with self._runtime.live.listening(self._principal, self._start.position) as listener:
            # What was believed of the credential when the request came in may be a moment old.
            listener.doubt()
            leaving = asyncio.create_task(until_gone(receive), name="stream: until the client leaves")
            leaving.add_done_callback(lambda _: listener.wake())
            try:
                await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
                ending = await self._tell(listener, send, leaving)
                if ending is not None:
                    self._runtime.metrics.live_stream_ended(ending["code"])
                    await _put(send, _message("end", ending))
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                leaving.cancel()
                with suppress(asyncio.CancelledError):
                    await leaving

    async def _tell(self, listener: Listener, send: Send, leaving: asyncio.Task[None]) -> dict[str, str] | None:
        """Tell until the end; gives why it ended, None when the client left."""
        every = self._runtime.live.limits.heartbeat_seconds
        silent_until, greeting = monotonic() + every, True
        while not leaving.done():
            if listener.is_closed:
                return {"code": ShuttingDownError.code, "detail": "This process ends; connect again."}
            if listener.position is None:
                await listener.wait(every)
                continue
            try:
                text = self._greeting(listener.position) if greeting else await self._next(listener)
                if text is None and monotonic() >= silent_until:
                    await self._recognise(listener.doubted_at)
                    text = self._sign_of_life(listener.position)
            except UnavailableError:
                # The database is away: there is nothing to tell, and nothing of it is lost.
                await asyncio.sleep(_PAUSE_AFTER_REFUSAL)
                continue
            except EventsPurgedError as refusal:
                # The place to go on from is lost; what comes from now on is told.
                self._start = Start(refusal=refusal)
                listener.position, greeting = None, True
                listener.look()
                continue
            except Refusal as refusal:
                return {"code": refusal.code, "detail": refusal.detail}
            greeting = False
            if text:
                await _put(send, text)
                silent_until = monotonic() + every
            elif text is None:
                await listener.wait(max(silent_until - monotonic(), 0))
        return None

    async def _next(self, listener: Listener) -> bytes | None:
        """Give what is to be told next, both what is kept and what is not; None when there is nothing new."""
        news, passing = await self._news(listener), await self._passing(listener)
        return (news or b"") + passing if passing else news

    async def _news(self, listener: Listener) -> bytes | None:
        """Give what is to be told next, which may be nothing of what there was; None when there was nothing."""
        pending = listener.pending()
        if pending is None:
            return await self._catch_up(listener)
        if not pending.entries:
            listener.position = pending.end
            return None
        await self._recognise(listener.doubted_at)
        resources = self._runtime.resources
        chosen = [
            entry
            for entry in pending.entries
            if self._wanted.lets_through(entry.row) and may_see(self._principal, resources, entry.row)
        ]
        if chosen and not self._principal.reach.is_unlimited:
            seen = await self._seen_among([entry.row["id"] for entry in chosen])
            chosen = [entry for entry in chosen if entry.row["id"] in seen]
        listener.position = pending.end
        self._runtime.metrics.live_events_sent(len(chosen))
        return b"".join(map(self._kept, chosen))

    async def _passing(self, listener: Listener) -> bytes:
        """Give what is told now or never: who is at which object."""
        if not listener.messages:
            return b""
        messages = list(listener.messages)
        listener.messages.clear()
        if not self._tells_presence:
            return b""
        await self._recognise(listener.doubted_at)
        wanted = self._wanted.object_id
        chosen = [
            message
            for message in messages
            if self._principal.may(message["permission"]) and (not wanted or UUID(message["object_id"]) in wanted)
        ]
        if chosen and not self._principal.reach.is_unlimited:
            chosen = [message for message in chosen if await self._sees(message)]
        return b"".join(_message(message["event"], message["data"]) for message in chosen)

    async def _sees(self, message: Message) -> bool:
        """Tell whether the object of a message is among the caller's rows."""
        resource = self._runtime.resources[message["object_type"]]
        async with self._runtime.live.questions, self._reading() as ctx:
            return bool(await crud.fetch_many(ctx, resource, [UUID(message["object_id"])]))

    async def _catch_up(self, listener: Listener) -> bytes:
        """Read from the database what is not kept any more, or was never kept."""
        await self._recognise(listener.doubted_at)
        principal = self._principal
        async with self._runtime.live.questions, self._reading() as ctx:
            conditions = self._wanted.conditions() + seen_events(ctx, self._runtime.resources)
            start = listener.position or BEGINNING
            rows, end, *_ = await read_after(ctx, self._runtime.signer, start, conditions, _READ_AT_ONCE)
        # The database may know more than the feed of this process has told: also that rights have ended.
        await self._recognise(monotonic())
        if self._principal != principal:
            return b""
        listener.position = end
        self._runtime.metrics.live_events_sent(len(rows))
        return b"".join(self._written(row, Position(row["xid"], row["seq"])) for row in rows)

    async def _recognise(self, doubted_at: float) -> None:
        """Find out who the caller is and may do now; raises a refusal when that is too little."""
        if doubted_at > self._looked_at:
            self._runtime.admission.standings.forget(self._principal.tenant_id)
            self._looked_at = monotonic()
        caller = self._caller
        self._principal = await self._runtime.authenticate.again(
            self._runtime, caller.token, caller.address, not_before=doubted_at
        )
        await self._runtime.admission.standings.check_served(self._principal.tenant_id)
        self._principal.require(PERMISSION)

    async def _seen_among(self, ids: list[UUID]) -> set[UUID]:
        """Tell which of these events are of objects that are among the caller's rows."""
        async with self._runtime.live.questions, self._reading() as ctx:
            rows = await ctx.tx.rows(
                select(events.c.id).where(
                    events.c.tenant_id == ctx.tenant_id,
                    events.c.id == any_(literal(ids, ARRAY(events.c.id.type))),
                    *seen_events(ctx, self._runtime.resources),
                ),
                ctx.principal.reach.values,
            )
        return {row["id"] for row in rows}

    def _reading(self) -> AbstractAsyncContextManager[Ctx]:
        return unit_of_work(
            self._runtime, self._principal, cause=self._cause, request_id=self._cause.id, read_only=True
        )

    def _greeting(self, position: Position) -> bytes:
        """Say from where on everything is told, so that a client that is cut off at once knows where to go on."""
        cursor = self._cursor(position)
        # Clients that are sent home together should not come back together.
        retry = f"retry: {_RETRY_MILLISECONDS + _JITTER.randrange(_RETRY_MILLISECONDS)}\n".encode()
        refusal = self._start.refusal
        if refusal is None:
            return retry + _message("ready", {"cursor": cursor}, cursor)
        return retry + _message("reset", {"cursor": cursor, "code": refusal.code, "detail": refusal.detail}, cursor)

    def _sign_of_life(self, position: Position) -> bytes:
        """Give a comment, with the cursor of a position that has moved past what was not for this caller."""
        if position == self._marked_at:
            return b":\n\n"
        return f":\nid: {self._cursor(position)}\n\n".encode()

    def _cursor(self, position: Position) -> str:
        self._marked_at = position
        return cursor_of(self._runtime.signer, self._principal.tenant_id, position)

    def _kept(self, entry: Entry) -> bytes:
        """Give the text of an event, made once for all who are shown the same fields."""
        groups = self._principal.field_groups
        text = entry.made.get(groups)
        if text is None:
            text = entry.made[groups] = self._written(entry.row, entry.position)
        return text

    def _written(self, row: Record, position: Position) -> bytes:
        event = shown(self._principal, self._runtime.resources, row)
        return f"id: {self._cursor(position)}\ndata: {event.model_dump_json()}\n\n".encode()


def _message(name: str, data: Mapping[str, str], cursor: str | None = None) -> bytes:
    """Write a message that is not an event of the feed."""
    place = "" if cursor is None else f"id: {cursor}\n"
    return f"event: {name}\n{place}data: {json.dumps(data)}\n\n".encode()


async def _put(send: Send, text: bytes) -> None:
    """Send a piece; a client that takes nothing for long has left, as far as this process is concerned."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await send({"type": "http.response.body", "body": text, "more_body": True})
    except TimeoutError:
        raise ClientDisconnect from None
