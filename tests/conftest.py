"""What every test may ask for: the running product and tenants in it.

The databases are started once per run, by the process that starts the test workers, and stopped by it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from helpdesk_api.ops.embedded import ephemeral_postgres, ephemeral_valkey
from tests.stage import Client, Services, Stage, utc

_SERVICES = "TEST_SERVICES_OF_THIS_RUN"
_A_MONDAY = utc(2026, 3, 2, 8)
_ROOT = Path(__file__).parents[1]
_started = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL and Valkey before the test workers, which inherit their addresses."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    postgres = _started.enter_context(ephemeral_postgres())
    valkey = _started.enter_context(ephemeral_valkey())
    services = Services(postgres.app_url, postgres.owner_url, postgres.superuser_url, valkey.url)
    migrate(services)
    os.environ[_SERVICES] = json.dumps(asdict(services))


def pytest_unconfigure() -> None:
    """Stop what was started."""
    _started.close()


def migrate(services: Services) -> None:
    """Bring a database up to date the way an operator does."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        check=True,
        cwd=_ROOT,
        env={**os.environ, "HELPDESK_MIGRATION_DATABASE_URL": services.owner_url},
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session")
def services() -> Services:
    """Tell where the databases of this run are."""
    values: dict[str, Any] = json.loads(os.environ[_SERVICES])
    return Services(**values)


@pytest.fixture(scope="session")
def stage(services: Services) -> Iterator[Stage]:
    """Start the product once for this test worker."""
    with Stage(services) as running:
        yield running


@pytest.fixture
def api(stage: Stage) -> Iterator[Client]:
    """Make a tenant that lives in real time, and give its client, who may do everything."""
    with stage.tenant() as client:
        yield client


class MakeSandbox(Protocol):
    """Makes clients of sandbox tenants."""

    def __call__(self, clock_at: datetime = ...) -> Client:
        """Make a tenant whose clock stands at an instant."""


@pytest.fixture
def sandbox(stage: Stage) -> Iterator[MakeSandbox]:
    """Make clients of new tenants with a test clock, Monday 2026-03-02 08:00 UTC unless said otherwise."""
    with ExitStack() as clients:

        def make(clock_at: datetime = _A_MONDAY) -> Client:
            return clients.enter_context(stage.tenant(clock_at=clock_at))

        yield make
