"""A receiver of webhooks as an integrator would write it: verifies by the published specification and counts.

It shares no code with the sender on purpose: signature and tolerance are those of Standard Webhooks 1.0, written down a
second time.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

_TOLERANCE_SECONDS: Final = 300
_LARGEST_HEAD: Final = 64 * 1_024
_LARGEST_BODY: Final = 1_024 * 1_024
_ACCEPTED: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_REFUSED: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_PREFIX: Final = "whsec_"


class Receiver:
    """What arrived: verified messages by `webhook-id`, and how many could not be verified."""

    def __init__(self) -> None:
        self.port = 0
        self.arrivals: Counter[str] = Counter()
        self.unverified_count = 0
        self.conflicting_ids: set[str] = set()
        self._key = b""
        self._trusts = asyncio.Event()
        self._bodies: dict[str, bytes] = {}
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def delivery_count(self) -> int:
        return self.arrivals.total()

    @property
    def duplicate_count(self) -> int:
        return self.arrivals.total() - len(self.arrivals)

    def trust(self, secret: str) -> None:
        """Verify with this secret from now on."""
        self._key = base64.b64decode(secret.removeprefix(_PREFIX))
        self._trusts.set()

    def take(self, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
        """Verify one message and count it; says whether it was accepted."""
        if not self._is_genuine(headers, body, now):
            self.unverified_count += 1
            return False
        message_id = headers["webhook-id"]
        digest = hashlib.sha256(body).digest()
        # A message that comes again is the same message, byte for byte.
        if self._bodies.setdefault(message_id, digest) != digest:
            self.conflicting_ids.add(message_id)
        self.arrivals[message_id] += 1
        return True

    def _is_genuine(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        message_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (self._key and message_id and sent_at.isdecimal()):
            return False
        if abs(now - int(sent_at)) > _TOLERANCE_SECONDS:
            return False
        signed = hmac.digest(self._key, f"{message_id}.{sent_at}.".encode() + body, "sha256")
        expected = f"v1,{base64.b64encode(signed).decode()}"
        given = headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(one.encode(), expected.encode()) for one in given)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until the sender leaves."""
        self._connections.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                headers = _headers(head)
                length = int(headers["content-length"])
                if length > _LARGEST_BODY:
                    break
                body = await reader.readexactly(length)
                # The ping may be here before the answer that tells the secret.
                await self._trusts.wait()
                writer.write(_ACCEPTED if self.take(headers, body, now=time.time()) else _REFUSED)
        writer.close()
        self._connections.discard(writer)

    async def hang_up(self) -> None:
        """End the connections that are still open, and wait until they have noticed."""
        for writer in list(self._connections):
            writer.close()
        while self._connections:  # noqa: ASYNC110 - each leaves the set by itself, a moment later.
            await asyncio.sleep(0)


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[None]:
    """Listen on a free port of the loopback address."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, limit=_LARGEST_HEAD)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        await receiver.hang_up()
        await server.wait_closed()


def _headers(head: bytes) -> dict[str, str]:
    """Read the header lines, names in lower case; without a length there is no body."""
    headers: dict[str, str] = {"content-length": "0"}
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers
