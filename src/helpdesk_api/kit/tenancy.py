"""Tenants as the mechanisms see them: the table every key starts with, and the tenant's time.

A sandbox tenant owns a test clock (`clock_at`): its time stands still until it is moved, and whoever writes under it
holds the clock in place until the write is committed. Creating, suspending and deleting tenants belongs to `identity`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    bindparam,
    exists,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.sql import Statement, metadata, tenant_table

tenants = Table(
    "tenants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("clock_at", DateTime(timezone=True)),
    Column("clock_target_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("suspended_at", DateTime(timezone=True)),
    Column("purge_at", DateTime(timezone=True)),
    Column("quota_requests_per_minute", Integer),
    Column("quota_users", Integer),
    Column("quota_api_keys", Integer),
    Column("quota_webhook_endpoints", Integer),
    Column("cors_origins", ARRAY(Text), nullable=False, server_default="{}"),
    Column("language", Text, nullable=False, server_default="en"),
    # When the rules of retention are applied next, in real time.
    Column(
        "retention_due_at", DateTime(timezone=True), nullable=False, server_default=text("(now() + interval '1 day')")
    ),
    Index(None, "retention_due_at"),
)

counters = tenant_table(
    "counters",
    Column("name", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    versioned=False,
)

_CLOCK = select(tenants.c.clock_at).where(tenants.c.id == bindparam("tenant_id"))
_READ_CLOCK = Statement(_CLOCK)
_EXISTS = Statement(select(tenants.c.id).where(tenants.c.id == bindparam("tenant_id")))
_HOLD_CLOCK = Statement(_CLOCK.with_for_update(read=True))


is_halted: ColumnElement[bool] = or_(tenants.c.suspended_at.is_not(None), tenants.c.purge_at.is_not(None))


def is_served(tenant_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Give the condition that work of a tenant is done now: while it is suspended, or about to go, it waits."""
    return ~exists().where(tenants.c.id == tenant_id, is_halted)


@dataclass(frozen=True, slots=True)
class TenantTime:
    """What time it is for a tenant, and whether that time only moves by command."""

    now: datetime
    is_test_clock: bool


async def tenant_time(
    transaction: Transaction, tenant_id: UUID, *, real_now: datetime, is_sandbox: bool, read_only: bool
) -> TenantTime:
    """Tell the tenant's time. For a writer under a test clock the clock is held until the end of the transaction.

    Without that hold, a deadline written while the clock is being advanced could fall behind it and never fire in
    order.
    """
    if not is_sandbox:
        return TenantTime(real_now, is_test_clock=False)
    clock_at = await transaction.value(_READ_CLOCK if read_only else _HOLD_CLOCK, {"tenant_id": tenant_id})
    if clock_at is None:
        message = "The tenant no longer exists."
        raise NotFoundError(message)
    return TenantTime(clock_at, is_test_clock=True)


async def is_sandbox_tenant(transaction: Transaction, tenant_id: UUID) -> bool:
    """Tell whether a tenant is a sandbox; one that does not exist is none."""
    return await transaction.value(_READ_CLOCK, {"tenant_id": tenant_id}) is not None


async def tenant_exists(transaction: Transaction, tenant_id: UUID) -> bool:
    """Tell whether there is such a tenant."""
    return await transaction.value(_EXISTS, {"tenant_id": tenant_id}) is not None
