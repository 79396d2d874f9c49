"""PostgreSQL and Valkey out of Python packages, for a machine that has neither: started, stopped, cloned, thrown away.

This is the door for tests and scripts. The parts behind it: `embedded_cluster` and `embedded_valkey` know the two
servers, `embedded_account` the system user they run as, `embedded_secrets` their passwords, `embedded_engine` what they
share. Supervision of long-running servers is left to `supervisor`.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from helpdesk_api.ops import embedded_engine
from helpdesk_api.ops.embedded_cluster import PostgresEngine, prepare_postgres, run_sql
from helpdesk_api.ops.embedded_engine import EmbeddedError, EngineT, PortTakenError, RunningEngine
from helpdesk_api.ops.embedded_valkey import ValkeyEngine, prepare_valkey

__all__ = [
    "EmbeddedError",
    "RunningPostgres",
    "RunningValkey",
    "ephemeral_postgres",
    "ephemeral_valkey",
    "make_data_dir",
    "start_postgres",
    "start_valkey",
]

_ATTEMPTS = 5
_DATABASE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class RunningPostgres(RunningEngine[PostgresEngine]):
    """A PostgreSQL with the database `helpdesk` and its three roles."""

    @property
    def app_url(self) -> str:
        """Where API and worker connect, as `helpdesk_app`."""
        return self.engine.app_url

    @property
    def owner_url(self) -> str:
        """Where migrations connect, as `helpdesk_owner`."""
        return self.engine.owner_url

    @property
    def superuser_url(self) -> str:
        """The maintenance database as superuser, for tests that look behind the curtain."""
        return self.engine.superuser_url

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database of the owner; a migrated template with no open connections is copied in milliseconds."""
        statement = f"CREATE DATABASE {_checked(name)} TEMPLATE {_checked(template)} OWNER helpdesk_owner"
        run_sql(self.superuser_url, statement)

    def drop_database(self, name: str) -> None:
        """Drop a database and the connections to it; a missing one is fine."""
        run_sql(self.superuser_url, f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")

    def url_of(self, url: str, database: str) -> str:
        """Return `url` (of one of the roles) with another database in it."""
        return urlsplit(url)._replace(path=f"/{_checked(database)}").geturl()


class RunningValkey(RunningEngine[ValkeyEngine]):
    """A Valkey that forgets everything when it stops."""

    @property
    def url(self) -> str:
        """Where arq connects."""
        return self.engine.url


def start_postgres(data_dir: Path, *, durable: bool = True) -> RunningPostgres:
    """Start PostgreSQL on a data directory; the first start makes the cluster.

    `durable=False` gives up surviving a crash for speed and is for tests only. Raises EmbeddedError.
    """
    make_data_dir(data_dir)
    return RunningPostgres(*_started(lambda: prepare_postgres(data_dir.resolve(), durable=durable)))


def start_valkey(data_dir: Path) -> RunningValkey:
    """Start Valkey with its configuration in the data directory. Raises EmbeddedError."""
    make_data_dir(data_dir)
    return RunningValkey(*_started(lambda: prepare_valkey(data_dir.resolve())))


def _started(prepare: Callable[[], EngineT]) -> tuple[EngineT, Popen[bytes]]:
    """Prepare and start, again with another port if somebody was quicker to take the chosen one."""
    for _ in range(_ATTEMPTS - 1):
        engine = prepare()
        with suppress(PortTakenError):
            return engine, embedded_engine.start(engine)
    engine = prepare()
    return engine, embedded_engine.start(engine)


@contextmanager
def ephemeral_postgres() -> Iterator[RunningPostgres]:
    """Run a fast PostgreSQL in a temporary directory and leave nothing of it."""
    with _temporary_data_dir() as data_dir, start_postgres(data_dir, durable=False) as postgres:
        yield postgres


@contextmanager
def ephemeral_valkey() -> Iterator[RunningValkey]:
    """Run a Valkey in a temporary directory and leave nothing of it."""
    with _temporary_data_dir() as data_dir, start_valkey(data_dir) as valkey:
        yield valkey


def make_data_dir(data_dir: Path) -> None:
    """Make the directory if it is missing: closed to listing by others, ignored by git."""
    try:
        if data_dir.is_dir():
            return
        data_dir.mkdir(parents=True)
        # Others may pass through, because root's engines run as another user; every file inside is private by itself.
        data_dir.chmod(0o711)
        (data_dir / ".gitignore").write_text("*\n", encoding="ascii")
    except OSError as error:
        message = f"the data directory {data_dir} cannot be used: {error.strerror}; set HELPDESK_DATA_DIR to another"
        raise EmbeddedError(message) from error


@contextmanager
def _temporary_data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="helpdesk-"))
    try:
        directory.chmod(0o711)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _checked(name: str) -> str:
    if not _DATABASE_NAME.fullmatch(name):
        message = f"{name!r} is not a plain database name: lower-case letters, digits and underscores"
        raise EmbeddedError(message)
    return name
