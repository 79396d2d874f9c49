"""The unit of work: one transaction from parsing to COMMIT, and the route class that puts every endpoint inside one.

The answer leaves only after the commit has been confirmed: a client that reads 201 can rely on it through a crash.
(Committing in a dependency's teardown would answer first; a contract test fails any route that is not a
`UnitOfWorkRoute`.) The body is read and parsed before a connection is taken, so a slow client holds none. Deadlocks
and serialization failures are repeated here, where the whole unit can be repeated.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import Security
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.domain.errors import Kind, Refusal, UnsupportedMediaError
from helpdesk_api.kit import idempotency
from helpdesk_api.kit.caller import authenticated, cause_of
from helpdesk_api.kit.conditional import not_modified
from helpdesk_api.kit.context import Cause, Ctx, Principal
from helpdesk_api.kit.events import write_recorded
from helpdesk_api.kit.problems import render
from helpdesk_api.kit.query import query_names, refuse_unknown
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sqlstate import UnknownReferenceError, WriteConflictError
from helpdesk_api.kit.strict_json import loads
from helpdesk_api.kit.successors import name_successor
from helpdesk_api.kit.tenancy import tenant_time
from helpdesk_api.kit.usage import UsageCounts
from helpdesk_api.kit.validation import invalid_request
from helpdesk_api.kit.visibility import showing

_ATTEMPTS = 4
# Its own source: whoever seeds the global one means something else by it.
_JITTER = random.SystemRandom()
_CTX = "helpdesk.ctx"
_READING = frozenset({"GET", "HEAD"})
_JSON = frozenset({"application/json", "application/merge-patch+json"})
# Refusals that a repetition would meet again. Others (401, 403, 429, 5xx), and those that say when to come back, stay
# open for a retry with the same key.
_LASTING = frozenset({Kind.NOT_FOUND, Kind.CONFLICT, Kind.INVALID, Kind.PRECONDITION_FAILED})

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@asynccontextmanager
async def unit_of_work(
    runtime: Runtime, principal: Principal, *, cause: Cause, request_id: str, read_only: bool = False
) -> AsyncIterator[Ctx]:
    """Open a context; at the end write what it recorded, commit, and only then ring the bell."""
    real_now = datetime.now(UTC)
    async with runtime.db.transaction(principal.tenant_id, read_only=read_only) as transaction:
        time = await tenant_time(
            transaction,
            principal.tenant_id,
            real_now=real_now,
            is_sandbox=principal.is_sandbox,
            read_only=read_only,
        )
        ctx = Ctx(
            tx=transaction,
            tenant_id=principal.tenant_id,
            principal=principal,
            now=time.now,
            real_now=real_now,
            is_test_clock=time.is_test_clock,
            cause=cause,
            request_id=request_id,
            reactions=runtime.reactions,
        )
        with showing(principal.field_groups):
            yield ctx
        await write_recorded(ctx)
    if ctx.events:
        ctx.due.append(real_now)
        runtime.signals.announce(principal.tenant_id)
    if ctx.due:
        runtime.bell.ring(ctx.due)


async def repeated(work: Callable[[], Awaitable[T]]) -> T:
    """Do a whole unit of work, and do it again when it met another writer; raises WriteConflictError in the end."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return await work()
        except WriteConflictError:
            # Jitter keeps two writers that met once from meeting again.
            await asyncio.sleep(_JITTER.uniform(0.005, 0.02) * attempt)
    return await work()


class UnitOfWorkRoute(APIRoute):
    """Serve an endpoint inside a unit of work, with strict parsing, conditional reads and idempotent writes."""

    reads_only = True

    def make_handler(self) -> Handler:
        """Make what answers within the unit of work: FastAPI's handler."""
        return super().get_route_handler()

    def get_route_handler(self) -> Handler:
        """Wrap the handler."""
        handler = self.make_handler()
        shows_secret = getattr(self.response_model, "shows_secret", False)
        permissions = _permissions_of(self)
        known = query_names(self)

        async def serve(request: Request) -> Response:
            was_refused = True
            try:
                response = await _serve(
                    handler,
                    StrictRequest(request.scope, request.receive),
                    known,
                    permissions=permissions,
                    shows_secret=shows_secret,
                    reads_only=self.reads_only,
                )
                was_refused = False
                return response
            finally:
                self._note_use(request, was_refused=was_refused)

        return serve

    def _note_use(self, request: Request, *, was_refused: bool) -> None:
        known = request.scope["state"]
        if known.get("credential_id") is not None:
            usage: UsageCounts = request.app.state.runtime.usage
            usage.note(
                known["tenant_id"], known["credential_id"], self.operation_id or self.name, was_refused=was_refused
            )


