"""What is measured and what it needs: embedded databases, the servers as processes of their own, and data in them.

Servers run on one core and everything else, this process included, on the others, where the system lets a process
choose; so the measure is what one core of server does. Everything started here is stopped and removed at the end.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpdesk_api.ops.embedded import RunningPostgres, RunningValkey, ephemeral_postgres, ephemeral_valkey

ROOT = Path(__file__).parents[1]
SECRET = "a secret for measuring that signs nothing of worth"  # noqa: S105 - it opens nothing.
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 30
POLL_SECONDS = 0.02


class NotStartedError(Exception):
    """A server did not start."""


@dataclass(frozen=True, slots=True)
class Process:
    """A server under measure."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float | None:
        """Give the processor time used so far; None where the system does not tell it."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores run the servers, and which everything else; empty where a process cannot choose."""

    servers: frozenset[int]
    others: frozenset[int]


def split_cores() -> Cores:
    """Keep the last core for servers and take this process, with all that it will start, to the others."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(frozenset(), frozenset())
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:  # noqa: PLR2004 - one for each side.
        return Cores(frozenset(), frozenset())
    cores = Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))
    os.sched_setaffinity(0, cores.others)
    return cores


class Stage:
    """The databases, and the means to start servers on them."""

    def __init__(self, postgres: RunningPostgres, valkey: RunningValkey, directory: Path, cores: Cores) -> None:
        self.postgres = postgres
        self._valkey = valkey
        self._numbers: dict[str, int] = {}
        self._directory = directory
        self._cores = cores

    def environment(self, database: str) -> dict[str, str]:
        """Give the settings of the product on one of the databases."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
        return kept | {
            "HELPDESK_DATABASE_URL": self.postgres.url_of(self.postgres.app_url, database),
            "HELPDESK_MIGRATION_DATABASE_URL": self.postgres.url_of(self.postgres.owner_url, database),
            "HELPDESK_REDIS_URL": self._valkey_of(database),
            "HELPDESK_SECRET_KEY": SECRET,
            "HELPDESK_OUTBOUND_ALLOW": "127.0.0.0/8",
            # Counted like everybody, but never refused.
            "HELPDESK_RATE_LIMIT_CREDENTIAL": "1000000",
            "HELPDESK_RATE_LIMIT_TENANT": "1000000",
        }

    def _valkey_of(self, database: str) -> str:
        """Give each database a Valkey of its own: who shares one takes the rings that are meant for the other."""
        number = self._numbers.setdefault(database, len(self._numbers))
        return f"{self._valkey.url.rpartition('/')[0]}/{number}"

    def superuser_url(self, database: str) -> str:
        """Give the address for what only an administrator may do."""
        return self.postgres.url_of(self.postgres.superuser_url, database)

    def clone(self, database: str, name: str) -> None:
        """Copy a database that nobody is connected to."""
        self.postgres.create_database(name, template=database)

    def migrate(self, database: str) -> None:
        """Make the schema."""
        command = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment(database), capture_output=True)

    @contextmanager
    def product(self, database: str, **changes: str) -> Iterator[Process]:
        """Run one process of the product's API, as `helpdesk serve` starts it, with some settings changed."""
        port = _free_port()
        command = [sys.executable, "-m", "helpdesk_api", "serve", "--port", str(port)]
        with self._running("product", command, self.environment(database) | changes, port) as process:
            yield process

    @contextmanager
    def floor(self, database: str) -> Iterator[Process]:
        """Run one process of the floor."""
        port = _free_port()
        command = [sys.executable, "-m", "uvicorn", "bench.floor:app", "--port", str(port), "--loop", "uvloop"]
        command += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
        url = self.postgres.url_of(self.postgres.app_url, database)
        with self._running("floor", command, {**os.environ, "FLOOR_DATABASE_URL": url}, port) as process:
            yield process

    @contextmanager
    def worker(self, database: str, **changes: str) -> Iterator[Process]:
        """Run one worker of the product, with some settings changed."""
        command = [sys.executable, "-m", "helpdesk_api", "worker"]
        with self._running("worker", command, self.environment(database) | changes, None) as process:
            yield process

    @contextmanager
    def script(self, *arguments: str) -> Iterator[Process]:
        """Run a module of the bench on the core of the servers."""
        command = [sys.executable, "-m", *arguments]
        with self._running("script", command, dict(os.environ), None) as process:
            yield process

    @contextmanager
    def _running(
        self, name: str, command: list[str], environment: dict[str, str], port: int | None
    ) -> Iterator[Process]:
        log = self._directory / f"{name}.log"
        with log.open("ab") as lines:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=lines, stderr=lines)
            try:
                if self._cores.servers:
                    os.sched_setaffinity(process.pid, self._cores.servers)
                if port is not None:
                    _await_port(process, port, log)
                yield Process(process, port or 0)
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)


@contextmanager
def stage() -> Iterator[Stage]:
    """Start the databases; they keep nothing and do not wait for the disk, which would hide what servers cost."""
    cores = split_cores()
    with (
        tempfile.TemporaryDirectory(prefix="helpdesk-bench-") as directory,
        ephemeral_postgres() as postgres,
        ephemeral_valkey() as valkey,
    ):
        yield Stage(postgres, valkey, Path(directory), cores)


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_SECONDS)
    message = f"a server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3_000:]}"
    raise NotStartedError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
