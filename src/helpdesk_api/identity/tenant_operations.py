"""What an operator does to a tenant: change it, suspend it, delete it with a time of grace, and take either back.

Every change is recorded in the tenant's own event log, in the transaction of the change. It holds in every process
within two seconds (`kit.standing`); what is suspended waits and is not lost. Deleting for good is
`identity.tenant_purge`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.tenants import LOCK, Tenant, found, get_tenant
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import unit_of_work

GRACE = timedelta(days=30)

# What changes, of the columns of a tenant as it is, at an instant.
Decision = Callable[[Tenant, datetime], dict[str, Any]]


class DeletionScheduledError(ConflictError):
    """The tenant is about to be deleted; restore it first."""

    code = "deletion_scheduled"
    title = "The tenant is about to be deleted"


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who runs the service, at work on one tenant for some cause."""

    runtime: Runtime
    cause: Cause

    async def suspend(self, tenant_id: UUID) -> Tenant:
        """Serve a tenant no more; suspending it again changes nothing."""
        return await self._change(
            tenant_id, "suspended", lambda tenant, now: {"suspended_at": tenant.suspended_at or now}
        )

    async def resume(self, tenant_id: UUID) -> Tenant:
        """Serve a tenant again; raises DeletionScheduledError."""

        def changes(tenant: Tenant, _: datetime) -> dict[str, Any]:
            _check_stays(tenant)
            return {"suspended_at": None}

        return await self._change(tenant_id, "resumed", changes)

    async def amend(self, tenant_id: UUID, **given: Any) -> Tenant:  # noqa: ANN401 - columns of any type.
        """Change name, quotas, origins or language; raises AlreadyExistsError when the name is taken."""
        return await self._change(tenant_id, "updated", lambda _tenant, _now: given)

    async def schedule_deletion(self, tenant_id: UUID, *, grace: timedelta = GRACE) -> Tenant:
        """Serve a tenant no more, and delete it when the time of grace is over; raises DeletionScheduledError."""

        def changes(tenant: Tenant, now: datetime) -> dict[str, Any]:
            _check_stays(tenant)
            return {"purge_at": now + grace}

        return await self._change(tenant_id, "deletion_scheduled", changes)

    async def cancel_deletion(self, tenant_id: UUID) -> Tenant:
        """Keep a tenant that was about to be deleted; one that was suspended before still is."""
        return await self._change(tenant_id, "deletion_cancelled", lambda _tenant, _now: {"purge_at": None})

    async def _change(self, tenant_id: UUID, happened: str, decide: Decision) -> Tenant:
        known = await get_tenant(self.runtime.db, tenant_id)
        principal = system(tenant_id, is_sandbox=known.is_sandbox)
        async with unit_of_work(self.runtime, principal, cause=self.cause, request_id=self.cause.id) as ctx:
            before = found(await ctx.tx.first(Tenant, LOCK, {"tenant": tenant_id}), tenant_id)
            after = await _store(ctx, before, decide(before, ctx.real_now), happened)
        self.runtime.admission.standings.forget(tenant_id)
        return after


async def _store(ctx: Ctx, before: Tenant, values: dict[str, Any], happened: str) -> Tenant:
    present = _columns(before)
    changes = {name: (present[name], value) for name, value in values.items() if present[name] != value}
    if not changes:
        return before
    stored = {name: value for name, (_, value) in changes.items()}
    await ctx.tx.run(update(tenants).where(tenants.c.id == before.id).values(version=before.version + 1, **stored))
    record(ctx, f"tenant.{happened}", object_id=before.id, version=before.version + 1, changes=changes)
    return found(await ctx.tx.first(Tenant, LOCK, {"tenant": before.id}), before.id)


def _columns(tenant: Tenant) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "suspended_at": tenant.suspended_at,
        "purge_at": tenant.purge_at,
        "cors_origins": list(tenant.cors_origins),
        "language": tenant.language,
        **tenant.quotas.columns(),
    }


def _check_stays(tenant: Tenant) -> None:
    if tenant.purge_at is not None:
        message = f"The tenant is deleted at {tenant.purge_at.isoformat()}; restore it first."
        raise DeletionScheduledError(message, params={"purge_at": tenant.purge_at.isoformat()})
