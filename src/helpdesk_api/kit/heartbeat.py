"""A worker's sign of life: a file that it keeps locked, and whose time says until when the worker counts as working.

The lock goes with the process, however that ended; the time stands still when the process hangs. Anybody under the same
account can look, without a database or a network: that is what a container's health check does.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from stat import S_IMODE, S_ISDIR

_PRIVATE = 0o700


class NoHeartbeatError(Exception):
    """There is no place for a sign of life; the message says why."""


class Heartbeat:
    """The sign of life of this process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def works_until(self, until: datetime) -> None:
        """Count as working until this instant, unless told again."""
        os.utime(self._descriptor, (until.timestamp(), until.timestamp()))


@contextmanager
def heartbeat(until: datetime) -> Iterator[Heartbeat]:
    """Give a sign of life, at first until an instant; it ends with the block. Raises NoHeartbeatError."""
    place = _private_place()
    hidden, shown = place / f"new-{os.getpid()}", place / f"worker-{os.getpid()}"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Locked before it is shown: a file that nobody holds is taken for one of the dead.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        beating = Heartbeat(descriptor)
        beating.works_until(until)
        hidden.rename(shown)
        yield beating
    finally:
        with suppress(FileNotFoundError):
            shown.unlink()
        os.close(descriptor)


def workers_alive() -> dict[int, datetime]:
    """Give the workers of this account on this machine by process id, with the time until when each counts as working.

    Traces of workers that ended without saying so are removed.
    """
    place = _place()
    if not place.is_dir():
        return {}
    found = {path: _until(path) for path in sorted(place.glob("worker-*"))}
    return {int(path.name.rpartition("-")[2]): until for path, until in found.items() if until is not None}


def _until(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime).astimezone()
            path.unlink()
    except FileNotFoundError:
        return None
    return None


def _place() -> Path:
    return Path(tempfile.gettempdir()) / f"helpdesk-{os.getuid()}"


def _private_place() -> Path:
    # The directory for temporary files belongs to everybody, so somebody else may have been quicker to take the name.
    place = _place()
    try:
        place.mkdir(mode=_PRIVATE, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        message = f"a worker needs {place} for its sign of life: {error.strerror}"
        raise NoHeartbeatError(message) from error
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or S_IMODE(found.st_mode) != _PRIVATE:
        message = f"a worker needs {place} for its sign of life, but it is not a private directory of this account"
        raise NoHeartbeatError(message)
    return place
