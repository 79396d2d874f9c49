"""A real server on a real socket: who does not send a request in time loses the connection, and nobody else does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from helpdesk_api.kit.receive_deadline import ReceiveDeadlineProtocol
from tests.kit.edge import plain, respond, serving

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = b"\r\n\r\n0"
TOO_LONG_AND_WRONG = b"GET / HTTP/1.1\r\nx-long: " + b"x" * 65_536 + b"\r\n(): "
# Far beyond the deadlines below, and under uvicorn's own five seconds for an idle connection.
SOON = 3.0


class QuickProtocol(ReceiveDeadlineProtocol):
    header_seconds = 0.2
    body_seconds = 0.3


class PatientProtocol(ReceiveDeadlineProtocol):
    header_seconds = 0.1
    body_seconds = 20.0


class Client:
    """One connection, and what comes back on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def until(self, ending: bytes) -> bytes:
        async with asyncio.timeout(SOON):
            return await self._reader.readuntil(ending)

    async def until_closed(self, *, dripping: bytes = b"") -> bytes:
        """Read until the server closes the connection, meanwhile sending the same bytes again and again."""
        async with asyncio.timeout(SOON):
            reading = asyncio.create_task(self._rest())
            while not reading.done():
                self._writer.write(dripping)
                await asyncio.wait([reading], timeout=0.02)
            return await reading

    async def _rest(self) -> bytes:
        parts = []
        # Bytes that meet a closed socket reset the connection; that is an end like any other.
        with suppress(ConnectionResetError):
            while part := await self._reader.read(1_000):
                parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with serving(_answering_by_path, QuickProtocol) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        yield client
        client.close()


async def _answering_by_path(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["path"]:
        case "/unread":
            await respond(send, b"0")
        case "/slow":
            await asyncio.sleep(0.5)
            await plain(scope, receive, send)
        case _:
            await plain(scope, receive, send)


async def test_a_silent_connection_is_closed(client: Client) -> None:
    assert await client.until_closed() == b""


@pytest.mark.parametrize("drip", [b"G", b"\r\n"])
async def test_headers_that_drip_are_cut_off(client: Client, drip: bytes) -> None:
    client.send(b"" if drip == b"\r\n" else b"GET / HTTP/1.1\r\nx-")

    assert await client.until_closed(dripping=drip) == b""


async def test_the_next_request_of_a_connection_has_the_same_deadline(client: Client) -> None:
    client.send(GET)
    await client.until(ANSWER)

    assert await client.until_closed(dripping=b"\r\n") == b""


async def test_the_next_request_that_begins_with_the_last_one_has_the_same_deadline(client: Client) -> None:
    client.send(GET + b"GET / HT")
    await client.until(ANSWER)

    assert await client.until_closed() == b""


@pytest.mark.parametrize("path", [b"/", b"/unread"])
async def test_a_body_that_drips_is_cut_off_whether_it_is_read_or_not(client: Client, path: bytes) -> None:
    client.send(b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")

    answer = await client.until_closed(dripping=b"x")

    assert answer.endswith(ANSWER) == (path == b"/unread")


async def test_a_body_that_never_comes_is_not_waited_for(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")

    assert await client.until_closed() == b""


async def test_a_body_may_take_longer_than_the_headers() -> None:
    async with serving(plain, PatientProtocol) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
        await asyncio.sleep(0.3)
        client.send(b"body")
        answer = await client.until(b"\r\n\r\n4")
        client.close()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_connection_whose_body_ends_after_its_answer_is_not_forgotten(client: Client) -> None:
    client.send(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
    await client.until(ANSWER)
    client.send(b"late")

    assert await client.until_closed() == b""


async def test_a_request_in_pieces_is_answered_when_it_is_whole_in_time(client: Client) -> None:
    for piece in (b"POST / HT", b"TP/1.1\r\nhost: x\r\ncontent-le", b"ngth: 4\r\n\r\n", b"wh", b"ole"[:2]):
        client.send(piece)
        await asyncio.sleep(0)

    assert (await client.until(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_several_requests_in_one_piece_are_all_answered(client: Client) -> None:
    client.send(GET * 3)

    answers = [await client.until(ANSWER) for _ in range(3)]

    assert [answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers] == [True, True, True]


async def test_a_connection_may_carry_more_headers_in_all_than_one_request_may(client: Client) -> None:
    for _ in range(20):
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"x" * 5_000 + b"\r\n\r\n")
        assert (await client.until(ANSWER)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_answer_that_takes_longer_than_the_deadlines_is_waited_for(client: Client) -> None:
    client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET / HT")

    assert (await client.until_closed()).endswith(ANSWER)


async def test_time_in_which_the_application_does_not_read_is_not_held_against_the_client(client: Client) -> None:
    size = 1_000_000
    client.send(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)

    assert (await client.until(b"\r\n\r\n1000000")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("field", [b"x", b"x-a: b\r\n"])
async def test_headers_over_64_kib_are_refused_with_a_problem_document(client: Client, field: bytes) -> None:
    client.send((b"GET / HTTP/1.1\r\nx-a: b\r\n" + field * 65_540)[:65_540])
    answer = await client.until_closed()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"The headers of the request are too large." in answer


@pytest.mark.parametrize("endless", [b"x-a: b\r\n" * 2_500, b"x" * 20_000])
async def test_trailers_without_end_are_cut_off(client: Client, endless: bytes) -> None:
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-a: ")

    assert await client.until_closed(dripping=endless) == b""


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01 this is TLS\r\n\r\n", TOO_LONG_AND_WRONG])
async def test_what_is_not_http_gets_one_problem_document(client: Client, garbage: bytes) -> None:
    client.send(garbage)
    answer = await client.until_closed()

    head, _, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert fields["content-type"] == "application/problem+json"
    assert fields["content-length"] == str(len(body))
    assert fields["connection"] == "close"
    assert answer.count(b"HTTP/1.1 ") == 1
    assert (problem["code"], problem["status"]) == ("malformed_request", 400)
    assert problem["request_id"] == fields["x-request-id"]
