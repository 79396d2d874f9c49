"""How connections are made, kept for the next request and given up."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from helpdesk_api.kit.outbound import OutboundClient, Reason
from tests.kit.receivers import (
    LOOPBACK,
    NAME,
    OK,
    Names,
    answering,
    failure,
    never_answering,
    post,
    receiving,
)


async def test_a_name_server_that_does_not_answer_ends_at_the_connect_timeout() -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError((host, port))

    limit = timedelta(seconds=0.1)
    async with OutboundClient(allow=LOOPBACK, resolve=silent, connect_timeout=limit) as client:
        error = await failure(client, f"http://{NAME}/")

    assert (error.reason, error.detail) == (Reason.TIMEOUT, "no connection within 0.1 seconds")


async def test_a_port_nobody_listens_on_fails_to_connect() -> None:
    async with receiving(answering(OK)) as receiver:
        pass
    async with OutboundClient(allow=LOOPBACK) as client:
        error = await failure(client, receiver.url)

    assert (error.reason, error.detail) == (Reason.CONNECT_FAILED, "Connection refused")
    assert error.duration > timedelta(0)


async def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    names = Names(["127.0.0.3", "127.0.0.1"])
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK, resolve=names) as client:
        response = await post(client, f"http://{NAME}:{receiver.port}/")

    assert response.status == 200


async def test_an_address_that_swallows_connections_leaves_time_for_the_next() -> None:
    names = Names(["127.0.0.3", "127.0.0.1"])
    # Half of it is left for the next address, which is plenty also on a busy machine.
    limit = timedelta(seconds=4)
    async with receiving(answering(OK)) as receiver:
        with socket.create_server(("127.0.0.3", receiver.port), backlog=0), socket.socket() as first:
            # Its queue has room for one connection, which nobody takes out again; the next one waits for ever.
            first.connect(("127.0.0.3", receiver.port))
            async with OutboundClient(allow=LOOPBACK, resolve=names, connect_timeout=limit) as client:
                response = await post(client, f"http://{NAME}:{receiver.port}/")

    assert response.status == 200
    assert limit / 2 <= response.duration < limit


async def test_of_very_many_addresses_only_the_first_four_are_dialled() -> None:
    names = Names([*(f"127.0.0.{number}" for number in range(3, 7)), "127.0.0.1"])
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK, resolve=names) as client:
        error = await failure(client, f"http://{NAME}:{receiver.port}/")

    assert error.reason == Reason.CONNECT_FAILED
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "problem", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long"), None]
)
async def test_a_name_without_an_address_is_not_resolved(problem: Exception | None) -> None:
    async def knows_nothing(host: str, port: int) -> Sequence[str]:
        assert (host, port) == (NAME, 443)
        if problem is not None:
            raise problem
        return []

    async with OutboundClient(resolve=knows_nothing) as client:
        error = await failure(client, f"https://{NAME}/")

    assert error.reason == Reason.NAME_NOT_RESOLVED


async def test_a_connection_is_kept_for_the_next_request() -> None:
    names = Names(["127.0.0.1"])
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK, resolve=names) as client:
        for _ in range(5):
            await post(client, f"http://{NAME}:{receiver.port}/")

    assert (receiver.connections, len(receiver.requests), len(names.questions)) == (1, 5, 1)


async def test_a_connection_past_its_life_is_replaced_by_one_that_is_judged_again() -> None:
    names = Names(["127.0.0.1"])
    life = timedelta(0)
    async with (
        receiving(answering(OK)) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=names, longest_connection_life=life) as client,
    ):
        for _ in range(3):
            await post(client, f"http://{NAME}:{receiver.port}/")

    assert (receiver.connections, len(names.questions)) == (3, 3)


async def test_bytes_after_an_answer_are_not_taken_for_the_next_one() -> None:
    async with (
        receiving(answering(OK, b"HTTP/1.1 500 Smuggled\r\n\r\n")) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        statuses = [(await post(client, receiver.url)).status for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert receiver.connections == 3


async def test_what_is_read_is_counted_for_each_answer_alone() -> None:
    body = bytes(50_000)
    async with (
        receiving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", body)) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        statuses = [(await post(client, receiver.url)).status for _ in range(4)]

    assert statuses == [200] * 4
    assert receiver.connections == 1


@pytest.mark.parametrize("afterwards", [b"", b"HTTP/1.1 500 Smuggled\r\n\r\n"])
async def test_a_kept_connection_on_which_something_happened_is_not_used_again(afterwards: bytes) -> None:
    go_on = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await go_on.wait()
        writer.write(afterwards)
        if not afterwards:
            writer.close()

    async with receiving(answer) as receiver, OutboundClient(allow=LOOPBACK) as client:
        first = await post(client, receiver.url)
        go_on.set()
        await _settle()
        second = await post(client, receiver.url)

    assert (first.status, second.status) == (200, 200)
    assert receiver.connections == 2


async def test_a_kept_connection_takes_in_only_so_much_that_nobody_asked_for() -> None:
    go_on, has_sent_all = asyncio.Event(), asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await go_on.wait()
        for _chunk in range(500):
            writer.write(bytes(100_000))
            await writer.drain()
        has_sent_all.set()

    async with receiving(flood) as receiver, OutboundClient(allow=LOOPBACK) as client:
        await post(client, receiver.url)
        go_on.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(has_sent_all.wait(), timeout=1)


async def test_a_cancelled_request_leaves_the_client_in_working_order() -> None:
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(receiving(never_answering))
        quick = await stack.enter_async_context(receiving(answering(OK)))
        client = await stack.enter_async_context(OutboundClient(allow=LOOPBACK))
        waiting = asyncio.create_task(post(client, slow.url))
        await asyncio.wait_for(slow.arrived.wait(), timeout=5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(slow.closed.wait(), timeout=5)
        response = await post(client, quick.url)

    assert response.status == 200


async def _settle() -> None:
    """Let the event loop take in what has already arrived at its sockets."""
    for _ in range(20):
        await asyncio.sleep(0)
