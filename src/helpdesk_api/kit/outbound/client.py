"""Sending one request and reading one answer, within a deadline and a size.

It speaks HTTP through httpcore2, the layer under httpx2: that layer knows no redirects, cookies, proxies from the
environment or decompression, so none of them has to be switched off. What a status means is left to the caller.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import httpcore2
import httpx2
from typing_extensions import override

from helpdesk_api.kit.outbound.addresses import Network
from helpdesk_api.kit.outbound.dialer import Dialer, Resolver, SystemResolver
from helpdesk_api.kit.outbound.failures import (
    AddressDeniedError,
    AttemptTimeoutError,
    ConnectionLostError,
    InvalidRequestError,
    OutboundError,
    ResponseProtocolError,
    ResponseTooLargeError,
)
from helpdesk_api.kit.outbound.identities import ClientIdentity, present
from helpdesk_api.kit.outbound.targets import Target, UnsafeURLError, check_url, read_target

DEADLINE: Final = timedelta(seconds=15)
CONNECT_TIMEOUT: Final = timedelta(seconds=5)
# Common servers close a connection that was idle for five seconds; leaving first avoids sending into a closing one.
_IDLE_SECONDS: Final = 4.0
_MOST_IDLE_CONNECTIONS: Final = 32
_LONGEST_CONNECTION_LIFE: Final = timedelta(minutes=1)
_MOST_CONTEXTS: Final = 128

_EXCERPT: Final = 1024

# These say how the request travels, which is decided here: a second opinion would let one request pass for two.
_OWN_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An answer: names of headers in lower case, and the beginning of the body as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body_excerpt: bytes
    duration: timedelta


class OutboundClient:
    """Sends requests to addresses chosen by tenants; one per process, so that connections are shared.

    How many requests run at once is the caller's business: the client itself never makes one wait for another, so that
    a slow receiver delays nobody else.
    """

    def __init__(
        self,
        *,
        allow: tuple[Network, ...] = (),
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        make_tls: Callable[[], ssl.SSLContext] = httpx2.create_ssl_context,
        deadline: timedelta = DEADLINE,
        connect_timeout: timedelta = CONNECT_TIMEOUT,
        longest_connection_life: timedelta = _LONGEST_CONNECTION_LIFE,
    ) -> None:
        self._allow = allow
        self._resolve = resolve
        self._tls = tls
        self._make_tls = make_tls
        # For those who present a certificate: making a context takes long.
        self._contexts: OrderedDict[ClientIdentity, ssl.SSLContext] = OrderedDict()
        self._deadline = deadline.total_seconds()
        self._connect_timeout = connect_timeout
        self._longest_connection_life = longest_connection_life
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        resolve = self._resolve
        if resolve is None:
            resolve = SystemResolver()
            self._open.callback(resolve.close)
        self._dialers = (self._dialer(resolve, reaches_public=False), self._dialer(resolve, reaches_public=True))
        pool = _Pool(tls=self._make_tls() if self._tls is None else self._tls, dialers=self._dialers)
        self._pool = await self._open.enter_async_context(pool)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    def check_url(self, url: str, *, pointer: str = "/url") -> None:
        """Refuse a URL that this client would never call, before it is stored; raises UnsafeURLError."""
        check_url(url, allow=self._allow, pointer=pointer)

    async def post(
        self, url: str, *, content: bytes, headers: Mapping[str, str], identity: ClientIdentity | None = None
    ) -> OutboundResponse:
        """Send `content` to `url` and read the answer, whatever its status; to who asks for it, show a certificate.

        Raises OutboundError with a stable reason if there is no complete answer within the deadline. An answer whose
        body is longer than what is read counts as complete.
        """
        return await self._send(lambda: _request(b"POST", self._target(url), content, headers), _EXCERPT, identity)

    async def ask(self, url: str, *, content: bytes, headers: Mapping[str, str], most_bytes: int) -> OutboundResponse:
        """Send `content` to `url` and read up to `most_bytes` of the answer, whatever its status.

        Raises OutboundError with a stable reason, also for an answer that is longer.
        """
        return await self._whole(lambda: _request(b"POST", self._target(url), content, headers), most_bytes)

    async def get(self, url: str, *, headers: Mapping[str, str], most_bytes: int) -> OutboundResponse:
        """Fetch `url` and read up to `most_bytes` of the answer, whatever its status.

        Raises OutboundError with a stable reason, also for an answer that is longer.
        """
        return await self._whole(lambda: _request(b"GET", self._target(url), None, headers), most_bytes)

    async def _whole(self, make: Callable[[], httpcore2.Request], most_bytes: int) -> OutboundResponse:
        response = await self._send(make, most_bytes + 1)
        if len(response.body_excerpt) > most_bytes:
            message = f"the answer has more than {most_bytes:,} bytes"
            raise ResponseTooLargeError(message)
        return response

    async def _send(
        self, make: Callable[[], httpcore2.Request], excerpt: int, identity: ClientIdentity | None = None
    ) -> OutboundResponse:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline):
                status, answer_headers, beginning = await self._exchange(make(), excerpt, identity)
        except TimeoutError as error:
            late = AttemptTimeoutError(f"no complete answer within {self._deadline:g} seconds")
            late.duration = _elapsed(started)
            raise late from error
        except OutboundError as error:
            error.duration = _elapsed(started)
            raise
        return OutboundResponse(status, answer_headers, beginning, _elapsed(started))

    def _target(self, url: str) -> Target:
        try:
            return read_target(url, self._allow)
        except UnsafeURLError as error:
            raise AddressDeniedError(error.detail) from error

    async def _exchange(
        self, request: httpcore2.Request, excerpt: int, identity: ClientIdentity | None
    ) -> tuple[int, dict[str, str], bytes]:
        if identity is None:
            return await self._exchange_over(self._pool, request, excerpt)
        # A connection that was opened with one certificate must never carry the messages of another.
        async with _Pool(tls=self._context_of(identity), dialers=self._dialers) as pool:
            return await self._exchange_over(pool, request, excerpt)

    def _context_of(self, identity: ClientIdentity) -> ssl.SSLContext:
        context = self._contexts.get(identity)
        if context is None:
            while len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
            context = self._contexts[identity] = present(self._make_tls(), identity)
        self._contexts.move_to_end(identity)
        return context

    @staticmethod
    async def _exchange_over(
        pool: "_Pool", request: httpcore2.Request, excerpt: int
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            response = await pool.handle_async_request(request)
            try:
                return response.status, _readable(response.headers), await _beginning(response, excerpt)
            finally:
                await response.aclose()
        except httpcore2.LocalProtocolError as error:
            raise InvalidRequestError("the request is not valid HTTP") from error
        except httpcore2.RemoteProtocolError as error:
            # What the library says may quote the answer, which nobody is to read through a delivery log.
            raise ResponseProtocolError("the receiver did not answer in complete HTTP") from error
        except httpcore2.NetworkError as error:
            raise ConnectionLostError("the connection broke before the answer was complete") from error

    def _dialer(self, resolve: Resolver, *, reaches_public: bool) -> Dialer:
        return Dialer(
            resolve=resolve,
            allow=self._allow,
            reaches_public=reaches_public,
            timeout=self._connect_timeout,
            longest_life=self._longest_connection_life,
        )


class _Pool(httpcore2.AsyncConnectionPool):
    """Open connections by scheme, host and port; only those with TLS may lead to the internet."""

    def __init__(self, *, tls: ssl.SSLContext, dialers: tuple[Dialer, Dialer]) -> None:
        super().__init__(max_connections=None, max_keepalive_connections=_MOST_IDLE_CONNECTIONS)
        self._tls = tls
        self._plain_dialer, self._tls_dialer = dialers

    @override
    def create_connection(self, origin: httpcore2.Origin) -> "_PooledConnection":
        return _PooledConnection(
            origin,
            ssl_context=self._tls,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=self._tls_dialer if origin.scheme == b"https" else self._plain_dialer,
        )


class _PooledConnection(httpcore2.AsyncHTTPConnection):
    @override
    def has_expired(self) -> bool:
        if super().has_expired():
            return True
        if not isinstance(self._connection, httpcore2.AsyncHTTP11Connection):
            return False
        # Bytes that came along behind an answer would be read as the answer to the next request.
        unread, _ = self._connection._h11_state.trailing_data  # noqa: SLF001 - the library offers no other way to see them.
        return bool(unread)


def _request(method: bytes, target: Target, content: bytes | None, headers: Mapping[str, str]) -> httpcore2.Request:
    sent = [(b"host", target.host_header), (b"accept-encoding", b"identity")]
    if content is not None:
        sent.append((b"content-length", b"%d" % len(content)))
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            detail = f"the header {name} is set by the client itself"
            raise InvalidRequestError(detail)
        try:
            sent.append((name.encode("ascii"), value.encode("ascii")))
        except UnicodeEncodeError as error:
            detail = f"the header {name!a} is not ASCII"
            raise InvalidRequestError(detail) from error
    return httpcore2.Request(method, target.url, headers=sent, content=content)


async def _beginning(response: httpcore2.Response, most: int) -> bytes:
    excerpt = bytearray()
    async with aclosing(response.aiter_stream()) as chunks:
        try:
            async for chunk in chunks:
                if len(excerpt) < most:
                    excerpt += chunk[: most - len(excerpt)]
        except ResponseTooLargeError:
            # The status has arrived, and the body is not worth more reading than this.
            pass
    return bytes(excerpt)


def _readable(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    read: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        read[name] = f"{read[name]}, {value}" if name in read else value
    return read


def _elapsed(started: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - started)
