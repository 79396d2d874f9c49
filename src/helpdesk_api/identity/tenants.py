"""Tenants: what one is, and creating, finding and listing them. A sandbox tenant starts with a test clock of its own.

Only who runs the service does this, by command or with the operator key. What else an operator does to a tenant is
`identity.tenant_operations`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Integer, bindparam, insert, select

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.identity.roles import seed_built_in_roles
from helpdesk_api.kit.context import new_id
from helpdesk_api.kit.db import Database, Record
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import counters, tenants

TICKET_NUMBERS = "tickets"

_OF_MECHANISMS = frozenset({"clock_target_at", "retention_due_at"})
_COLUMNS = tuple(column for column in tenants.c if column.name not in _OF_MECHANISMS)
_ALL = select(*_COLUMNS)
_LIST = Statement(_ALL.order_by(tenants.c.created_at, tenants.c.id))
_PAGE = Statement(
    _ALL.where(tenants.c.id > bindparam("after")).order_by(tenants.c.id).limit(bindparam("most", type_=Integer))
)
_GET = Statement(_ALL.where(tenants.c.id == bindparam("tenant")))
LOCK = Statement(_ALL.where(tenants.c.id == bindparam("tenant")).with_for_update())
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a tenant may use at most; None is without a limit of its own."""

    requests_per_minute: int | None = None
    users: int | None = None
    api_keys: int | None = None
    webhook_endpoints: int | None = None

    def columns(self) -> dict[str, int | None]:
        """Give the values by the columns that hold them."""
        return {f"quota_{name}": getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One service company. `clock_at` is the time of its test clock, or None when it lives in real time."""

    id: UUID
    name: str
    clock_at: datetime | None
    created_at: datetime
    version: int = 1
    suspended_at: datetime | None = None
    purge_at: datetime | None = None
    quotas: Quotas = Quotas()
    cors_origins: tuple[str, ...] = ()
    language: Language = "en"

    @property
    def is_sandbox(self) -> bool:
        """Tell whether its time only moves by command."""
        return self.clock_at is not None

    @property
    def state(self) -> str:
        """Say in a word whether it is served."""
        if self.purge_at is not None:
            return "deletion_scheduled"
        return "suspended" if self.suspended_at is not None else "active"

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Make one from its row."""
        values: dict[str, Any] = dict(record.items())
        quotas = Quotas(**{name: values.pop(f"quota_{name}") for name in Quotas.__slots__})
        return cls(**values | {"quotas": quotas, "cors_origins": tuple(values["cors_origins"])})


async def create_tenant(
    database: Database,
    name: str,
    *,
    clock_at: datetime | None = None,
    quotas: Quotas = Quotas(),
    cors_origins: tuple[str, ...] = (),
    language: Language = "en",
) -> Tenant:
    """Create a tenant; raises AlreadyExistsError when the name is taken."""
    tenant = Tenant(
        new_id(), name, clock_at, datetime.now(UTC), quotas=quotas, cors_origins=cors_origins, language=language
    )
    async with database.transaction(tenant.id) as transaction:
        await transaction.run(
            insert(tenants).values(
                id=tenant.id,
                name=tenant.name,
                clock_at=tenant.clock_at,
                created_at=tenant.created_at,
                cors_origins=list(cors_origins),
                language=tenant.language,
                **quotas.columns(),
            )
        )
        await transaction.run(insert(counters).values(tenant_id=tenant.id, id=new_id(), name=TICKET_NUMBERS, value=0))
        await seed_built_in_roles(transaction, tenant.id, at=tenant.created_at)
    return tenant


async def list_tenants(database: Database) -> list[Tenant]:
    """List every tenant, oldest first."""
    async with database.sweep() as transaction:
        return await transaction.all(Tenant, _LIST)


async def page_of_tenants(database: Database, *, after: UUID | None, most: int) -> list[Tenant]:
    """List up to `most` tenants after one of them, in the order of their ids, which is that of their creation."""
    async with database.sweep() as transaction:
        return await transaction.all(Tenant, _PAGE, {"after": after or _FIRST, "most": most})


async def get_tenant(database: Database, tenant_id: UUID) -> Tenant:
    """Find a tenant by its id; raises NotFoundError."""
    async with database.transaction(tenant_id, read_only=True) as transaction:
        tenant = await transaction.first(Tenant, _GET, {"tenant": tenant_id})
    return found(tenant, tenant_id)


async def find_tenant(database: Database, name_or_id: str) -> Tenant:
    """Find a tenant by its name or id; raises NotFoundError."""
    for tenant in await list_tenants(database):
        if name_or_id in {tenant.name, str(tenant.id)}:
            return tenant
    return found(None, name_or_id)


def found(tenant: Tenant | None, name_or_id: str | UUID) -> Tenant:
    """Give a tenant that must be there; raises NotFoundError."""
    if tenant is None:
        message = f"There is no tenant {str(name_or_id)!r}."
        raise NotFoundError(message)
    return tenant
