"""How migrations run: as the owner of the schema, one at a time, never waiting long for a lock.

A migration that cannot get its lock within the timeout fails cleanly and may be tried again; one that waited would
make every query behind it wait too. `alembic check` compares the metadata of all features with the migrated schema.
"""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from helpdesk_api import wiring  # Importing it declares every table.
from helpdesk_api.kit.sql import metadata
from helpdesk_api.settings import ConfigurationError, load_settings

_ONE_AT_A_TIME = 4_923_713_551_204_871
_TIMEOUTS = "SET lock_timeout = '2s'; SET statement_timeout = '15min'"


def _url() -> str:
    settings = context.config.attributes.get("settings") or load_settings()
    url = settings.migration_database_url or settings.database_url
    if url is None:
        raise ConfigurationError(["HELPDESK_MIGRATION_DATABASE_URL is not set"])
    return url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1)


def _of_ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:  # noqa: ANN401, FBT001 - Alembic's signature.
    del item, kind, reflected, compare_to
    return name != "alembic_version"


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=_of_ours,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    for statement in _TIMEOUTS.split("; "):
        connection.execute(text(statement))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
    connection.commit()
    with context.begin_transaction():
        context.run_migrations()


async def _run_online() -> None:
    engine = create_async_engine(_url(), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


assert wiring.ROUTERS  # noqa: S101 - keeps the import that declares the tables.

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    context.execute(_TIMEOUTS)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_run_online())
