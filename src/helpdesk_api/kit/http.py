"""The edge of the web application, in one pass: what holds for every request, whatever it asks.

A request gets an id, and limits for the size of its body and the time of its arrival (`kit.exchange`); an answer gets
security headers; both together one access line and one measurement; and whatever breaks becomes a problem document
without details. `Edge` is pure ASGI, added with `add_middleware`, so it meets failures before Starlette answers them in
plain text. What happens before the headers are complete is the concern of `kit.receive_deadline`; who may do what, of
the routes.
"""

import asyncio
from datetime import timedelta
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from structlog.typing import FilteringBoundLogger

from helpdesk_api.domain.errors import Refusal, UnavailableError
from helpdesk_api.kit.cors import CORS
from helpdesk_api.kit.exchange import CLOSE, Exchange, Limits
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.problems import InternalError

_log: FilteringBoundLogger = structlog.get_logger()

# What nginx logs when the client has gone before its answer began; it is never sent.
_CLIENT_LEFT = 499
_SECURITY = ((b"x-content-type-options", b"nosniff"), (b"vary", b"Authorization"))


class ShuttingDownError(UnavailableError):
    """The process is about to end; another one answers, or a new one soon."""

    code = "shutting_down"
    title = "The server is shutting down"


class Drain:
    """Whether this process is on its way out: it still answers, but wants no new work."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Tell whether the process was asked to end."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Fail readiness, and end each connection after its present answer. There is no way back."""
        self._begun.set()

    async def wait(self) -> None:
        """Wait until the process is asked to end."""
        await self._begun.wait()


class Edge:
    """Wrap the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        drain: Drain,
        limits: Limits,
        cors: CORS,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._drain = drain
        self._limits = limits
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        exchange = Exchange(scope, receive, send, self._limits, self._cors)
        exchange.common_headers = (
            (b"x-request-id", exchange.request_id.encode()),
            *_SECURITY,
            *((CLOSE,) if self._drain.has_begun else ()),
        )
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        context = bind_contextvars(request_id=exchange.request_id)
        try:
            await self._answer(scope, exchange)
        finally:
            self._observe(scope, exchange.status or _CLIENT_LEFT, perf_counter() - started)
            reset_contextvars(**context)
        await exchange.linger()

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        preflight = self._cors.preflight(scope["method"], exchange.headers)
        if preflight is not None:
            await exchange.send({"type": "http.response.start", "status": 204, "headers": preflight})
            await exchange.send({"type": "http.response.body"})
            return
        if self._drain.has_begun and scope["path"] == "/readyz":
            await exchange.refuse(ShuttingDownError("This process takes no new work."))
            return
        await exchange.refuse_announced_size()
        if not exchange.was_refused:
            await self._call(scope, exchange)

    async def _call(self, scope: Scope, exchange: Exchange) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Refusal as refusal:
            await exchange.refuse(refusal)
        except ClientDisconnect:
            # Nobody is left to read an answer; the access line tells that the client had gone.
            return
        except asyncio.CancelledError:
            # The server gives up requests that outlast its shutdown; the caller should know that it may try again.
            second = timedelta(seconds=1)
            await exchange.refuse(ShuttingDownError("The server ended before it could answer.", retry_after=second))
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the process: only a problem document leaves it.
            # What an application makes of a body that it could not read to its end is no failure of its own.
            if not exchange.was_refused:
                _log.error("http.unhandled_error", method=scope["method"], route=_route(scope), exc_info=error)
                await exchange.refuse(InternalError("The request failed; its id finds the reason in the server's log."))

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        method, route, state = scope["method"], _route(scope), scope["state"]
        self._metrics.http_request(method, route, status, seconds)
        who = {name: state[name] for name in ("tenant_id", "credential_id") if state.get(name) is not None}
        duration_ms = round(seconds * 1000, 2)
        _log.info("http.request", method=method, route=route, status=status, duration_ms=duration_ms, **who)


def _route(scope: Scope) -> str:
    """Name the route by its template, which holds no ids; everything without a route shares one name."""
    # A route of an included router only knows its own part of the template; FastAPI keeps the whole beside it.
    context = scope.get("fastapi", {}).get("effective_route_context")
    template = getattr(context, "path_format", None) or getattr(scope.get("route"), "path", None)
    return template or "unmatched"
