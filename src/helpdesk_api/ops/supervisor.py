"""Keeps a few child processes alive: starts them in order, restarts what dies, stops all of them in reverse order.

A child lives in a session of its own, so Ctrl-C in a terminal reaches the supervisor only, which then decides on the
order. Should the supervisor itself be killed, the system signals each child (`supervisor_launch`), so nothing is left
behind. A restarted child gets the very same command line, hence the same port. What the children are is up to `up`.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import SIGHUP
from typing import Any, TypeVar

from helpdesk_api.ops.supervisor_output import Output, open_output

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, SIGHUP)
_POLL_SECONDS = 0.05
_LAST_WORDS_SECONDS = 0.5
# A child that says its configuration is bad (EX_CONFIG of sysexits.h) will say so again: no restart can help.
_BAD_CONFIGURATION = 78

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive; the command line is complete, death signal included."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_path: Path
    stop_signal: signal.Signals = signal.SIGTERM
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class Restarts:
    """How patient to be: more than `limit` deaths `within` this time are too many; pauses double from the first."""

    limit: int = 5
    within: timedelta = timedelta(seconds=60)
    first_pause: timedelta = timedelta(seconds=1)


class ChildFailedError(Exception):
    """A child cannot be had; the message is for humans and ends with the last lines that the child wrote."""

    def __init__(self, child: Child, what: str, last_lines: Collection[str]) -> None:
        self.last_lines = tuple(last_lines)
        said = "".join(f"\n    {line}" for line in last_lines)
        super().__init__(
            f"{child.name} {what}; its log is {child.log_path}" + (f" and ends with{said}" if said else "")
        )


class StoppedError(Exception):
    """Somebody asked to stop while something was still being waited for."""


@dataclass(slots=True)
class _Kept:
    child: Child
    process: asyncio.subprocess.Process
    output: Output
    transport: asyncio.ReadTransport
    deaths: deque[float] = field(default_factory=deque)
    keeping: asyncio.Task[None] | None = None


class Supervisor:
    """The children of one product; `told` hears what happens to them, `heard` every line that they write."""

    def __init__(
        self,
        *,
        told: Callable[[str], None],
        heard: Callable[[str, str], None] = lambda _name, _line: None,
        restarts: Restarts = Restarts(),
        grace: timedelta = timedelta(seconds=30),
    ) -> None:
        self._told = told
        self._heard = heard
        self._restarts = restarts
        self._grace = grace
        self._kept: list[_Kept] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        return {kept.child.name: kept.process.pid for kept in self._kept}

    async def start(
        self,
        child: Child,
        *,
        is_ready: Callable[[int], Awaitable[bool]] | None = None,
        timeout: timedelta = timedelta(minutes=2),  # noqa: ASYNC109 - a deadline of the child, not of this call.
    ) -> None:
        """Start a child, wait until it is ready and keep it alive from then on.

        A child that ends before it was ever ready is not tried again: raises ChildFailedError.
        """
        kept = await self._spawn(child)
        self._kept.append(kept)
        deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
        while is_ready is not None and not await is_ready(kept.process.pid):
            if kept.process.returncode is not None:
                await self._bury(kept)
                self._kept.remove(kept)
                raise ChildFailedError(child, f"{_ending(kept)} before it was ready", kept.output.last_lines)
            if asyncio.get_running_loop().time() > deadline:
                raise ChildFailedError(child, f"is not ready after {timeout}", kept.output.last_lines)
            await asyncio.sleep(_POLL_SECONDS)
        kept.keeping = asyncio.create_task(self._keep(kept), name=f"keep {child.name}")
        kept.keeping.add_done_callback(self._fail_with)

    def request_stop(self) -> None:
        """Ask for the end of everything; a second request means now, without grace."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    @asynccontextmanager
    async def stopping_on_signals(self) -> AsyncIterator[None]:
        """Take the signals by which a terminal or a process manager asks for the end."""
        loop = asyncio.get_running_loop()
        # Under nohup the closing of the terminal is ignored, and so it stays.
        numbers = [number for number in _STOP_SIGNALS if number != SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
        for number in numbers:
            loop.add_signal_handler(number, self.request_stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work. Raises StoppedError at a request to stop, ChildFailedError if a child cannot be kept."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stop, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            if not task.done():
                raise StoppedError
            return task.result()
        finally:
            stop.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait(self) -> None:
        """Return when the stop is requested. Raises ChildFailedError if a child cannot be kept alive."""
        with suppress(StoppedError):
            await self.unless_stopped(asyncio.Event().wait())

    async def stop(self) -> None:
        """Stop the children, the last one started first, and leave nothing of their process groups."""
        while self._kept:
            kept = self._kept.pop()
            if kept.keeping is not None:
                kept.keeping.cancel()
                await asyncio.wait({kept.keeping})
            if kept.process.returncode is None:
                await self._end(kept)
            await self._bury(kept)
        # Nobody may have waited for the failure, and asyncio complains about an error that nobody has seen.
        if self._failed.done() and not self._failed.cancelled():
            self._failed.exception()

    async def _spawn(self, child: Child) -> _Kept:
        writing_end, output, transport = await open_output(child.log_path, lambda line: self._heard(child.name, line))
        try:
            process = await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing_end,
                stderr=writing_end,
                env=dict(child.env),
                cwd=child.cwd,
                start_new_session=True,
            )
        except BaseException:
            transport.close()
            raise
        finally:
            os.close(writing_end)
        return _Kept(child, process, output, transport)

    async def _keep(self, kept: _Kept) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await kept.process.wait()
            await self._bury(kept)
            now = loop.time()
            kept.deaths.append(now)
            while kept.deaths[0] < now - self._restarts.within.total_seconds():
                kept.deaths.popleft()
            if kept.process.returncode == _BAD_CONFIGURATION:
                raise ChildFailedError(kept.child, _ending(kept), kept.output.last_lines)
            if len(kept.deaths) > self._restarts.limit:
                within = f"within {self._restarts.within.total_seconds():g} s"
                what = f"died {len(kept.deaths)} times {within} and last {_ending(kept)}"
                raise ChildFailedError(kept.child, what, kept.output.last_lines)
            pause = self._restarts.first_pause * 2 ** (len(kept.deaths) - 1)
            self._told(f"{kept.child.name} {_ending(kept)}; it starts again in {pause.total_seconds():g} s")
            await asyncio.sleep(pause.total_seconds())
            fresh = await self._spawn(kept.child)
            kept.process, kept.output, kept.transport = fresh.process, fresh.output, fresh.transport
            self._told(f"{kept.child.name} runs again as process {kept.process.pid}")

    def _fail_with(self, keeping: asyncio.Task[None]) -> None:
        """End everything with what ended the keeping of one child: nobody else would notice that it is gone."""
        if not keeping.cancelled() and (error := keeping.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _end(self, kept: _Kept) -> None:
        """Ask the process to end; kill it when its grace is over or somebody is in a hurry."""
        with suppress(ProcessLookupError):
            kept.process.send_signal(kept.child.stop_signal)
        ended, hurry = asyncio.create_task(kept.process.wait()), asyncio.create_task(self._hurry.wait())
        await asyncio.wait({ended, hurry}, timeout=self._grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not ended.done():
            self._told(f"{kept.child.name} did not stop in time and is killed")
            with suppress(ProcessLookupError):
                kept.process.kill()
        await ended

    async def _bury(self, kept: _Kept) -> None:
        """Kill what an ended child left in its process group and take its last words."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(kept.process.pid, signal.SIGKILL)
        await asyncio.wait({kept.output.ended}, timeout=_LAST_WORDS_SECONDS)
        kept.transport.close()


def _ending(kept: _Kept) -> str:
    code = kept.process.returncode
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"
