"""What holds for every request: its id, its headers, its line in the log, its measurement, and how failures look."""

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any
from uuid import UUID

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit.cors import CORS
from helpdesk_api.kit.exchange import Limits
from helpdesk_api.kit.http import Drain, Edge
from helpdesk_api.kit.metrics import Metrics
from tests.kit.edge import answer_of, call, edge, plain, respond

Log = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


async def _broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the password is 12345")


def _product(metrics: Metrics | None = None) -> FastAPI:
    """Build an application as the product is built: routers inside routers, and the edge as a middleware."""
    tickets = APIRouter(prefix="/tickets")

    @tickets.get("/{ticket_id}")
    async def read_ticket(ticket_id: str) -> dict[str, str]:
        return {"id": ticket_id}

    @tickets.post("/{ticket_id}")
    async def break_ticket(ticket_id: str) -> dict[str, str]:
        raise RuntimeError(ticket_id)

    first_version = APIRouter(prefix="/v1")
    first_version.include_router(tickets)
    app = FastAPI()
    app.include_router(first_version)
    app.add_middleware(Edge, metrics=metrics or Metrics(), drain=Drain(), limits=Limits(), cors=CORS())

    @app.get("/livez")
    async def live() -> dict[str, bool]:
        return {"alive": True}

    return app


@pytest.mark.parametrize("given", ["a", "0190c0de-7000-7000-8000-000000000000", "Trace.1_x", "x" * 128])
async def test_a_plain_request_id_is_kept(given: str) -> None:
    answer = await call(edge(plain), headers={"X-Request-Id": given})

    assert answer.header("x-request-id") == [given]
    assert answer.scope["state"]["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\r\nSet-Cookie: b", "é", "<script>", "a\n"])
async def test_any_other_request_id_is_replaced_by_a_new_one(given: str | None) -> None:
    answer = await call(edge(plain), headers={} if given is None else {"X-Request-Id": given})

    (made,) = answer.header("x-request-id")
    assert UUID(made).version == 7
    assert answer.scope["state"]["request_id"] == made


async def test_two_requests_without_an_id_get_different_ones() -> None:
    first, second = await call(edge(plain)), await call(edge(plain))

    assert first.header("x-request-id") != second.header("x-request-id")


async def test_every_log_line_of_a_request_carries_its_id_and_none_after_it(log: Log) -> None:
    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        structlog.get_logger().info("inside")
        await respond(send, b"")

    await call(edge(telling), headers={"X-Request-Id": "r-1"})

    assert [(line["event"], line["request_id"]) for line in log] == [("inside", "r-1"), ("http.request", "r-1")]
    assert get_contextvars() == {}


@pytest.mark.parametrize(("app", "status"), [(edge(plain), 200), (edge(_broken), 500), (_product(), 404)])
async def test_every_answer_carries_the_security_headers(app: ASGIApp, status: int) -> None:
    answer = await call(app, path="/nowhere")

    assert answer.status == status
    assert answer.header("x-content-type-options") == ["nosniff"]
    assert answer.header("cache-control") == ["no-store"]
    assert answer.header("vary") == ["Authorization"]
    assert answer.header("server") == []


async def test_an_answer_that_rules_its_own_caching_is_left_alone() -> None:
    async def cached(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"", (b"cache-control", b"max-age=60"), (b"vary", b"Accept"))

    answer = await call(edge(cached))

    assert answer.header("cache-control") == ["max-age=60"]
    assert answer.header("vary") == ["Accept", "Authorization"]


async def test_an_unexpected_failure_becomes_a_problem_without_details_and_one_log_entry_with_them(log: Log) -> None:
    answer = await call(edge(_broken), "POST", "/v1/tickets")

    problem = answer.problem
    assert (answer.status, problem["code"], answer.is_complete) == (500, "internal_error", True)
    assert b"12345" not in answer.body
    assert b"RuntimeError" not in answer.body
    failure, access = log
    assert (failure["event"], failure["log_level"]) == ("http.unhandled_error", "error")
    assert str(failure["exc_info"]) == "the password is 12345"
    assert (access["event"], access["status"]) == ("http.request", 500)


async def test_as_a_middleware_it_answers_failures_before_the_framework_does(log: Log) -> None:
    answer = await call(_product(), "POST", "/v1/tickets/7")

    assert answer.problem["code"] == "internal_error"
    assert [line["event"] for line in log] == ["http.unhandled_error", "http.request"]