class RecordedReadRoute(UnitOfWorkRoute):
    """Serve a read that is itself recorded: the answer leaves once the note of it is committed."""

    reads_only = False


class Authentication(SecurityBase):
    """What FastAPI's description calls a dependency that needs a credential."""

    scheme_name = "api_key"
    model = HTTPBearerModel()


class _Allowed(Authentication):
    """Hand an endpoint its context if the caller has a permission; for FastAPI's description it is the key itself.

    One dependency for both: each further one that FastAPI has to solve costs as much as a small query.
    """

    def __init__(self, *permissions: str) -> None:
        self.permissions = permissions

    async def __call__(self, request: Request) -> Ctx:
        ctx: Ctx = request.scope[_CTX]
        ctx.principal.require(*self.permissions)
        return ctx


def allowed(*permissions: str) -> Any:
    """Declare the permission that a caller needs, or several of which one will do.

    It stands beside the type of the context in the signature. Without one, whoever is known may call.
    """
    return Security(_Allowed(*permissions), scopes=permissions)


def _permissions_of(route: APIRoute) -> tuple[str, ...]:
    """Give the permissions of which an endpoint needs one."""
    guards = (dependency.call for dependency in route.dependant.dependencies)
    return next((guard.permissions for guard in guards if isinstance(guard, _Allowed)), ())


class StrictRequest(Request):
    """A request whose JSON is parsed by `strict_json`, once."""

    async def json(self) -> Any:
        if not hasattr(self, "_parsed"):
            self._parsed = loads(await self.body())
        return self._parsed


async def _serve(
    handler: Handler,
    request: Request,
    known: frozenset[str],
    *,
    permissions: tuple[str, ...],
    shows_secret: bool,
    reads_only: bool,
) -> Response:
    runtime: Runtime = request.app.state.runtime
    is_read = request.method in _READING
    principal = await authenticated(request, is_plain_read=is_read and reads_only)
    try:
        refuse_unknown(request, known)
    except RequestValidationError as error:
        raise invalid_request(error) from error
    request_id: str = request.state.request_id
    cause = cause_of(request)
    viewed = request.headers.get("x-view-as")
    if viewed is not None:
        principal = await runtime.view_as(runtime, principal, viewed, route=request.url.path, cause=cause)
    if is_read:
        async with unit_of_work(runtime, principal, cause=cause, request_id=request_id, read_only=reads_only) as ctx:
            request.scope[_CTX] = ctx
            response = await handled(handler, request)
        return not_modified(request, response)
    await read_body(request)
    write = await idempotency.keyed(request, shows_secret=shows_secret)
    if write is not None:
        # Before a stored answer is looked for: it is nothing to who may no longer ask for it.
        principal.require(*permissions)
    return await repeated(lambda: _write(handler, request, write, runtime, principal, cause))


async def _write(  # noqa: PLR0917 - the parts of one request, all of them needed once.
    handler: Handler,
    request: Request,
    write: idempotency.Keyed | None,
    runtime: Runtime,
    principal: Principal,
    cause: Cause,
) -> Response:
    try:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            request.scope[_CTX] = ctx
            if write is not None:
                earlier = await idempotency.earlier_answer(ctx, write)
                if earlier is not None:
                    return earlier
            response = await handled(handler, request)
            if write is not None:
                await idempotency.store_answer(ctx, write, response)
        return response
    except Refusal as refusal:
        if isinstance(refusal, UnknownReferenceError):
            async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id, read_only=True) as ctx:
                body = await request.json() if await request.body() else None
                await name_successor(ctx, runtime.resources.values(), refusal, body)
        if (
            write is not None
            and refusal.kind in _LASTING
            and refusal.retry_after is None
            and not isinstance(refusal, idempotency.IdempotencyKeyReusedError)
        ):
            await _remember_refusal(refusal, request, write, runtime, principal, cause)
        raise


async def _remember_refusal(  # noqa: PLR0917 - as above.
    refusal: Refusal,
    request: Request,
    write: idempotency.Keyed,
    runtime: Runtime,
    principal: Principal,
    cause: Cause,
) -> None:
    status, headers, body = render(refusal, request_id=cause.id, instance=request.url.path)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        await idempotency.store_refusal(ctx, write, Response(body, status, headers))


async def handled(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except RequestValidationError as error:
        raise invalid_request(error) from error


async def read_body(request: Request) -> None:
    """Read and parse the body; raises a refusal for what is not JSON."""
    if not await request.body():
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON or (media_type != "application/json" and request.method != "PATCH"):
        message = f"The body must be application/json, not {media_type[:100] or 'untyped'}."
        raise UnsupportedMediaError(message, pointer="/Content-Type", location="header")
    await request.json()
