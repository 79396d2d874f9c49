"""Bringing the schema up to date from within the product, through Alembic and the migrations beside the source tree.

What a migration run is - one at a time, as the owner, with short lock timeouts - is decided in `migrations/env.py`.
This module finds the migrations, tries again when a lock was not to be had, and says in one line what went wrong.
"""

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from helpdesk_api.settings import ConfigurationError, Settings

NOTHING = "nothing"
_INI = Path(__file__).parents[3] / "alembic.ini"
_LOCK_NOT_AVAILABLE = "55P03"
_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0
_UNREADABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class MigrationError(Exception):
    """The schema could not be brought up to date; the message says why."""


def head() -> str:
    """Give the newest revision that this version of the product knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or NOTHING


async def is_current(url: str) -> bool:
    """Tell whether `migrate` would find nothing to do; False also when the database does not say."""
    try:
        return await _read_revision(url) == head()
    except _UNREADABLE:
        return False


def migrate(settings: Settings, *, told: Callable[[str], None]) -> tuple[str, str]:
    """Apply what is missing; give the revision before and after. Raises MigrationError."""
    before = _revision(settings)
    if before == head():
        return before, before
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            command.upgrade(_config(settings), "head")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or attempt == _ATTEMPTS:
                raise MigrationError(_first_line(error.orig or error)) from error
            told(f"A lock is held by others; trying again ({attempt} of {_ATTEMPTS - 1}).")
            time.sleep(_PAUSE_SECONDS)
        except (OSError, asyncpg.PostgresError) as error:
            raise MigrationError(_first_line(error)) from error
        else:
            break
    return before, head()


def plan(settings: Settings) -> str:
    """Give the SQL that `migrate` would run, empty when there is nothing to do; without a database, all of it."""
    is_known = settings.migration_database_url is not None or settings.database_url is not None
    before = _revision(settings) if is_known else NOTHING
    if before == head():
        return ""
    output = io.StringIO()
    config = _config(settings)
    config.output_buffer = output
    command.upgrade(config, "head" if before == NOTHING else f"{before}:head", sql=True)
    return output.getvalue()


def _revision(settings: Settings) -> str:
    url = settings.migration_database_url or settings.database_url
    if url is None:
        raise ConfigurationError(["HELPDESK_MIGRATION_DATABASE_URL is not set; it names the owner of the schema"])
    try:
        return asyncio.run(_read_revision(url.get_secret_value()))
    except _UNREADABLE as error:
        message = f"the database cannot be reached: {_first_line(error)}"
        raise MigrationError(message) from error


async def _read_revision(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return NOTHING
        return str(await connection.fetchval("SELECT version_num FROM alembic_version") or NOTHING)
    finally:
        await connection.close()


def _config(settings: Settings | None = None) -> Config:
    if not _INI.is_file():
        message = f"the migrations are missing: there is no {_INI}"
        raise MigrationError(message)
    # Without settings the migrations read them from the environment, as under the `alembic` command.
    return Config(_INI, attributes={} if settings is None else {"settings": settings})


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip() or type(error).__name__
