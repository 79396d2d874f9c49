"""A product of its own for a replay: throw-away databases, API and worker, and a sandbox tenant with a key.

Everything is gone afterwards, so the databases need not survive a loss of power. The worker is supervised as by
`helpdesk up`, only that it starts again at once, however often it is killed.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Final

from helpdesk_api.ops.embedded import ephemeral_postgres, ephemeral_valkey
from helpdesk_api.ops.embedded_engine import LOOPBACK, free_port
from helpdesk_api.ops.replay_client import instant_text
from helpdesk_api.ops.supervisor import Child, Restarts, Supervisor
from helpdesk_api.ops.supervisor_launch import launched
from helpdesk_api.ops.up_commands import Command, run_command
from helpdesk_api.settings import PREFIX

HELPDESK: Final = (sys.executable, "-m", "helpdesk_api")
_TENANT: Final = "Replay"
_RESTARTS: Final = Restarts(limit=100, within=timedelta(seconds=1), first_pause=timedelta(seconds=0.1))
_PROBE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Databases:
    """Where the throw-away databases are, and a directory that lasts as long."""

    app_url: str
    owner_url: str
    redis_url: str
    directory: Path


@dataclass(frozen=True, slots=True)
class Target:
    """The API to replay against, and the key to its tenant."""

    url: str
    key: str


@contextmanager
def databases() -> Iterator[Databases]:
    """Run PostgreSQL and Valkey; raises EmbeddedError."""
    with (
        tempfile.TemporaryDirectory(prefix="helpdesk-replay-") as directory,
        ephemeral_postgres() as postgres,
        ephemeral_valkey() as valkey,
    ):
        yield Databases(postgres.app_url, postgres.owner_url, valkey.url, Path(directory))


@asynccontextmanager
async def product(
    stores: Databases, supervisor: Supervisor, *, clock_at: datetime, helpdesk: tuple[str, ...] = HELPDESK
) -> AsyncIterator[Target]:
    """Run API and worker on these databases; raises ChildFailedError or CommandFailedError."""
    port = free_port()
    environment = _environment(stores, port)

    async def command(name: str, *arguments: str) -> str:
        argv = (*helpdesk, *arguments)
        return await run_command(Command(name, argv, environment, stores.directory / f"{name}.log"))

    def child(name: str, subcommand: str) -> Child:
        argv = launched((*helpdesk, subcommand), death_signal=SIGKILL)
        return Child(name, argv, environment, stores.directory / f"{name}.log")

    await command("migrate", "migrate")
    await command("tenants", "tenants", "create", "--name", _TENANT, "--test-clock", instant_text(clock_at))
    made = json.loads(await command("keys", "keys", "create", "--tenant", _TENANT, "--name", "replay", "--json"))
    try:
        await supervisor.start(child("worker", "worker"))
        await supervisor.start(child("api", "serve"), is_ready=lambda _pid: _serves(port))
        yield Target(f"http://{LOOPBACK}:{port}", made["key"])
    finally:
        await supervisor.stop()


def new_supervisor(told: Callable[[str], None]) -> Supervisor:
    """Make a supervisor that never loses patience with a child that is killed on purpose."""
    return Supervisor(told=told, restarts=_RESTARTS)


def _environment(stores: Databases, port: int) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | {
        "HELPDESK_DATABASE_URL": stores.app_url,
        "HELPDESK_MIGRATION_DATABASE_URL": stores.owner_url,
        "HELPDESK_REDIS_URL": stores.redis_url,
        "HELPDESK_SECRET_KEY": os.urandom(32).hex(),
        "HELPDESK_HOST": LOOPBACK,
        "HELPDESK_PORT": str(port),
        "HELPDESK_OUTBOUND_ALLOW": f"{LOOPBACK}/32",
        # Counted like everybody, but never refused.
        "HELPDESK_RATE_LIMIT_CREDENTIAL": "1000000",
        "HELPDESK_RATE_LIMIT_TENANT": "1000000",
        "HELPDESK_LOG_LEVEL": "warning",
    }


async def _serves(port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
