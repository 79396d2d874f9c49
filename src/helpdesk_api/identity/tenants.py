"""Tenants: created and listed by command only. A sandbox tenant starts with a test clock of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert, select

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.identity.roles import seed_built_in_roles
from helpdesk_api.kit.context import new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import counters, tenants

TICKET_NUMBERS = "tickets"

_LIST = Statement(
    select(tenants.c.id, tenants.c.name, tenants.c.clock_at, tenants.c.created_at).order_by(
        tenants.c.created_at, tenants.c.id
    )
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One service company. `clock_at` is the time of its test clock, or None when it lives in real time."""

    id: UUID
    name: str
    clock_at: datetime | None
    created_at: datetime

    @property
    def is_sandbox(self) -> bool:
        """Tell whether its time only moves by command."""
        return self.clock_at is not None


async def create_tenant(database: Database, name: str, *, clock_at: datetime | None = None) -> Tenant:
    """Create a tenant; raises AlreadyExistsError when the name is taken."""
    tenant = Tenant(new_id(), name, clock_at, datetime.now(UTC))
    async with database.transaction(tenant.id) as transaction:
        await transaction.run(
            insert(tenants).values(
                id=tenant.id, name=tenant.name, clock_at=tenant.clock_at, created_at=tenant.created_at
            )
        )
        await transaction.run(insert(counters).values(tenant_id=tenant.id, id=new_id(), name=TICKET_NUMBERS, value=0))
        await seed_built_in_roles(transaction, tenant.id, at=tenant.created_at)
    return tenant


async def list_tenants(database: Database) -> list[Tenant]:
    """List every tenant, oldest first."""
    async with database.sweep() as transaction:
        return await transaction.all(Tenant, _LIST)


async def find_tenant(database: Database, name_or_id: str) -> Tenant:
    """Find a tenant by its name or id; raises NotFoundError."""
    for tenant in await list_tenants(database):
        if name_or_id in {tenant.name, str(tenant.id)}:
            return tenant
    message = f"There is no tenant {name_or_id!r}."
    raise NotFoundError(message)
