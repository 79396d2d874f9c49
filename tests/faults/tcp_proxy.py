"""A TCP proxy that does to a connection what networks do: delay, silence, a reset, or a cut before the answer.

It runs in a thread of its own. What happens is decided anew for every piece that a client sends, by a function of the
test, so a fault can be put exactly where it hurts: at a COMMIT, say.
"""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self

_CHUNK = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Fault(Enum):
    """What becomes of a piece that a client sends."""

    PASS = "pass"
    DELAY = "delay"
    """It arrives late."""
    BLACKHOLE = "blackhole"
    """It never arrives, nor does anything after it; the connection stays open."""
    RESET = "reset"
    """It never arrives, and the connection is reset."""
    CUT = "cut"
    """It arrives and takes effect, but the connection ends in place of the answer."""


class _Link:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.swallows_answers = False
        self.is_cut_by_answer = False

    def reset(self) -> None:
        connection: socket.socket = self.near.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()

    def close(self) -> None:
        for writer in (self.near, self.far):
            writer.transport.abort()


class TCPProxy:
    """Listens on loopback and passes connections on to one port there. `faults` counts what was done."""

    def __init__(
        self, target_port: int, *, decide: Callable[[bytes], Fault] = lambda _: Fault.PASS, delay_seconds: float = 0.2
    ) -> None:
        self.decide = decide
        self.port = 0
        self.faults: Counter[Fault] = Counter()
        self._target_port = target_port
        self._delay_seconds = delay_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._listens = threading.Event()
        self._stopping = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        await self._stopping.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, far = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far)
        try:
            await asyncio.gather(self._ask(link, reader), self._answer(link, answers))
        except (OSError, asyncio.CancelledError):
            # One end has gone, or the proxy ends: the other end learns it from the close.
            pass
        finally:
            link.close()

    async def _ask(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(_CHUNK):
            fault = Fault.BLACKHOLE if link.swallows_answers else self.decide(chunk)
            self.faults[fault] += 1
            match fault:
                case Fault.PASS:
                    pass
                case Fault.DELAY:
                    await asyncio.sleep(self._delay_seconds)
                case Fault.BLACKHOLE:
                    link.swallows_answers = True
                    continue
                case Fault.RESET:
                    link.reset()
                    return
                case Fault.CUT:
                    link.is_cut_by_answer = True
            link.far.write(chunk)
            await link.far.drain()
        link.far.write_eof()

    async def _answer(self, link: _Link, answers: asyncio.StreamReader) -> None:
        while chunk := await answers.read(_CHUNK):
            if link.is_cut_by_answer:
                break
            if not link.swallows_answers:
                link.near.write(chunk)
                await link.near.drain()
        link.close()
