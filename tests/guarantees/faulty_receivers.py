"""Receivers of webhooks that misbehave: they hang, drip, reset the connection, answer 500, 429 or garbage, or 410.

Each keeps, in order, what it has answered with 2xx: that is what it got.
"""

import asyncio
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

FAULTS = ("hang", "drip", "reset", "500", "429", "garbage")


@dataclass(frozen=True, slots=True)
class Got:
    """One message that was taken."""

    event_id: UUID
    object_id: UUID
    version: int


@dataclass
class FaultyReceiver:
    """A receiver that misbehaves with a share of the messages.

    From `gone_after` messages on it says that it is gone, until that is None again: whoever was told may have been
    killed before it could note so.
    """

    chance: random.Random
    share: float = 0.0
    gone_after: int | None = None
    got: list[Got] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def event_ids(self) -> set[UUID]:
        """Give the events that it got, once or several times."""
        return {each.event_id for each in self.got}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the messages of one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                message = json.loads(await reader.readexactly(length))
                if not await self._answer(message, writer):
                    break
        writer.close()

    async def _answer(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Answer a message or not; tells whether the connection goes on."""
        is_news = message["type"].startswith("team.")
        if is_news and self.gone_after is not None and len(self.got) >= self.gone_after:
            return await self._misbehave("410", writer)
        if is_news and self.chance.random() < self.share:
            return await self._misbehave(self.chance.choice(FAULTS), writer)
        if is_news:
            data = message["data"]
            self.got.append(Got(UUID(data["id"]), UUID(data["object"]["id"]), data["object"]["version"]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        return True

    async def _misbehave(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        self.faults[fault] += 1
        match fault:
            case "hang" | "drip":
                for _ in range(5):
                    if fault == "drip":
                        writer.write(b"H")
                    await asyncio.sleep(0.1)
            case "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "garbage":
                writer.write(b"\x00\xff no HTTP at all \r\n\r\n")
            case status:
                writer.write(f"HTTP/1.1 {status} No\r\nretry-after: 600\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        return False


@contextmanager
def listening(receivers: Sequence[FaultyReceiver]) -> Iterator[list[str]]:
    """Serve receivers in a thread of their own, and give their URLs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="receivers")
    thread.start()

    async def start() -> list[asyncio.Server]:
        return [await asyncio.start_server(each.serve, "127.0.0.1", 0, backlog=512) for each in receivers]

    async def stop(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    servers = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/" for server in servers]
    finally:
        asyncio.run_coroutine_threadsafe(stop(servers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
