"""The route of reads that may wait for something to happen: asked again, from the beginning, as soon as it has.

Between two looks nothing is held but the request itself: no connection and no transaction. Each look is a unit of work
of its own that recognises the caller anew, so rights that were taken away meanwhile hold. What is waited for is said by
the endpoint, through `wait_for`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.events import Position
from helpdesk_api.kit.following import Entry, Listener
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import Handler, UnitOfWorkRoute

_WAITING: Final = "helpdesk.waiting"
_NOTED: Final = "helpdesk.use_noted"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a request waits for: an event behind a position that `matches`, for so long."""

    principal: Principal
    position: Position
    matches: Callable[[Entry], bool]
    seconds: float


def wait_for(request: Request, waiting: Waiting) -> None:
    """Have a request answered later, if by then something has happened; else as it is answered now."""
    request.scope[_WAITING] = waiting


class WaitingRoute(UnitOfWorkRoute):
    """Serve an endpoint that may ask to be called again."""

    def get_route_handler(self) -> Handler:
        """Wrap the handler of one look."""
        look = super().get_route_handler()

        async def serve(request: Request) -> Response:
            response = await look(request)
            waiting: Waiting | None = request.scope.get(_WAITING)
            if waiting is None:
                return response
            runtime: Runtime = request.app.state.runtime
            ends_at = monotonic() + waiting.seconds
            async with runtime.live.listening(waiting.principal, waiting.position) as listener:
                while await _something_happens(listener, waiting, ends_at, request.receive):
                    if listener.doubted_at:
                        _forget(runtime, waiting.principal)
                    del request.scope[_WAITING]
                    response = await look(request)
                    again: Waiting | None = request.scope.get(_WAITING)
                    if again is None:
                        break
                    waiting, listener.position = again, again.position
            return response

        return serve

    def _note_use(self, request: Request, *, was_refused: bool) -> None:
        # However often it is looked at, it was called once.
        if not request.scope.get(_NOTED):
            request.scope[_NOTED] = True
            super()._note_use(request, was_refused=was_refused)


def _forget(runtime: Runtime, principal: Principal) -> None:
    """Have a caller looked up anew whose rights an event may have changed."""
    runtime.admission.standings.forget(principal.tenant_id)
    if principal.credential_id is not None:
        runtime.authenticate.forget(principal.credential_id)


async def until_gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _something_happens(listener: Listener, waiting: Waiting, ends_at: float, receive: Receive) -> bool:
    """Wait for a match; tells whether to look again. Raises ClientDisconnect when nobody waits any more."""
    leaving = asyncio.create_task(until_gone(receive))
    leaving.add_done_callback(lambda _: listener.wake())
    try:
        while not leaving.done():
            pending = listener.pending()
            if pending is None or any(map(waiting.matches, pending.entries)):
                return True
            listener.position = pending.end
            left = ends_at - monotonic()
            if listener.is_closed or left <= 0:
                return False
            if not pending.entries:
                await listener.wait(left)
        raise ClientDisconnect
    finally:
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
