"""A load client that costs little: requests are bytes made beforehand, sent over a few connections kept open.

A client written with an HTTP library would measure itself. This one understands just enough of HTTP to know where an
answer ends and whether it was the one hoped for. Each connection has one request under way.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

HEADERS_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "


class WrongAnswerError(Exception):
    """An answer was not the one that the measure is about."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to repeat: its bytes, in turn and over again, and the status that the answer must have."""

    requests: tuple[bytes, ...]
    status: int


def request(method: str, path: str, authorization: str, body: Any = None) -> bytes:  # noqa: ANN401 - any JSON.
    """Make the bytes of a request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: {authorization}", "Accept: application/json"]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def ask(port: int, message: bytes) -> Any:  # noqa: ANN401 - any JSON.
    """Send one request and give the JSON of its answer, whatever its status."""
    bodies: list[bytes] = []
    run = _Run(itertools.repeat(message), None, most=1, answers=bodies)
    await run.over(port, connections=1)
    return json.loads(bodies[0])


async def repeat(port: int, operation: Operation, *, connections: int, seconds: float) -> tuple[int, float]:
    """Repeat an operation for a while; give how many answers came and how long it took."""
    run = _Run(itertools.cycle(operation.requests), operation.status, until=time.perf_counter() + seconds)
    began = time.perf_counter()
    await run.over(port, connections=connections)
    return run.count, time.perf_counter() - began


async def send_all(port: int, messages: Iterable[bytes], *, status: int, connections: int) -> list[Any]:
    """Send each request once and give the JSON of the answers, in no order."""
    waiting = list(messages)
    bodies: list[bytes] = []
    await _Run(iter(waiting), status, most=len(waiting), answers=bodies).over(port, connections=connections)
    return [json.loads(body) for body in bodies]


class _Run:
    """What the connections of one run share."""

    def __init__(
        self,
        messages: Iterator[bytes],
        status: int | None,
        *,
        until: float | None = None,
        most: int | None = None,
        answers: list[bytes] | None = None,
    ) -> None:
        self._messages = messages
        self._expected = None if status is None else f"HTTP/1.1 {status} ".encode()
        self._until = until
        self._left = most
        self._answers = answers
        self.count = 0

    async def over(self, port: int, *, connections: int) -> None:
        """Run until the time is over or nothing is left to send."""
        loop = asyncio.get_running_loop()
        open_connections = [
            (await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port))[1] for _ in range(connections)
        ]
        for connection in open_connections:
            connection.begin()
        try:
            await asyncio.gather(*(connection.done for connection in open_connections))
        finally:
            for connection in open_connections:
                connection.transport.close()

    def next(self) -> bytes | None:
        """Give the next request, or None when this run is over."""
        if self._until is not None and time.perf_counter() >= self._until:
            return None
        if self._left is not None:
            if self._left == 0:
                return None
            self._left -= 1
        return next(self._messages)

    def take(self, head: bytes, body: bytes) -> None:
        """Count an answer; raises WrongAnswerError."""
        if self._expected is not None and not head.startswith(self._expected):
            message = f"expected {self._expected.decode()}and got {head[:40]!r}: {body[:500]!r}"
            raise WrongAnswerError(message)
        if self._answers is not None:
            self._answers.append(body)
        self.count += 1


class _Connection(asyncio.Protocol):
    """One connection: sends, reads to the end of the answer, sends again."""

    transport: asyncio.Transport

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def begin(self) -> None:
        """Send the next request, or be done."""
        message = self._run.next()
        if message is None:
            self.done.set_result(None)
        else:
            self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(HEADERS_END)
        if end >= 0:
            begin = received.find(LENGTH, 0, end)
            size = 0 if begin < 0 else int(received[begin + len(LENGTH) : received.find(b"\r\n", begin + 2, end + 2)])
            whole = end + len(HEADERS_END) + size
            if len(received) >= whole:
                self._received = b""
                self._answered(received[:end], received[end + len(HEADERS_END) : whole])
                return
        self._received = received

    def _answered(self, head: bytes, body: bytes) -> None:
        try:
            self._run.take(head, body)
        except WrongAnswerError as error:
            self.done.set_exception(error)
        else:
            self.begin()
