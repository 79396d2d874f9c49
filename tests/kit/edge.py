"""Calls an ASGI application without a server, and runs one on a real socket where sockets matter."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from helpdesk_api.kit.cors import CORS
from helpdesk_api.kit.exchange import Limits
from helpdesk_api.kit.http import Drain, Edge
from helpdesk_api.kit.metrics import Metrics


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_complete: bool
    scope: Scope

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def problem(self) -> dict[str, Any]:
        assert self.header("content-type") == ["application/problem+json"]
        assert self.header("content-length") == [str(len(self.body))]
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        assert [problem["request_id"]] == self.header("x-request-id")
        return problem


def edge(
    app: ASGIApp,
    *,
    metrics: Metrics | None = None,
    drain: Drain | None = None,
    limits: Limits | None = None,
    cors_origins: Iterable[str] = (),
) -> Edge:
    return Edge(
        app,
        metrics=metrics or Metrics(),
        drain=drain or Drain(),
        limits=limits or Limits(),
        cors=CORS(tuple(cors_origins)),
    )


async def call(
    app: ASGIApp,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    parts: Iterable[bytes] = (b"",),
    then: str = "silence",
) -> Answer:
    """Call once. The body arrives in `parts`; after them comes `silence`, or the client leaves (`disconnect`)."""
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path.partition("?")[0], "raw_path": path.partition("?")[0].encode(), "root_path": "",
        "query_string": path.partition("?")[2].encode(), "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "state": {},
    }  # fmt: skip
    bodies = list(parts)
    waiting: list[Message] = [
        {"type": "http.request", "body": part, "more_body": then != "silence" or number < len(bodies)}
        for number, part in enumerate(bodies, start=1)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        if then == "disconnect":
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return answer_of(sent, scope)


def answer_of(sent: list[Message], scope: Scope) -> Answer:
    """Put the messages of one answer together; status 0 means that there was none."""
    if not sent:
        return Answer(0, [], b"", is_complete=False, scope=scope)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert {message["type"] for message in rest} <= {"http.response.body"}
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    body = b"".join(message.get("body", b"") for message in rest)
    is_complete = [message.get("more_body", False) for message in rest] == [True] * (len(rest) - 1) + [False]
    return Answer(start["status"], headers, body, is_complete=is_complete, scope=scope)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body to its end and tell its length."""
    length = 0
    more = True
    while more:
        message = await receive()
        length += len(message["body"])
        more = message["more_body"]
    await respond(send, str(length).encode())


async def respond(send: Send, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Answer 200 with a body."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@asynccontextmanager
async def serving(app: ASGIApp, protocol: type[HttpToolsProtocol]) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=protocol, loop="asyncio", lifespan="off", ws="none", log_config=None, access_log=False
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_up.wait()
        yield listener.getsockname()[1]
        server.should_exit = True
        await task
