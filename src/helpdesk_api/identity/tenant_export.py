"""Everything that a tenant has, as one stream of lines that another system can read: whole, at one instant.

Newline-delimited JSON: a line about the export, a line for every row of every table, and the manifest as the last line,
with the number and the SHA-256 of the rows of each table. It is written as it is read, so it needs neither a file nor
memory that grows with the tenant, and an export that was cut off is told by its missing manifest. A zip or tar archive
would want to know the size of a part before its first byte.

All of it is read in one snapshot. A table that is added is exported without being named; secrets are not, and neither
are bytes of any kind unless it is said here that they are no secret.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, LargeBinary, Select, Table, Text, cast, func, literal_column, select, text

from helpdesk_api.identity.tenants import get_tenant
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import metadata
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import unit_of_work

NDJSON: Final = "application/x-ndjson"
FORMAT: Final = "helpdesk-tenant-export"
VERSION: Final = 1

EXCEPTED: Final[dict[str, str]] = {
    "idempotency_keys": "answers of the last day, for repeated requests",
    "job_lanes": "who works at what in this installation",
    "jobs": "what is still to be done in this installation",
    "session_tokens": "hashes of tokens",
    "sign_in_attempts": "counters of minutes",
    "sign_in_links": "hashes of tokens",
    "stream_tickets": "hashes of tickets of seconds",
}
SECRET_TEXTS: Final = frozenset({("passwords", "hash")})
# Of all bytes only these are shown: the proof of the audit trail, and what people have uploaded.
SHOWN_BYTES: Final = frozenset(
    {
        ("file_chunks", "content"),
        ("audit_seals", "event_hashes"),
        ("audit_seals", "previous_hash"),
        ("audit_seals", "hash"),
        ("event_redactions", "hash_before"),
        ("event_redactions", "hash_after"),
    }
)

EXPORT_EXAMPLE: Final = (
    '{"format":"helpdesk-tenant-export","version":1,"tenant_id":"0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01", ...}\n'
    '{"table":"teams","row":{"tenant_id":"0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01","name":"Second line", ...}}\n'
    '{"manifest":{"tables":{"teams":{"row_count":1,"sha256":"5c0fd4f2...","left_out":[]}, ...}, ...}}\n'
)

_ROWS_AT_ONCE: Final = 50
_PIECE_BYTES: Final = 65_536
# A reader may be slow; the snapshot waits for it so long.
_PATIENCE = select(func.set_config("idle_in_transaction_session_timeout", "5min", literal_column("true")))
_REVISION = text("SELECT version_num FROM alembic_version")
_NOW = select(func.now())


@dataclass(slots=True)
class _Part:
    """What has been written of one table."""

    left_out: list[str]
    row_count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def manifest(self) -> dict[str, Any]:
        return {"row_count": self.row_count, "sha256": self.digest.hexdigest(), "left_out": self.left_out}


async def begin_export(runtime: Runtime, tenant_id: UUID, cause: Cause) -> AsyncIterator[bytes]:
    """Note in the tenant's own log that it is exported, and give the export; raises NotFoundError."""
    tenant = await get_tenant(runtime.db, tenant_id)
    principal = system(tenant_id, is_sandbox=tenant.is_sandbox)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        record(ctx, "tenant.exported", object_id=tenant_id, version=tenant.version)
    return _pieces(exported_lines(runtime, tenant_id))


async def exported_lines(runtime: Runtime, tenant_id: UUID) -> AsyncIterator[bytes]:
    """Give the export line by line."""
    whole = hashlib.sha256()
    parts: dict[str, _Part] = {}
    async with runtime.db.snapshot(tenant_id) as transaction:
        await transaction.value(_PATIENCE)
        head = await _head(transaction, tenant_id)
        whole.update(head)
        yield head
        for table in exported_tables():
            part = parts[table.name] = _Part([column.name for column in table.c if not is_exported(column)])
            async for row in transaction.stream(_rows(table, tenant_id), chunk=_ROWS_AT_ONCE):
                line = b'{"table":"%s","row":%s}\n' % (table.name.encode(), row[0].encode())
                part.row_count += 1
                part.digest.update(line)
                whole.update(line)
                yield line
    tables = {name: part.manifest() for name, part in parts.items()}
    yield _line({"manifest": {"tables": tables, "excepted": EXCEPTED, "sha256": whole.hexdigest()}})


def exported_tables() -> list[Table]:
    """Give what is exported, what others refer to first."""
    owned = (table for table in metadata.sorted_tables if "tenant_id" in table.c and table.name not in EXCEPTED)
    return [tenants, *owned]


def is_exported(column: Column[Any]) -> bool:
    """Tell whether the values of a column are shown."""
    place = (column.table.name, column.name)
    return place not in SECRET_TEXTS and (not isinstance(column.type, LargeBinary) or place in SHOWN_BYTES)


def _rows(table: Table, tenant_id: UUID) -> Select[Any]:
    """Select rows as the database itself writes them in JSON, so that no digit of a number is lost."""
    owner = table.c.id if table is tenants else table.c.tenant_id
    shown = select(*filter(is_exported, table.c)).where(owner == tenant_id).order_by(table.c.id).subquery("shown")
    return select(cast(func.row_to_json(literal_column("shown")), Text)).select_from(shown)


async def _head(transaction: Transaction, tenant_id: UUID) -> bytes:
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "tenant_id": str(tenant_id),
            "taken_at": (await transaction.value(_NOW)).isoformat(),
            "schema_revision": await transaction.value(_REVISION),
        }
    )


async def _pieces(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Put lines together, as a network likes them."""
    piece = bytearray()
    async for line in lines:
        piece += line
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
