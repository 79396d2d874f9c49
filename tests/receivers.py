"""A webhook receiver on loopback: keeps what arrives, answers as told, and verifies as receivers do."""

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook
from typing_extensions import override

_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answers to one request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    held_until: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def is_ping(self) -> bool:
        return b"webhook_endpoint.ping" in self.body

    def verify(self, secret: str) -> None:
        """Check signature and timestamp with the published library; raises WebhookVerificationError."""
        Webhook(secret).verify(self.body, self.headers)


class WebhookReceiver:
    """Listens in a thread of its own. `answers` are used up one by one; after them, and by default, it answers 200."""

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self._answers = list(answers)
        self._received: list[Received] = []
        self._times: list[float] = []
        self._pings: list[Received] = []
        self._ping_answers: list[Answer] = []
        self._at_once = 0
        self._most_at_once = 0
        self._arrived = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def received(self) -> list[Received]:
        with self._arrived:
            return list(self._received)

    @property
    def times(self) -> list[float]:
        """Give when each request arrived, in seconds of a clock that never goes back."""
        with self._arrived:
            return list(self._times)

    @property
    def most_at_once(self) -> int:
        """Give how many requests had no answer yet when there were most of them."""
        with self._arrived:
            return self._most_at_once

    def answer_next(self, *answers: Answer) -> None:
        """Answer the next requests like this."""
        with self._arrived:
            self._answers.extend(answers)

    def wait_for(self, count: int, *, seconds: float = _PATIENCE) -> list[Received]:
        """Wait until this many have arrived in all, and give all."""
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: len(self._received) >= count, seconds)
            assert arrived, f"{len(self._received)} of {count} arrived"
            return list(self._received)

    @property
    def pings(self) -> list[Received]:
        """Give the pings, which are no news: they are answered by themselves and not among what was received."""
        with self._arrived:
            return list(self._pings)

    def answer_pings(self, *answers: Answer) -> None:
        """Answer the next pings like this; after them, and by default, with 200."""
        with self._arrived:
            self._ping_answers.extend(answers)

    def take(self, request: Received) -> Answer:
        """Keep a request and say what to answer."""
        with self._arrived:
            if request.is_ping:
                self._pings.append(request)
                self._at_once += 1
                self._arrived.notify_all()
                return self._ping_answers.pop(0) if self._ping_answers else Answer()
            self._received.append(request)
            self._times.append(time.monotonic())
            self._at_once += 1
            self._most_at_once = max(self._most_at_once, self._at_once)
            self._arrived.notify_all()
            return self._answers.pop(0) if self._answers else Answer()

    def answered(self) -> None:
        """Note that a request has its answer."""
        with self._arrived:
            self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def hang_up(self) -> None:
        """End the connections that are still open: who is gone answers nobody."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this the headers and the body of an answer wait for each other.
    wbufsize = -1

    @override
    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, _Server)
        self.server.connections.add(self.connection)

    @override
    def finish(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            # Who was killed while sending has told nothing.
            return
        server = self.server
        assert isinstance(server, _Server)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = server.receiver.take(Received(self.path, headers, body))
        if answer.held_until is not None:
            answer.held_until.wait(_PATIENCE)
        server.receiver.answered()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests look at what was received."""
