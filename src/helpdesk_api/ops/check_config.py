"""Whether this installation is set up as it must be: what is configured, and what the database says about itself.

Wrong settings are told by `settings`; here are the mistakes that only show when one looks: a role that row-level
security does not bind, a database that forgets what it has confirmed, a schema of another version. Nothing is changed.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr
from redis.exceptions import RedisError

from helpdesk_api.kit.doorbell import connect, redis_settings
from helpdesk_api.ops import migrations
from helpdesk_api.settings import PREFIX, Settings

Verdict = Literal["ok", "warning", "error"]

_OLDEST_SERVER = 150_000
_MOST_SKEW = timedelta(seconds=5)
_CONNECT_SECONDS = 5
_UNREACHABLE = (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)

_ABOUT_SERVER = """
    SELECT current_setting('server_version_num')::int AS version_number, current_setting('server_version') AS version,
           current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes, clock_timestamp() AS clock
"""
_ABOUT_ROLE = """
    SELECT rolname, rolsuper, rolbypassrls,
           EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relkind IN ('r', 'p')
                   AND relnamespace = to_regnamespace('public')) AS owns_tables
    FROM pg_roles WHERE rolname = current_user
"""
_UNGUARDED = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace('public') AND NOT a.attisdropped
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what is to be said of it."""

    subject: str
    verdict: Verdict
    detail: str


def effective(settings: Settings) -> dict[str, str]:
    """Give every setting as it takes effect, by the name of its variable, with passwords and secrets masked."""
    return {f"{PREFIX}{name.upper()}": _shown(getattr(settings, name)) for name in type(settings).model_fields}


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that can be looked at."""
    findings = [finding async for finding in _about_database(settings)]
    findings += [finding async for finding in _about_redis(settings)]
    if settings.secret_key is None:
        findings.append(
            Finding("secret key", "warning", "not set: cursors and sealed secrets end with the process that made them")
        )
    if settings.smtp_host is None and settings.mail_outbox is None:
        findings.append(Finding("e-mail", "warning", "no mail server is set: no invitation or sign-in link is sent"))
    return findings


async def _about_database(settings: Settings) -> AsyncIterator[Finding]:
    if settings.database_url is None:
        yield Finding("database", "warning", "HELPDESK_DATABASE_URL is not set; only `helpdesk up` can run")
        return
    try:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=_CONNECT_SECONDS)
    except _UNREACHABLE as error:
        yield Finding("database", "error", f"cannot be reached: {_first_line(error)}")
        return
    try:
        about = await connection.fetchrow(_ABOUT_SERVER)
        for finding in (_version(about), _durability(about), _skew(about)):
            yield finding
        yield _role(await connection.fetchrow(_ABOUT_ROLE))
        unguarded = [row["relname"] for row in await connection.fetch(_UNGUARDED)]
        yield (
            Finding("row-level security", "error", f"not forced on {', '.join(unguarded)}")
            if unguarded
            else Finding("row-level security", "ok", "forced on every table with a tenant")
        )
        yield await _schema(connection)
    finally:
        await connection.close()


def _version(about: Any) -> Finding:  # noqa: ANN401 - a row of asyncpg, which brings no types.
    if about["version_number"] < _OLDEST_SERVER:
        return Finding("database", "error", f"PostgreSQL {about['version']} is too old; 15 is the oldest that will do")
    return Finding("database", "ok", f"PostgreSQL {about['version']}")


def _durability(about: Any) -> Finding:  # noqa: ANN401 - as above.
    off = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if about[name] == "off"]
    if off:
        return Finding("durability", "error", f"{' and '.join(off)} off: a crash loses what was confirmed")
    return Finding("durability", "ok", "what is confirmed survives a crash")


def _skew(about: Any) -> Finding:  # noqa: ANN401 - as above.
    skew = abs(datetime.now(UTC) - cast("datetime", about["clock"]))
    seconds = f"{skew.total_seconds():.1f} s"
    if skew > _MOST_SKEW:
        return Finding("clock", "error", f"differs from the database's by {seconds}: deadlines would be late or early")
    return Finding("clock", "ok", f"within {seconds} of the database's")


def _role(role: Any) -> Finding:  # noqa: ANN401 - as above.
    faults = {
        "is a superuser": role["rolsuper"],
        "may bypass row-level security": role["rolbypassrls"],
        "owns tables": role["owns_tables"],
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    name = role["rolname"]
    if found:
        return Finding("role", "error", f"{name} {' and '.join(found)}; connect as helpdesk_app, which does not")
    return Finding("role", "ok", f"{name} is bound by row-level security")


async def _schema(connection: Any) -> Finding:  # noqa: ANN401 - a connection of asyncpg, which brings no types.
    newest = migrations.head()
    try:
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        revision = None
    if revision != newest:
        return Finding("schema", "error", f"at {revision or 'nothing'}, not {newest}; run `helpdesk migrate`")
    return Finding("schema", "ok", f"at {newest}")


async def _about_redis(settings: Settings) -> AsyncIterator[Finding]:
    if settings.redis_url is None:
        yield Finding("redis", "warning", "HELPDESK_REDIS_URL is not set; workers find work by looking only")
        return
    try:
        redis = await connect(redis_settings(settings.redis_url.get_secret_value()))
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        yield Finding("redis", "warning", f"cannot be reached, so workers find work by looking only: {error}")
        return
    await redis.aclose()
    yield Finding("redis", "ok", "answers")


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return _masked(value.get_secret_value())
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _masked(secret: str) -> str:
    target = urlsplit(secret)
    if not target.hostname:
        return "***"
    # Of an address only what is no secret: a password may also stand in the query.
    name = f"{target.username}:***@" if target.username else "***@" if target.password else ""
    return f"{target.scheme}://{name}{target.netloc.rpartition('@')[2]}{target.path}"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip() or type(error).__name__
