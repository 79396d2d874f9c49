"""Connecting: a name is resolved once, every address it has is judged, and only a judged address is dialled.

The name is not looked up again between the check and the connection, so that an answer which changes in the meantime
(DNS rebinding) has no effect; the receiver still sees the name, as TLS server name and in the Host header. Connections
carry no timeouts of their own, because the deadline of the attempt covers all waiting.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, cast

import httpcore2
from typing_extensions import override

from helpdesk_api.kit.outbound.addresses import Address, Network, is_inside, is_public, read_address
from helpdesk_api.kit.outbound.failures import (
    AddressDeniedError,
    AttemptTimeoutError,
    ConnectFailedError,
    NameNotResolvedError,
    ResponseTooLargeError,
    TLSFailedError,
)
from helpdesk_api.kit.outbound.targets import PUBLIC_PORTS

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

# A name with very many addresses is judged in full, but does not make this service knock at all of them.
_MOST_ADDRESSES_DIALLED: Final = 4
_LOOKUP_THREADS: Final = 32
# Of one answer, counted on the wire: header, interim answers and the wrapping of chunks included.
_LONGEST_ANSWER: Final = 64 * 1024


class SystemResolver:
    """Look names up as the machine does, in threads of its own.

    Lookups cannot be cancelled, and a name server may take its time: in the few threads that the event loop shares with
    everything else, a handful of slow names would hold up all others.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_LOOKUP_THREADS, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _look_up(host: str, port: int) -> list[str]:
        return [str(where[0]) for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Dialer(httpcore2.AsyncNetworkBackend):
    """Connect to what may be called: public addresses at public ports over TLS, and anything inside `allow`."""

    def __init__(
        self,
        *,
        resolve: Resolver,
        allow: tuple[Network, ...],
        reaches_public: bool,
        timeout: timedelta,
        longest_life: timedelta,
    ) -> None:
        self._resolve = resolve
        self._allow = allow
        self._reaches_public = reaches_public
        self._timeout = timeout.total_seconds()
        self._longest_life = longest_life.total_seconds()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(self._timeout) as limit:
                addresses = await self._addresses(host, port)
                return await self._dial(addresses, port, limit.when() or 0)
        except TimeoutError as error:
            detail = f"no connection within {self._timeout:g} seconds"
            raise AttemptTimeoutError(detail) from error

    async def _addresses(self, host: str, port: int) -> list[Address]:
        if read_address(host) is None:
            try:
                answers = await self._resolve(host, port)
            except (OSError, UnicodeError) as error:
                detail = f"the name {host!r} cannot be resolved"
                raise NameNotResolvedError(detail) from error
        else:
            answers = [host]
        if not answers:
            detail = f"the name {host!r} has no address"
            raise NameNotResolvedError(detail)
        return list(dict.fromkeys(self._judged(answer, port) for answer in answers))

    def _judged(self, answer: str, port: int) -> Address:
        address = read_address(answer)
        if address is not None:
            if is_inside(address, self._allow):
                return address
            if self._reaches_public and port in PUBLIC_PORTS and is_public(address):
                return address
        # One bad address condemns the name: whoever mixes public and private answers is probing.
        raise AddressDeniedError("the host leads to an address that may not be called")

    async def _dial(self, addresses: list[Address], port: int, ends_at: float) -> "Connection":
        loop = asyncio.get_running_loop()
        chosen = addresses[:_MOST_ADDRESSES_DIALLED]
        failure: OSError | None = None
        for position, address in enumerate(chosen):
            # A dead first address must leave time for the next one.
            share = (ends_at - loop.time()) / (len(chosen) - position)
            try:
                async with asyncio.timeout(share):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, self._timeout, self._longest_life),
                        str(address),
                        port,
                        flags=socket.AI_NUMERICHOST,
                    )
            except OSError as error:
                failure = error
            else:
                return connection
        if failure is None or isinstance(failure, TimeoutError):
            raise TimeoutError
        detail = os.strerror(failure.errno) if failure.errno else "no connection"
        raise ConnectFailedError(detail) from failure


class Connection(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One open connection, plain or TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handshake_timeout: float, longest_life: float) -> None:
        self._loop = loop
        self._handshake_timeout = handshake_timeout
        self._retires_at = loop.time() + longest_life
        self._received = bytearray()
        self._answer_size = 0
        self._has_ended = False
        self._loss: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._transport: asyncio.Transport

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._answer_size >= _LONGEST_ANSWER:
            detail = f"the answer goes on after {_LONGEST_ANSWER} bytes"
            raise ResponseTooLargeError(detail)
        while not self._received and not self._has_ended:
            self._arrival = self._loop.create_future()
            await self._arrival
        if not self._received and self._loss is not None:
            raise httpcore2.ReadError(str(self._loss)) from self._loss
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        self._answer_size += len(data)
        return data

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._answer_size = 0
        if not self._has_ended:
            self._transport.write(buffer)
            await self._may_write.wait()
        if self._has_ended:
            raise httpcore2.WriteError("the receiver closed the connection")

    @override
    async def aclose(self) -> None:
        self._transport.abort()

    @override
    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Connection":
        try:
            async with asyncio.timeout(self._handshake_timeout):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            detail = f"no TLS within {self._handshake_timeout:g} seconds"
            raise AttemptTimeoutError(detail) from error
        except ssl.SSLCertVerificationError as error:
            detail = f"the certificate is not accepted: {error.verify_message}"
            raise TLSFailedError(detail) from error
        except OSError as error:
            raise TLSFailedError("the TLS handshake failed") from error
        if transport is None:
            raise TLSFailedError("the connection was closed during the TLS handshake")
        self._transport = transport
        return self

    @override
    def get_extra_info(self, info: str) -> object:
        if info == "is_readable":
            # The pool asks this of an idle connection to see whether it is still good. Nothing may arrive on one, and
            # none is kept for ever, or a busy receiver would never be followed to a new address.
            return bool(self._received) or self._has_ended or self._loop.time() >= self._retires_at
        return self._transport.get_extra_info(info)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _LONGEST_ANSWER:
            # What is here already is more than will be read, so nothing ever needs to follow.
            self._transport.pause_reading()
        self._wake()

    @override
    def eof_received(self) -> None:
        self._has_ended = True
        self._may_write.set()
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._has_ended = True
        self._loss = exc
        self._may_write.set()
        self._wake()

    @override
    def pause_writing(self) -> None:
        self._may_write.clear()

    @override
    def resume_writing(self) -> None:
        self._may_write.set()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
