"""Over TLS the receiver must prove the name in the URL, although its address is dialled."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

import pytest
import trustme

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


@dataclass
class Authority:
    """A certificate authority of our own, and the context of a client that trusts it."""

    root: trustme.CA
    client: ssl.SSLContext

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.root.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    root, client = trustme.CA(), ssl.create_default_context()
    root.configure_trust(client)
    return Authority(root, client)


async def test_over_tls_the_receiver_is_asked_for_and_must_prove_the_name_in_the_url(authority: Authority) -> None:
    asked: list[str | None] = []
    server = authority.server(NAME)
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    names = Names(["127.0.0.1"])
    async with (
        receiving(answering(OK), tls=server) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=names, tls=authority.client) as client,
    ):
        statuses = [(await post(client, f"https://{NAME}:{receiver.port}/")).status for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert asked == [NAME]
    assert b"host: %b:%d\r\n" % (NAME.encode(), receiver.port) in receiver.requests[0]


async def test_a_long_answer_over_tls_is_read_to_the_same_length(authority: Authority) -> None:
    answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", bytes(10_000_000))
    async with (
        receiving(answer, tls=authority.server(NAME)) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=Names(["127.0.0.1"]), tls=authority.client) as client,
    ):
        response = await post(client, f"https://{NAME}:{receiver.port}/", b"x" * 1_000_000)

    assert (response.status, response.body_excerpt) == (200, bytes(1024))


async def test_a_certificate_for_another_name_is_not_accepted(authority: Authority) -> None:
    async with (
        receiving(answering(OK), tls=authority.server("other.example.com", "127.0.0.1")) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=Names(["127.0.0.1"]), tls=authority.client) as client,
    ):
        error = await failure(client, f"https://{NAME}:{receiver.port}/")

    assert error.reason == Reason.TLS_FAILED
    assert "certificate is not valid for 'hooks.example.com'" in error.detail
    assert receiver.requests == []


async def test_a_certificate_of_an_unknown_authority_is_not_accepted(authority: Authority) -> None:
    async with (
        receiving(answering(OK), tls=authority.server(NAME)) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=Names(["127.0.0.1"])) as client,
    ):
        error = await failure(client, f"https://{NAME}:{receiver.port}/")

    assert error.reason == Reason.TLS_FAILED
    assert receiver.requests == []


async def test_a_receiver_without_tls_fails_the_handshake(authority: Authority) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server, OutboundClient(allow=LOOPBACK, tls=authority.client) as client:
        error = await failure(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert error.reason == Reason.TLS_FAILED


async def test_a_receiver_that_never_shakes_hands_ends_at_the_connect_timeout(authority: Authority) -> None:
    limit = timedelta(seconds=0.2)
    async with (
        receiving(never_answering) as receiver,
        OutboundClient(allow=LOOPBACK, tls=authority.client, connect_timeout=limit) as client,
    ):
        error = await failure(client, f"https://127.0.0.1:{receiver.port}/")
        await asyncio.wait_for(receiver.closed.wait(), timeout=5)

    assert (error.reason, error.detail) == (Reason.TIMEOUT, "no TLS within 0.2 seconds")
