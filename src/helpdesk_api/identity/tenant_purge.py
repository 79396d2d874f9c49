"""Deleting a tenant for good: every row of it in every table, once its time of grace is over.

A worker does it in batches, so that no transaction grows with the tenant, and under a role that reaches no other one.
It can be cut off anywhere and goes on where it was; the tenant itself goes last.
"""

from uuid import UUID

import structlog
from sqlalchemy import Table, bindparam, delete, func, select, text

from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement, metadata
from helpdesk_api.kit.tenancy import tenants

log = structlog.get_logger()

_ROLE = "helpdesk_purger"
_BATCH = 5_000
# By then every request that began before the tenant was suspended has ended, so nothing is written behind the purge.
_SETTLING = text("interval '1 minute'")

_DUE = Statement(select(tenants.c.id).where(tenants.c.purge_at <= func.now() - _SETTLING).order_by(tenants.c.purge_at))
_REMOVE_TENANT = Statement(delete(tenants).where(tenants.c.id == bindparam("tenant")))


async def purge_due(runtime: Runtime) -> None:
    """Delete every tenant whose time of grace is over."""
    async with runtime.db.sweep(_ROLE) as transaction:
        due = [row["id"] for row in await transaction.rows(_DUE)]
    for tenant_id in due:
        await _purge(runtime, tenant_id)


async def _purge(runtime: Runtime, tenant_id: UUID) -> None:
    removed = 0
    # What refers to other rows goes before them.
    for table in reversed(metadata.sorted_tables):
        if "tenant_id" in table.c:
            removed += await _empty(runtime, table, tenant_id)
    async with runtime.db.sweep(_ROLE) as transaction:
        await transaction.run(_REMOVE_TENANT, {"tenant": tenant_id})
    log.info("tenant.purged", tenant_id=str(tenant_id), row_count=removed)


async def _empty(runtime: Runtime, table: Table, tenant_id: UUID) -> int:
    mine = table.c.tenant_id == bindparam("tenant")
    some = select(table.c.id).where(mine).limit(_BATCH).scalar_subquery()
    batch = delete(table).where(mine, table.c.id.in_(some))
    removed, last = 0, _BATCH
    while last:
        async with runtime.db.sweep(_ROLE) as transaction:
            last = await transaction.run(batch, {"tenant": tenant_id})
        removed += last
    return removed
