"""What arrives is bounded in size and in time, whatever the application makes of it."""

import asyncio
from datetime import timedelta

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from helpdesk_api.kit.exchange import Limits
from helpdesk_api.kit.receive_deadline import ReceiveDeadlineProtocol
from tests.kit.edge import call, edge, plain, respond, serving

TEN_BYTES = Limits(max_body_bytes=10)
CHUNKED = {"Transfer-Encoding": "chunked"}


async def _untouched(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("The application must not be called.")


async def _swallowing(scope: Scope, receive: Receive, send: Send) -> None:
    """Make its own answer out of whatever goes wrong with the body, as frameworks do."""
    try:
        await plain(scope, receive, send)
    except Exception:  # noqa: BLE001 - that is what it stands for.
        await respond(send, b"my own answer")


async def _failing(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await plain(scope, receive, send)
    except Exception as error:
        raise RuntimeError("could not read") from error


@pytest.mark.parametrize("length", ["11", "1000000", "9" * 18, "9" * 5_000])
async def test_a_body_announced_over_the_limit_is_refused_unread(length: str) -> None:
    answer = await call(edge(_untouched, limits=TEN_BYTES), "POST", "/v1/tickets", headers={"Content-Length": length})

    problem = answer.problem
    assert (problem["status"], problem["code"], problem["params"]) == (413, "body_too_large", {"max_bytes": 10})
    assert problem["detail"] == "The body has more than 10 bytes."
    assert problem["instance"] == "/v1/tickets"
    assert answer.header("connection") == ["close"]
    assert answer.is_complete


@pytest.mark.parametrize("app", [plain, _swallowing, _failing])
@pytest.mark.parametrize("parts", [[b"x" * 11], [b"x" * 6, b"y" * 5, b"never read"]])
async def test_a_body_that_grows_over_the_limit_is_refused_whatever_the_application_does(
    app: ASGIApp, parts: list[bytes]
) -> None:
    # Far less than the time for which the rest of a body is waited for: here there is none.
    async with asyncio.timeout(2):
        answer = await call(edge(app, limits=TEN_BYTES), "POST", headers=CHUNKED, parts=parts)

    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
    assert answer.header("connection") == ["close"]
    assert answer.is_complete


@pytest.mark.parametrize("headers", [{"Content-Length": "10"}, CHUNKED])
async def test_a_body_at_the_limit_is_accepted(headers: dict[str, str]) -> None:
    answer = await call(edge(plain, limits=TEN_BYTES), "POST", headers=headers, parts=[b"x" * 6, b"y" * 4])

    assert (answer.status, answer.body) == (200, b"10")
    assert answer.header("connection") == []


@pytest.mark.parametrize("app", [plain, _swallowing, _failing])
async def test_a_body_that_stops_arriving_is_refused_at_the_deadline(app: ASGIApp) -> None:
    limits = Limits(body_deadline=timedelta(seconds=0.05), linger=timedelta(seconds=0.05))

    answer = await call(edge(app, limits=limits), "POST", headers={"Content-Length": "10"}, parts=[])

    assert (answer.status, answer.problem["code"]) == (408, "body_too_slow")
    assert answer.problem["detail"] == "The body did not arrive within 0.05 seconds."
    assert answer.header("connection") == ["close"]
    assert answer.is_complete


async def test_the_deadline_ends_with_the_body_and_does_not_limit_the_answer() -> None:
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        # What follows the body is the wait for the client to leave, and that may take any time.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)
        await respond(send, b"done")

    limits = Limits(body_deadline=timedelta(seconds=0.05))
    answer = await call(edge(waiting, limits=limits), "POST", headers={"Content-Length": "1"}, parts=[b"x"])

    assert answer.body == b"done"


async def test_a_refused_body_is_no_failure_of_the_application() -> None:
    with capture_logs() as log:
        await call(edge(_failing, limits=TEN_BYTES), "POST", headers=CHUNKED, parts=[b"x" * 11])

    assert [(line["event"], line["status"]) for line in log] == [("http.request", 413)]


async def test_an_answer_that_has_begun_is_not_written_over() -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await plain(scope, receive, send)

    answer = await call(edge(early, limits=TEN_BYTES), "POST", headers=CHUNKED, parts=[b"x" * 11, b"more"])

    assert (answer.status, answer.body, answer.is_complete) == (200, b"", False)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_client_that_only_sends_learns_that_its_body_is_too_large(*, is_chunked: bool) -> None:
    size = 8_000_000
    async with serving(edge(plain), ReceiveDeadlineProtocol) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % size
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n\r\n")
        writer.write(
            (b"%x\r\n" % size if is_chunked else b"") + b"x" * size + (b"\r\n0\r\n\r\n" if is_chunked else b"")
        )
        await writer.drain()
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer
    assert b'"code":"body_too_large"' in answer


async def test_a_client_that_asks_first_is_refused_without_waiting_for_its_body() -> None:
    async with serving(edge(plain), ReceiveDeadlineProtocol) as port, asyncio.timeout(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9000000\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_drips_is_refused_in_words_while_it_still_drips() -> None:
    app = edge(plain, limits=Limits(body_deadline=timedelta(seconds=0.2)))
    async with serving(app, ReceiveDeadlineProtocol) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        reading = asyncio.create_task(reader.readuntil(b"}"))
        while not reading.done():
            writer.write(b"x")
            await asyncio.wait([reading], timeout=0.02)
        # Nothing that a client sends now may take the answer from it, as a connection closed at once would.
        for _ in range(10):
            writer.write(b"x")
            await writer.drain()
        writer.close()

    assert (await reading).startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in await reading
