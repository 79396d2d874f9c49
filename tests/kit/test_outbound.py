"""Sending to addresses of others: whatever the receiver does, the attempt ends in time and in bounds."""

import asyncio
import gzip
import socket
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from helpdesk_api.kit.outbound import OutboundClient, OutboundError, Reason
from tests.kit.receivers import (
    LOOPBACK,
    OK,
    Handler,
    answering,
    failure,
    never_answering,
    post,
    receiving,
    repeating,
)


async def test_what_is_posted_arrives_as_it_was_given_and_the_answer_comes_back() -> None:
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        response = await client.post(
            receiver.url + "?x=1",
            content=b'{"a":1}',
            headers={"webhook-id": "msg_1", "Content-Type": "application/json"},
        )

    assert (response.status, response.body_excerpt) == (200, b"thank")
    assert response.headers == {"content-type": "text/plain", "content-length": "5"}
    assert timedelta(0) < response.duration < timedelta(seconds=15)
    assert receiver.requests == [
        b"POST /hook?x=1 HTTP/1.1\r\n"
        b"host: 127.0.0.1:%d\r\n"
        b"accept-encoding: identity\r\n"
        b"content-length: 7\r\n"
        b"webhook-id: msg_1\r\n"
        b"Content-Type: application/json\r\n"
        b'\r\n{"a":1}' % receiver.port
    ]


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(never_answering, id="no answer"),
        pytest.param(repeating(b"", b"H", pause=0.02), id="a header byte by byte"),
        pytest.param(repeating(b"", b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.02), id="interim answers"),
        pytest.param(repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.02), id="a body byte by byte"),
    ],
)
async def test_an_answer_that_drips_in_ends_at_the_deadline(handler: Handler) -> None:
    deadline = timedelta(seconds=0.3)
    async with receiving(handler) as receiver, OutboundClient(allow=LOOPBACK, deadline=deadline) as client:
        error = await failure(client, receiver.url)
        await asyncio.wait_for(receiver.closed.wait(), timeout=5)

    assert error.reason == Reason.TIMEOUT
    assert deadline <= error.duration < timedelta(seconds=5)


async def test_a_receiver_that_does_not_read_ends_at_the_deadline() -> None:
    unread: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: unread.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, OutboundClient(allow=LOOPBACK, deadline=timedelta(seconds=0.3)) as client:
        error = await failure(client, url, b"x" * 20_000_000)
        for writer in unread:
            writer.transport.abort()

    assert error.reason == Reason.TIMEOUT


async def test_a_slow_receiver_delays_no_other() -> None:
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(receiving(never_answering))
        quick = await stack.enter_async_context(receiving(answering(OK)))
        client = await stack.enter_async_context(OutboundClient(allow=LOOPBACK))
        waiting = [asyncio.create_task(post(client, slow.url)) for _ in range(200)]
        response = await asyncio.wait_for(post(client, quick.url), timeout=10)
        still_waiting = [task for task in waiting if not task.done()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert response.status == 200
    assert len(still_waiting) == 200


async def test_of_a_long_body_only_the_beginning_is_read() -> None:
    sent = 0

    async def long(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        while sent < 50_000_000:
            writer.write(b"x" * 10_000)
            await writer.drain()
            sent += 10_000

    async with receiving(long) as receiver, OutboundClient(allow=LOOPBACK) as client:
        response = await post(client, receiver.url)
        await asyncio.wait_for(receiver.closed.wait(), timeout=5)

    assert (response.status, response.body_excerpt) == (200, b"x" * 1024)
    assert sent < 50_000_000


async def test_a_compressed_body_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with receiving(answering(head, bomb)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        response = await post(client, receiver.url)

    assert response.body_excerpt == bomb[:1024]
    assert b"accept-encoding: identity\r\n" in receiver.requests[0]


async def test_a_body_in_endless_tiny_chunks_is_not_read_to_its_end() -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        receiving(repeating(start, b"1;wrapping=" + b"w" * 1000 + b"\r\nx\r\n")) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        response = await post(client, receiver.url)

    assert response.status == 200
    assert 0 < len(response.body_excerpt) < 200


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(repeating(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100), id="interim answers"),
        pytest.param(repeating(b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 1000 + b"\r\n"), id="a header"),
    ],
)
async def test_an_answer_that_does_not_get_to_its_body_is_too_large(handler: Handler) -> None:
    async with receiving(handler) as receiver, OutboundClient(allow=LOOPBACK) as client:
        error = await failure(client, receiver.url)

    assert (error.reason, error.detail) == (Reason.TOO_LARGE, "the answer goes on after 65536 bytes")


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(answering(then_close=True), id="nothing"),
        pytest.param(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), id="another protocol"),
        pytest.param(answering(b"HTTP/1.1 20\r\n\r\n"), id="half a status"),
        pytest.param(answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), id="an upgrade nobody asked for"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True), id="half a body"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), id="a negative length"),
    ],
)
async def test_what_is_not_complete_http_is_a_protocol_error(handler: Handler) -> None:
    async with receiving(handler) as receiver, OutboundClient(allow=LOOPBACK) as client:
        error = await failure(client, receiver.url)

    assert error.reason == Reason.PROTOCOL_ERROR
    assert error.detail == "the receiver did not answer in complete HTTP"


async def test_a_connection_that_is_reset_is_lost() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with receiving(reset) as receiver, OutboundClient(allow=LOOPBACK) as client:
        error = await failure(client, receiver.url)

    assert error.reason == Reason.CONNECTION_LOST


@pytest.mark.parametrize(
    "headers",
    [
        {"x-evil": "a\r\nHost: evil"},
        {"x-evil\r\nHost": "evil"},
        {"x evil": "a"},
        {"x-evil": "\u00e4"},
        {"x-\u00e4": "a"},
        {"": "a"},
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"transfer-encoding": "chunked"},
        {"Accept-Encoding": "gzip"},
        {"Connection": "upgrade"},
    ],
)
async def test_a_header_that_would_change_how_the_request_travels_is_refused(headers: dict[str, str]) -> None:
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        with pytest.raises(OutboundError) as failed:
            await client.post(receiver.url, content=b"{}", headers=headers)

    assert failed.value.reason == Reason.INVALID_REQUEST
    assert receiver.requests == []
