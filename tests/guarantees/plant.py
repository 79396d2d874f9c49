"""The product as real processes that may be killed: an own durable PostgreSQL, an own Valkey, APIs and workers.

Everything is a child of the test process and dies with it. Nothing but such children is ever killed. Children belong to
the main thread: the system ends a child with the thread that made it.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import asyncpg
import httpx2
import redis

from helpdesk_api.identity.tenants import Tenant
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.opening import open_runtime
from helpdesk_api.ops import embedded_engine, tenants_admin
from helpdesk_api.ops.embedded import RunningPostgres, RunningValkey, start_postgres, start_valkey
from helpdesk_api.ops.embedded_engine import Engine, PortTakenError
from helpdesk_api.ops.supervisor_launch import launched
from helpdesk_api.settings import load_settings
from tests.conftest import migrate
from tests.ops.processes import family_of, is_running, wait_until
from tests.stage import PLENTY, Client, Services

_PORT_PATIENCE = 60.0

_STOP_SECONDS = 45
# What a process logs when it met something that nobody had foreseen.
_DEFECTS = re.compile(
    r'"event": ?"(http\.unhandled_error|worker\.(loop|lookout)_failed|deadline\.failed|job\.failed)"|Traceback'
)


class Program:
    """One process of the product, to be started, killed and started again."""

    def __init__(self, log: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._log = log
        self._arguments = arguments
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """Give all that it has written since its first start."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def defects(self) -> list[str]:
        """Give the lines of its log that tell of a defect of ours."""
        return [line for line in self.output.splitlines() if _DEFECTS.search(line)]

    def start(self) -> None:
        """Start it, and return once it does its work."""
        argv = launched((sys.executable, "-m", "helpdesk_api", *self._arguments), death_signal=signal.SIGKILL)
        with self._log.open("ab") as log:
            written = log.tell()
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._environ),
                start_new_session=True,
            )
        wait_until(lambda: self._works(written), f"{self._arguments[0]} works: {self.output[-2_000:]}")

    def kill(self) -> None:
        """End it the hard way."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    def wait(self) -> int:
        """Wait for its end and give the exit code."""
        assert self._process is not None
        return self._process.wait(_STOP_SECONDS)

    def _works(self, written: int) -> bool:
        raise NotImplementedError


class API(Program):
    """The API, on a port that it keeps over restarts."""

    def __init__(self, log: Path, port: int, environ: Mapping[str, str]) -> None:
        super().__init__(log, ("serve", "--port", str(port)), environ)
        self.url = f"http://127.0.0.1:{port}"

    def _works(self, written: int) -> bool:
        del written
        assert self.is_running, self.output[-2_000:]
        return self.is_ready()

    def is_ready(self) -> bool:
        """Tell whether it says that it can serve."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False


class Worker(Program):
    """A worker."""

    def __init__(self, log: Path, environ: Mapping[str, str]) -> None:
        super().__init__(log, ("worker",), environ)

    def _works(self, written: int) -> bool:
        assert self.is_running, self.output[-2_000:]
        return b"worker.started" in self._log.read_bytes()[written:]