async def test_a_failure_after_the_answer_has_begun_is_logged_and_leaves_it_incomplete(log: Log) -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    answer = await call(edge(half))

    assert (answer.status, answer.body, answer.is_complete) == (200, b"half", False)
    assert [line["event"] for line in log] == ["http.unhandled_error", "http.request"]


async def test_a_refusal_that_nobody_rendered_keeps_its_status_and_code(log: Log) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConflictError("The ticket is closed.")

    answer = await call(edge(refusing))

    assert (answer.status, answer.problem["code"]) == (409, "conflict")
    assert [line["event"] for line in log] == ["http.request"]


async def test_a_client_that_leaves_is_no_failure(log: Log) -> None:
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] == "http.disconnect":
            raise ClientDisconnect

    metrics = Metrics()
    answer = await call(
        edge(reading, metrics=metrics), "POST", headers={"Content-Length": "9"}, parts=[], then="disconnect"
    )

    assert answer.status == 0
    assert [(line["event"], line["status"]) for line in log] == [("http.request", 499)]
    assert b'status_class="4xx"' in metrics.render()[0]


async def test_a_request_that_outlasts_the_shutdown_is_told_to_come_again(log: Log) -> None:
    reached = asyncio.Event()
    sent: list[Message] = []
    scope: Scope = {"type": "http", "method": "GET", "path": "/v1/tickets", "headers": [], "state": {}}

    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        reached.set()
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    task = asyncio.create_task(edge(hanging)(scope, receive, send))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    answer = answer_of(sent, scope)
    assert (answer.status, answer.problem["code"], answer.is_complete) == (503, "shutting_down", True)
    assert answer.header("retry-after") == ["1"]
    assert [(line["event"], line["status"]) for line in log] == [("http.request", 503)]


async def test_a_draining_process_is_not_ready_but_still_answers_and_ends_its_connections() -> None:
    drain = Drain()
    app = edge(plain, drain=drain)

    before = await call(app, path="/readyz")
    drain.begin()
    ready = await call(app, path="/readyz")
    other = await call(app, path="/v1/tickets")

    assert (before.status, before.header("connection")) == (200, [])
    assert (ready.status, ready.problem["code"]) == (503, "shutting_down")
    assert (other.status, other.header("connection")) == (200, ["close"])


async def test_the_access_line_tells_who_did_what_and_how_it_ended_but_not_with_which_values(log: Log) -> None:
    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] |= {"tenant_id": UUID(int=1), "credential_id": UUID(int=2), "plan": "gold"}
        await respond(send, b"")

    await call(
        edge(known),
        path="/v1/tickets/4711?token=hidden&q=Maria",
        headers={"X-Request-Id": "r-1", "Authorization": "Bearer hd_live_x", "User-Agent": "x"},
    )

    (line,) = log
    assert 0 < line.pop("duration_ms") < 10_000
    assert line == {
        "event": "http.request",
        "log_level": "info",
        "request_id": "r-1",
        "method": "GET",
        "route": "unmatched",
        "status": 200,
        "tenant_id": UUID(int=1),
        "credential_id": UUID(int=2),
    }


async def test_an_unknown_caller_leaves_no_empty_fields(log: Log) -> None:
    async def system(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["credential_id"] = None
        await plain(scope, receive, send)

    await call(edge(system))

    assert set(log[0]) == {"event", "log_level", "request_id", "method", "route", "status", "duration_ms"}


@pytest.mark.parametrize(
    ("method", "path", "status", "route"),
    [
        ("GET", "/v1/tickets/7", 200, "/v1/tickets/{ticket_id}"),
        ("DELETE", "/v1/tickets/7", 405, "/v1/tickets/{ticket_id}"),
        ("POST", "/v1/tickets/7", 500, "/v1/tickets/{ticket_id}"),
        ("GET", "/livez", 200, "/livez"),
        ("GET", "/v1/nowhere/7", 404, "unmatched"),
    ],
)
async def test_log_and_metrics_name_the_route_by_its_template(
    log: Log, method: str, path: str, status: int, route: str
) -> None:
    metrics = Metrics()

    answer = await call(_product(metrics), method, path)

    assert answer.status == status
    assert (log[-1]["route"], log[-1]["status"]) == (route, status)
    labels = f'{{method="{method}",route="{route}",status_class="{status // 100}xx"}}'
    assert f"http_requests_total{labels} 1.0" in metrics.render()[0].decode().splitlines()


async def test_what_is_not_http_passes_untouched(log: Log) -> None:
    seen: list[tuple[Scope, Receive, Send]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    await edge(app)({"type": "lifespan"}, receive, send)

    assert seen == [({"type": "lifespan"}, receive, send)]
    assert log == []
