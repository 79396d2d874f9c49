"""One request and its answer on the wire: what arrives is bounded in size and time, what leaves is completed.

A body that is too large or too slow is refused here, whatever the application would make of it. Deciding what every
answer carries, logging and measuring are the concern of `kit.http`.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.types import Message, Receive, Scope, Send
from uuid_utils import uuid7

from helpdesk_api.domain.errors import Kind, Refusal, TooLargeError
from helpdesk_api.kit.cors import CORS, Headers
from helpdesk_api.kit.problems import render
from helpdesk_api.kit.tokens import without_key

CLOSE = (b"connection", b"close")
# The key in the state of a request under which the application leaves headers for its answer, whatever that will be.
ANSWER_HEADERS = "answer_headers"
# As above, for the origins of the pages that may read the answer; absent while the tenant is not known.
TENANT_ORIGINS = "tenant_origins"
_NO_STORE = (b"cache-control", b"no-store")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# More digits than any length that could be meant; int() need not read them.
_LONGEST_LENGTH = 18


class BodyTooLargeError(TooLargeError):
    """The body has more bytes than one request may have."""

    code = "body_too_large"
    title = "The body is too large"


class BodyTooSlowError(Refusal):
    """The body did not arrive completely within the time that one request has."""

    code = "body_too_slow"
    title = "The body did not arrive in time"
    kind = Kind.TIMEOUT


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How many bytes the body of a request may have, and the time for them to arrive."""

    max_bytes: int
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take: bytes of body, time for them to arrive, and time to hear that they were too many.

    What is uploaded is longer than all else: `of_uploads` says so by method and path.
    """

    max_body_bytes: int = 1_000_000
    body_deadline: timedelta = timedelta(seconds=20)
    linger: timedelta = timedelta(seconds=5)
    of_uploads: Mapping[tuple[str, str], BodyLimit] = field(default_factory=dict)

    def of(self, scope: Scope) -> BodyLimit:
        """Give the limit for the body of a request."""
        usual = BodyLimit(self.max_body_bytes, self.body_deadline)
        return self.of_uploads.get((scope["method"], scope["path"]), usual)


class Exchange:
    """The two ends that the application talks to instead of the server's own."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits, cors: CORS) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._linger = limits.linger
        self._limit = limits.of(scope)
        self._cors = cors
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else str(uuid7())
        self.common_headers: Headers = ()
        self.status: int | None = None
        self.was_refused = False
        self._must_linger = False
        self._body_bytes = 0
        self._body_arrived = b"content-length" not in self.headers and b"transfer-encoding" not in self.headers
        self._deadline = asyncio.get_running_loop().time() + self._limit.deadline.total_seconds()

    async def refuse_announced_size(self) -> None:
        """Refuse a body whose announced length is over the limit, before a byte of it is read."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > _LONGEST_LENGTH or int(length) > self._limit.max_bytes):
            await self._refuse_body(self._too_large())

    async def receive(self) -> Message:
        """Hand the application the next part of the body; raise once it is over the limit or past the deadline."""
        if self._body_arrived:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            seconds = self._limit.deadline.total_seconds()
            too_slow = BodyTooSlowError(f"The body did not arrive within {seconds:g} seconds.")
            await self._refuse_body(too_slow)
            raise too_slow from None
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            self._body_arrived = not message.get("more_body", False)
            if self._body_bytes > self._limit.max_bytes:
                too_large = self._too_large()
                await self._refuse_body(too_large)
                raise too_large
        return message

    async def send(self, message: Message) -> None:
        """Pass the application's answer on, completed; drop it if the client was already refused."""
        if self.was_refused:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            state = self._scope.get("state", {})
            headers = [
                *message.get("headers", ()),
                *self.common_headers,
                *self._cors.answer(self.headers, state.get(TENANT_ORIGINS)),
                *state.get(ANSWER_HEADERS, ()),
            ]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self.status is not None:
            return
        status, fields, body = render(refusal, request_id=self.request_id, instance=without_key(self._scope["path"]))
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        headers.append((b"content-length", str(len(body)).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.was_refused = True
        await self._send({"type": "http.response.body", "body": body, "more_body": self._must_linger})

    async def linger(self) -> None:
        """After the refusal of a body that is still arriving, read on for a while before the connection closes.

        Closing a socket with unread data resets it, and the reset overtakes the answer: the client would learn nothing.
        """
        if not self._must_linger:
            return
        try:
            async with asyncio.timeout(self._linger.total_seconds()):
                message = await self._receive()
                while message["type"] == "http.request" and message.get("more_body", False):
                    message = await self._receive()
        except TimeoutError:
            # The client has had time enough to read its answer; now the connection goes, read or not.
            pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refuse_body(self, refusal: Refusal) -> None:
        if self.status is not None:
            return
        # The rest of the body would be taken for the next request, so the connection ends with this answer.
        self.common_headers = (*self.common_headers, CLOSE)
        # A client that expects "100 Continue" has not begun to send.
        self._must_linger = not self._body_arrived and b"expect" not in self.headers
        await self.refuse(refusal)

    def _too_large(self) -> BodyTooLargeError:
        limit = self._limit.max_bytes
        return BodyTooLargeError(f"The body has more than {limit:,} bytes.", params={"max_bytes": limit})
