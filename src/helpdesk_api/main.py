"""The web application: the only place that builds it, and the server that runs it.

From outside in: the HTTP edge (`kit.http`), handlers that turn every refusal into a problem document, the routers of
`wiring`.
"""

import asyncio
import gc
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from socket import socket
from typing import ClassVar

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api import openapi
from helpdesk_api.domain.errors import MalformedError, NotFoundError, Refusal
from helpdesk_api.files import uploading
from helpdesk_api.identity import operator_routes
from helpdesk_api.identity.key_usage import keep_storing
from helpdesk_api.kit import logs, service_routes
from helpdesk_api.kit.cors import CORS
from helpdesk_api.kit.doorbell import RedisBell, SilentBell
from helpdesk_api.kit.exchange import BodyLimit, Limits
from helpdesk_api.kit.http import Drain, Edge
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.problems import InternalError, MethodNotAllowedError, render
from helpdesk_api.kit.receive_deadline import ReceiveDeadlineProtocol
from helpdesk_api.kit.route_index import include
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.standing import BELIEVED_SECONDS
from helpdesk_api.kit.tokens import without_key
from helpdesk_api.kit.validation import invalid_request
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import Settings
from helpdesk_api.wiring import ROUTERS

_GRACE_SECONDS = 30
_BACKLOG = 2_048
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_UPLOAD = ("POST", uploading.PATH)
_UPLOAD_DEADLINE = timedelta(minutes=3)


def create_app(settings: Settings, *, drain: Drain | None = None) -> FastAPI:
    """Build the application; its pool and bell open when it is started."""
    metrics = Metrics()
    cors = CORS(settings.cors_origins)
    ending = drain or Drain()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bell = RedisBell(settings.redis_url.get_secret_value()) if settings.redis_url else SilentBell()
        async with open_runtime(settings, bell, metrics, name="helpdesk-api") as runtime:
            app.state.runtime = runtime
            ringing = asyncio.create_task(bell.run())
            stopping = asyncio.Event()
            learning = asyncio.create_task(_keep_origins(runtime, cors), name="origins of tenants")
            counting = asyncio.create_task(
                keep_storing(runtime, stopping, every_seconds=settings.usage_seconds), name="usage of API keys"
            )
            parting = asyncio.create_task(_send_listeners_home(runtime, ending), name="end of streams")
            try:
                yield
            finally:
                stopping.set()
                await counting
                for task in (ringing, learning, parting):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    app = FastAPI(
        title=openapi.TITLE,
        version=openapi.VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A slash too many is not found: a redirect is no problem document, and names the host of the caller.
        redirect_slashes=False,
        # Spans around every dependency would cost more than the dependencies.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    include(app, (*ROUTERS, service_routes.router))
    # Whoever asks what tenants can call is not told of it.
    app.include_router(operator_routes.router, include_in_schema=False)
    openapi.install(app)
    app.add_middleware(
        Edge,
        metrics=metrics,
        drain=ending,
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            of_uploads={_UPLOAD: BodyLimit(settings.max_file_bytes, _UPLOAD_DEADLINE)},
        ),
        cors=cors,
    )
    return app


async def _send_listeners_home(runtime: Runtime, drain: Drain) -> None:
    """End streams and waiting requests as soon as the process is asked to end: they would outlast its patience."""
    await drain.wait()
    runtime.live.close()


async def _keep_origins(runtime: Runtime, cors: CORS) -> None:
    """Keep knowing which pages tenants let in; while the database is away, what was known goes on."""
    while True:
        with suppress(Refusal):
            cors.let_in(await runtime.admission.standings.origins_of_all())
        await asyncio.sleep(BELIEVED_SECONDS)


async def _refused(request: Request, error: Exception) -> Response:
    refusal = _as_refusal(request, error)
    status, headers, body = render(refusal, request_id=request.state.request_id, instance=without_key(request.url.path))
    return Response(body, status, headers)


def _as_refusal(request: Request, error: Exception) -> Refusal:
    """Put what the framework refuses by itself into our words."""
    match error:
        case Refusal():
            return error
        case RequestValidationError():
            return invalid_request(error)
        case HTTPException(status_code=404):
            return NotFoundError(f"There is nothing at {without_key(request.url.path)[:200]}.")
        case HTTPException(status_code=405):
            return MethodNotAllowedError(f"{request.method[:20]} is not possible here.")
        case HTTPException(status_code=400 | 422):
            return MalformedError("The request cannot be read.")
        case _:
            return InternalError("The request failed; its id finds the reason in the server's log.")


class _Protocol(ReceiveDeadlineProtocol):
    """Wait longer for uploads than for all else, and a moment longer than until the polite refusal."""

    upload_seconds: ClassVar = {_UPLOAD: _UPLOAD_DEADLINE.total_seconds() + 5}


class _Server(uvicorn.Server):
    """A server that stops being ready as soon as it is asked to stop, before it closes anything."""

    def __init__(self, config: uvicorn.Config, drain: Drain, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Fail readiness, leave load balancers time to notice, then finish what is being answered."""
        self._drain.begin()
        await asyncio.sleep(self._drain_seconds)
        await super().shutdown(sockets)


def _spare_the_collector() -> None:
    """Let the garbage collector look only at what requests make, and not with every few of them.

    Routes, models and statements live as long as the process; walking all of them again and again took a good part of
    the processor. Almost everything else is freed by reference counting at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)


def _allow_many_connections() -> None:
    """Let the process open as many files as it may at most: each stream is one, and the usual limit is a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(settings: Settings) -> None:
    """Serve until told to stop; requests being answered are finished."""
    logs.configure(settings.log_level, json=settings.log_format == "json")
    drain = Drain()
    config = uvicorn.Config(
        create_app(settings, drain=drain),
        host=settings.host,
        port=settings.port,
        http=_Protocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _spare_the_collector()
    _allow_many_connections()
    _Server(config, drain, settings.drain_seconds).run()
