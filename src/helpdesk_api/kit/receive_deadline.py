"""An absolute deadline for receiving a request, where uvicorn has none: a client that drips bytes holds no connection.

uvicorn closes a connection that rests between requests, and no other: a silent connection, half a request line and a
body of one byte a minute stay open for good. Here each request owes complete headers within one time, counted from the
opening of the connection or from its first byte, and then its complete body within another. Bytes that complete nothing
(headers, trailers, chunk extensions) are bounded too. Refusing a slow body politely, a little earlier, is the concern
of `kit.exchange`; a body that the application has not asked for by then is cut off here.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Mapping
from typing import Any, ClassVar

from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from helpdesk_api.domain.errors import MalformedError
from helpdesk_api.kit.problems import render

_MAX_OVERHEAD_BYTES = 65_536


class ReceiveDeadlineProtocol(HttpToolsProtocol):
    """HTTP/1.1 on httptools, as `uvicorn.Config(http=...)` takes it."""

    header_seconds: ClassVar[float] = 10.0
    # Longer than `Limits.body_deadline`, so that the polite refusal comes first.
    body_seconds: ClassVar[float] = 25.0
    # What is uploaded takes longer, by method and path.
    upload_seconds: ClassVar[Mapping[tuple[str, str], float]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owed_within: float | None = None
        self._timer: TimerHandle | None = None
        self._overhead_bytes = 0
        self._has_advanced = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # As uvicorn narrows it.
        super().connection_made(transport)
        self._owe(self.header_seconds)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._owe(None)

    def data_received(self, data: bytes) -> None:
        if self._owed_within is None:
            # Also line ends before a request count, which the parser skips without a word.
            self._owe(self.header_seconds)
        self._has_advanced = False
        super().data_received(data)
        self._overhead_bytes = 0 if self._has_advanced else self._overhead_bytes + len(data)
        if self._overhead_bytes > _MAX_OVERHEAD_BYTES:
            self._refuse_overhead()
        elif self._owed_within is not None and self._timer is None:
            # A request that came in one piece, as nearly all do, never gets as far as a timer.
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._owed_within is None:
            # The next request began in the same piece of data in which the last one ended.
            self._owe(self.header_seconds)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._has_advanced = True
        request = self.scope["method"], self.scope["path"]
        self._owe(self.upload_seconds.get(request, self.body_seconds))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._has_advanced = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # If the answer went out before the body was whole, uvicorn's own timer for idle connections has been spent.
        cycle = self._latest()
        self._owe(self.header_seconds if cycle and cycle.response_complete else None)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem document, as everything else is answered."""
        request_id = str(uuid7())
        status, fields, body = render(MalformedError(msg), request_id=request_id)
        fields |= {"x-request-id": request_id, "content-length": str(len(body)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()

    def _owe(self, seconds: float | None) -> None:
        self._owed_within = seconds
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._owed_within is not None:
            self._timer = self.loop.call_later(self._owed_within, self._expire)

    def _expire(self) -> None:
        if self.flow.read_paused or self._is_answering():
            # It is not the client who is slow. Time starts again, and runs out once the answer is complete.
            self._arm()
        else:
            self._timer = None
            self.transport.close()

    def _refuse_overhead(self) -> None:
        cycle = self._latest()
        if cycle is None or cycle.response_complete:
            self.send_400_response("The headers of the request are too large.")
        else:
            # An answer has been promised or begun, and nothing can be written into it.
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle = self._latest()
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _latest(self) -> RequestResponseCycle | None:
        # uvicorn declares that there always is one, but before the first request there is None.
        return self.cycle
