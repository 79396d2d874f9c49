"""The standing of a tenant: whether it is served, how many requests it may make, which web pages may call for it.

What an operator decides holds in every process within two seconds: so long a standing is believed.
"""

from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sqlalchemy import bindparam, func, select

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_halted, tenants
from helpdesk_api.kit.token_bucket import Quota

BELIEVED_SECONDS = 2.0
_MOST_REMEMBERED = 10_000

_READ = Statement(
    select(is_halted.label("is_halted"), tenants.c.quota_requests_per_minute, tenants.c.cors_origins).where(
        tenants.c.id == bindparam("tenant")
    )
)
_ALL_ORIGINS = Statement(select(func.unnest(tenants.c.cors_origins).label("origin")).where(~is_halted).distinct())


class TenantSuspendedError(ForbiddenError):
    """The tenant is suspended or about to be deleted; whoever runs this service can tell why."""

    code = "tenant_suspended"
    title = "The tenant is suspended"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant stands. `requests` is its own quota, or None for that of everybody."""

    is_served: bool
    is_there: bool
    requests: Quota | None
    origins: frozenset[bytes]


class Standings:
    """What one process believes of its tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, tuple[float, Standing]] = {}

    async def of(self, tenant_id: UUID) -> Standing:
        """Give the standing of a tenant; one that does not exist is not served."""
        known = self._known.get(tenant_id)
        if known is not None and known[0] > monotonic():
            return known[1]
        until = monotonic() + BELIEVED_SECONDS
        standing = await self._read(tenant_id)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[tenant_id] = (until, standing)
        return standing

    async def check_served(self, tenant_id: UUID) -> Standing:
        """Give the standing of a tenant; raises TenantSuspendedError when it is not served."""
        standing = await self.of(tenant_id)
        if not standing.is_served:
            raise _suspended()
        return standing

    async def check_not_suspended(self, tenant_id: UUID) -> None:
        """Raise TenantSuspendedError for a tenant that is not served now; one that does not exist passes.

        Whoever names a tenant without a credential is told of it what a known caller is told, and of one that does not
        exist nothing.
        """
        standing = await self.of(tenant_id)
        if standing.is_there and not standing.is_served:
            raise _suspended()

    def forget(self, tenant_id: UUID) -> None:
        """Stop believing anything of a tenant in this process."""
        self._known.pop(tenant_id, None)

    async def origins_of_all(self) -> frozenset[bytes]:
        """Give the origins that any tenant lets in."""
        async with self._database.sweep() as transaction:
            return frozenset(row["origin"].encode() for row in await transaction.rows(_ALL_ORIGINS))

    async def _read(self, tenant_id: UUID) -> Standing:
        async with self._database.transaction(tenant_id, read_only=True) as transaction:
            row = await transaction.row(_READ, {"tenant": tenant_id})
        if row is None:
            return Standing(is_served=False, is_there=False, requests=None, origins=frozenset())
        requests = row["quota_requests_per_minute"]
        return Standing(
            is_served=not row["is_halted"],
            is_there=True,
            requests=None if requests is None else Quota("tenant", requests),
            origins=frozenset(origin.encode() for origin in row["cors_origins"]),
        )


def _suspended() -> TenantSuspendedError:
    return TenantSuspendedError("This tenant is suspended; nothing of it is lost. Ask whoever runs this service.")
