"""Replacing the key that seals stored secrets: every sealed value is wrapped anew, what it protects stays the same.

It may run while the product serves, and again at any time: a value that somebody changes meanwhile is left to them, who
seal under the current key anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select, update

from helpdesk_api.identity.tenants import list_tenants
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sealing import SealBrokenError, SealedColumn

_AT_ONCE: Final = 500
_BEFORE_ALL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of the values: `broken_count` cannot be opened by any of the keys."""

    rewrapped_count: int = 0
    current_count: int = 0
    broken_count: int = 0

    def __add__(self, other: "Rotated") -> "Rotated":
        return Rotated(
            self.rewrapped_count + other.rewrapped_count,
            self.current_count + other.current_count,
            self.broken_count + other.broken_count,
        )


async def rotate(runtime: Runtime, columns: Sequence[SealedColumn]) -> Rotated:
    """Wrap every value of these columns under the current key, tenant by tenant."""
    total = Rotated()
    for tenant in await list_tenants(runtime.db):
        total += await rotate_tenant(runtime, tenant.id, columns)
    return total


async def rotate_tenant(runtime: Runtime, tenant_id: UUID, columns: Sequence[SealedColumn]) -> Rotated:
    """Wrap every value that one tenant has in these columns."""
    total = Rotated()
    for column in columns:
        after: UUID | None = _BEFORE_ALL
        while after is not None:
            done, after = await _rotate_some(runtime, tenant_id, column, after)
            total += done
    return total


async def _rotate_some(
    runtime: Runtime, tenant_id: UUID, sealed: SealedColumn, after: UUID
) -> tuple[Rotated, UUID | None]:
    column, table = sealed.column, sealed.column.table
    rewrapped = current = broken = 0
    async with runtime.db.transaction(tenant_id) as transaction:
        rows = await transaction.rows(
            select(table.c.id, column)
            .where(table.c.tenant_id == tenant_id, table.c.id > bindparam("after"), column.is_not(None))
            .order_by(table.c.id)
            .limit(_AT_ONCE),
            {"after": after},
        )
        for row in rows:
            try:
                value = runtime.sealer.rewrap(row[1], tenant_id=tenant_id, purpose=sealed.purpose, object_id=row[0])
            except SealBrokenError:
                broken += 1
                continue
            if value is None:
                current += 1
                continue
            rewrapped += await transaction.run(
                update(table)
                .where(table.c.tenant_id == tenant_id, table.c.id == row[0], column == row[1])
                .values({column.name: value})
            )
    return Rotated(rewrapped, current, broken), rows[-1][0] if len(rows) == _AT_ONCE else None
