"""What a child writes: cut into lines, kept in a log file of bounded size, its end remembered for an error message."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_LARGEST_LOG_BYTES = 10_000_000
_LONGEST_LINE_BYTES = 64_000
_REMEMBERED_LINES = 12


class LogFile:
    """A file of lines; when it has grown large it becomes `name.1` and a new one begins."""

    def __init__(self, path: Path, largest_bytes: int = _LARGEST_LOG_BYTES) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path = path
        self._largest_bytes = largest_bytes
        self._file = path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        # A full disk must not take the product down for want of a log line; PostgreSQL says so itself where it matters.
        with suppress(OSError):
            if self._file.tell() > self._largest_bytes:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._file = self._path.open("ab", buffering=0)
            self._file.write(line + b"\n")

    def close(self) -> None:
        self._file.close()


class Output(asyncio.Protocol):
    """The reading end of the pipe that a child writes to."""

    def __init__(self, log: LogFile, heard: Callable[[str], None]) -> None:
        self._log = log
        self._heard = heard
        self._rest = b""
        self.last_lines: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > _LONGEST_LINE_BYTES:
            self._take(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a broken pipe is an ended one.
        if self._rest:
            self._take(self._rest)
        self._log.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def _take(self, line: bytes) -> None:
        self._log.write(line)
        text = line.decode(errors="replace").rstrip("\r")
        self.last_lines.append(text)
        self._heard(text)


async def open_output(log_path: Path, heard: Callable[[str], None]) -> tuple[int, Output, asyncio.ReadTransport]:
    """Return the writing end for a child, to be closed here once the child has it, and both sides of the reading end.

    asyncio's own pipes would tie the end of a child to the end of its output, which a forgotten grandchild can hold
    open.
    """
    reading_end, writing_end = os.pipe()
    log = LogFile(log_path)
    transport, output = await asyncio.get_running_loop().connect_read_pipe(
        lambda: Output(log, heard), os.fdopen(reading_end, "rb", buffering=0)
    )
    return writing_end, output, transport