class Plant:
    """PostgreSQL and Valkey that belong to the guarantees, with what runs on them."""

    def __init__(self) -> None:
        self._parts = ExitStack()
        self._directory = Path()
        self.postgres: RunningPostgres
        self.valkey: RunningValkey
        self.services: Services

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="helpdesk-plant-"))
        self._parts.callback(shutil.rmtree, self._directory, ignore_errors=True)
        self._directory.chmod(0o711)
        self.postgres = start_postgres(self._directory / "data", durable=True)
        self._parts.callback(self._stop_postgres)
        self.valkey = start_valkey(self._directory / "data")
        self._parts.callback(self._stop_valkey)
        self.services = Services(
            self.postgres.app_url, self.postgres.owner_url, self.postgres.superuser_url, self.valkey.url
        )
        migrate(self.services)
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def api(self, **changes: str) -> API:
        """Make an API that is not running yet."""
        return API(self._log("api"), embedded_engine.free_port(), self._environ(changes))

    def worker(self, **changes: str) -> Worker:
        """Make a worker that is not running yet."""
        return Worker(self._log("worker"), self._environ({"HELPDESK_LOG_LEVEL": "info", **changes}))

    def client(self, api: API, *, clock_at: datetime | None = None) -> Client:
        """Create a tenant with a key that may do everything, and a client that uses it."""
        tenant, key = asyncio.run(self._tenant(clock_at))
        return Client(api.url, tenant, key)

    def sql(self, statement: str, *arguments: object) -> list[Any]:
        """Run SQL as superuser in the product's database."""
        return asyncio.run(self._sql(statement, arguments))

    def kill_postgres(self) -> None:
        """Kill PostgreSQL with all its processes."""
        family = family_of(self.postgres.process.pid)
        # The postmaster goes first: it would answer the death of a child by a recovery of its own.
        for pid in (self.postgres.process.pid, *family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.postgres.process.wait()
        wait_until(lambda: not any(map(is_running, family)), "every process of PostgreSQL is gone")

    def start_postgres(self) -> None:
        """Start PostgreSQL again on the data it had; returns when recovery is over."""
        engine = self.postgres.engine
        self.postgres = RunningPostgres(engine, started_again(engine))

    def kill_valkey(self) -> None:
        """Kill Valkey, which forgets everything."""
        self.valkey.process.kill()
        self.valkey.process.wait()

    def start_valkey(self) -> None:
        """Start an empty Valkey at the same address."""
        engine = self.valkey.engine
        self.valkey = RunningValkey(engine, started_again(engine))

    def flush_valkey(self) -> None:
        """Make Valkey forget everything."""
        with redis.Redis.from_url(self.valkey.url) as connection:
            connection.flushall()

    def _stop_postgres(self) -> None:
        self.postgres.stop()

    def _stop_valkey(self) -> None:
        self.valkey.stop()

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}-{uuid4().hex[:8]}.log"

    def _environ(self, changes: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
        own = {
            "HELPDESK_DATABASE_URL": self.services.app_url,
            "HELPDESK_REDIS_URL": self.services.redis_url,
            "HELPDESK_SECRET_KEY": "a secret for tests that signs nothing of worth",
            "HELPDESK_OUTBOUND_ALLOW": "127.0.0.0/8",
            "HELPDESK_SWEEP_SECONDS": "0.5",
            **PLENTY,
            "HELPDESK_LOG_LEVEL": "warning",
        }
        return inherited | own | dict(changes)

    async def _tenant(self, clock_at: datetime | None) -> tuple[Tenant, str]:
        settings = load_settings({"HELPDESK_DATABASE_URL": self.services.app_url})
        async with open_runtime(settings, SilentBell(), Metrics(), name="guarantees") as runtime:
            tenant = await tenants_admin.create(runtime, f"guarantee {uuid4()}", clock_at=clock_at)
            scopes = tenants_admin.EVERYTHING
            _, key = await tenants_admin.create_key(runtime, str(tenant.id), name="guarantee", scopes=scopes)
        return tenant, key

    async def _sql(self, statement: str, arguments: tuple[object, ...]) -> list[Any]:
        connection = await asyncpg.connect(self.postgres.url_of(self.services.superuser_url, "helpdesk"))
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()


def started_again(engine: Engine) -> subprocess.Popen[bytes]:
    """Start an engine at the port it had; a test beside this one may hold that port for a moment and is waited for."""
    ends = time.monotonic() + _PORT_PATIENCE
    while time.monotonic() < ends:
        with suppress(PortTakenError):
            return embedded_engine.start(engine)
        time.sleep(0.5)
    return embedded_engine.start(engine)


def until(holds: Callable[[], bool], what: str, *, seconds: float) -> float:
    """Poll until something holds and give how long that took; fail with `what` was waited for."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"after {seconds} s still not: {what}"
        time.sleep(0.05)
    return time.monotonic() - started
