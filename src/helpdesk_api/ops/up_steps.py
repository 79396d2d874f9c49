"""The way up in steps: PostgreSQL and Valkey unless others are configured, migrations, demo tenant, API and worker.

Each step needs the one before it and says on the screen what it does. Afterwards the children belong to the supervisor,
which stops them in the reverse order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGKILL

from helpdesk_api.ops.embedded_cluster import MAJOR_VERSION, PostgresEngine, prepare_postgres
from helpdesk_api.ops.embedded_engine import ENVIRONMENT, Engine, EngineT, PortTakenError, start_failure
from helpdesk_api.ops.embedded_secrets import kept_secrets
from helpdesk_api.ops.embedded_valkey import ValkeyEngine, prepare_valkey
from helpdesk_api.ops.migrations import is_current
from helpdesk_api.ops.panel import Demo, Running, Screen
from helpdesk_api.ops.supervisor import Child, ChildFailedError, Supervisor
from helpdesk_api.ops.supervisor_launch import launched
from helpdesk_api.ops.up_commands import Command, run_command
from helpdesk_api.ops.up_demo import EMBEDDED, database_name, forget_demo, kept_demo
from helpdesk_api.ops.up_running import tell_others
from helpdesk_api.settings import Settings

_PORT_ATTEMPTS = 3
_PROBE_SECONDS = 5.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, not bound.
# So that a webhook receiver on this very machine can be tried.
_LOCAL_RECEIVERS = "127.0.0.0/8,::1/128"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to run, and where."""

    data_dir: Path
    host: str
    port: int
    with_demo: bool
    settings: Settings
    environ: Mapping[str, str]
    helpdesk: tuple[str, ...]

    @property
    def reachable_host(self) -> str:
        return _ANY_ADDRESS.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


async def start_product(plan: Plan, supervisor: Supervisor, screen: Screen) -> Running:
    """Start everything. Raises EmbeddedError, ChildFailedError or CommandFailedError with the reason."""
    postgres, valkey = await _start_engines(plan, supervisor, screen)
    environment = _environment(plan, postgres, valkey)

    with screen.step("Bringing the database schema up to date"):
        # Asking first spares every later start a second: the command has to import the whole product.
        url = environment.get("HELPDESK_MIGRATION_DATABASE_URL") or environment["HELPDESK_DATABASE_URL"]
        if not await is_current(url):
            await run_command(_command(plan, environment, "migrate"))

    demo = await _demo(plan, environment, screen) if plan.with_demo else None

    with screen.step("Starting API and worker"):
        await supervisor.start(_child(plan, environment, "worker", "worker"))
        await supervisor.start(_child(plan, environment, "api", "serve"), is_ready=lambda _pid: _serves(plan))
    tell_others(plan.data_dir, environment)
    return Running(plan.url, demo, plan.data_dir, supervisor.pids)


async def _start_engines(
    plan: Plan, supervisor: Supervisor, screen: Screen
) -> tuple[PostgresEngine | None, ValkeyEngine | None]:
    postgres = valkey = None
    if plan.settings.database_url is None:
        if not (plan.data_dir / "postgres").exists():
            forget_demo(plan.data_dir, EMBEDDED)
        with screen.step(f"Starting PostgreSQL {MAJOR_VERSION}"):
            postgres = await _start_engine(supervisor, "postgres", partial(prepare_postgres, plan.data_dir))
    if plan.settings.redis_url is None:
        with screen.step("Starting Valkey"):
            valkey = await _start_engine(supervisor, "valkey", partial(prepare_valkey, plan.data_dir))
    return postgres, valkey


async def _start_engine(supervisor: Supervisor, name: str, prepare: Callable[[], EngineT]) -> EngineT:
    """Prepare and start, again with another port if somebody was quicker to take the chosen one."""
    for _ in range(_PORT_ATTEMPTS - 1):
        try:
            return await _try_engine(supervisor, name, prepare)
        except PortTakenError:
            continue
    return await _try_engine(supervisor, name, prepare)


async def _try_engine(supervisor: Supervisor, name: str, prepare: Callable[[], EngineT]) -> EngineT:
    engine = await asyncio.to_thread(prepare)
    child = Child(name, engine.argv, ENVIRONMENT, engine.log_path, engine.stop_signal, cwd=Path("/"))
    try:
        await supervisor.start(child, is_ready=_accepts_connections(engine))
    except ChildFailedError as error:
        raise start_failure(engine, "\n".join(error.last_lines)) from error
    return engine


def _accepts_connections(engine: Engine) -> Callable[[int], Awaitable[bool]]:
    return lambda pid: asyncio.to_thread(engine.is_ready, pid)


def _environment(plan: Plan, postgres: PostgresEngine | None, valkey: ValkeyEngine | None) -> Mapping[str, str]:
    """Compose what the children are told: what the user set wins, except where the product runs something itself."""
    defaults = {
        "HELPDESK_OUTBOUND_ALLOW": _LOCAL_RECEIVERS,
        "HELPDESK_SECRET_KEY": kept_secrets(plan.data_dir).secret_key,
        "HELPDESK_MAIL_OUTBOX": str(plan.data_dir / "outbox"),
    }
    decided = {"HELPDESK_HOST": plan.host, "HELPDESK_PORT": str(plan.port), "HELPDESK_DATA_DIR": str(plan.data_dir)}
    if postgres is not None:
        decided["HELPDESK_DATABASE_URL"] = postgres.app_url
        decided["HELPDESK_MIGRATION_DATABASE_URL"] = postgres.owner_url
    if valkey is not None:
        decided["HELPDESK_REDIS_URL"] = valkey.url
    # A variable that is set to nothing counts as not set.
    given = {name: value for name, value in plan.environ.items() if value or name not in defaults}
    return {**defaults, **given, **decided}


async def _demo(plan: Plan, environment: Mapping[str, str], screen: Screen) -> Demo:
    url = plan.settings.database_url
    database = EMBEDDED if url is None else database_name(url.get_secret_value())
    with screen.step("Preparing the demo tenant"):
        return await kept_demo(plan.data_dir, _command(plan, environment, "demo", "--json"), database)


def _command(plan: Plan, environment: Mapping[str, str], name: str, *options: str) -> Command:
    return Command(name, (*plan.helpdesk, name, *options), environment, plan.data_dir / "log" / f"{name}.log")


def _child(plan: Plan, environment: Mapping[str, str], name: str, subcommand: str) -> Child:
    # Killed, not asked, when the supervisor dies: there would be no database left to finish anything with.
    argv = launched((*plan.helpdesk, subcommand), death_signal=SIGKILL)
    return Child(name, argv, environment, plan.data_dir / "log" / f"{name}.log")


async def _serves(plan: Plan) -> bool:
    """Ask the API whether it is ready."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(plan.reachable_host, plan.port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {plan.host}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
