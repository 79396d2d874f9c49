"""A visit: one call of an operation that needs no credential, and the units of work it opens by itself."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from fastapi import Request

from helpdesk_api.identity.sign_in.access import principal_of
from helpdesk_api.identity.sign_in.sessions import Method, Person, SessionTokens, open_session
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import Cause, Ctx, Principal, new_id, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.tenancy import tenant_exists
from helpdesk_api.kit.unit_of_work import unit_of_work

Reason = Literal["wrong_credentials", "wrong_code", "locked", "not_allowed", "wrong_token"]


@dataclass(frozen=True, slots=True)
class Visit:
    """Who calls, as far as that is known: by which request, from which address and with which program."""

    cause: Cause

    def work(self, runtime: Runtime, tenant_id: UUID, person: Person | None = None) -> AbstractAsyncContextManager[Ctx]:
        """Open a unit of work in the name of a person who has proven who they are, or of the product itself."""
        principal = system(tenant_id) if person is None else Principal(person.type, person.id, tenant_id)
        return unit_of_work(runtime, principal, cause=self.cause, request_id=self.cause.id)


def visit_of(request: Request) -> Visit:
    """Read a visit from its request."""
    return Visit(cause_of(request))


async def begin_visit(request: Request, tenant_id: UUID) -> Visit:
    """Begin the visit of somebody who is not known yet; raises TenantSuspendedError.

    Nothing is done for a tenant that is suspended: no password is looked at, no token used up, no link sent.
    """
    runtime: Runtime = request.app.state.runtime
    await runtime.admission.standings.check_not_suspended(tenant_id)
    return visit_of(request)


async def enter(
    runtime: Runtime, visit: Visit, tenant_id: UUID, person: Person, method: Method
) -> SessionTokens | None:
    """Open a session for a person who has proven who they are; None, and recorded, for one who may not come in."""
    async with visit.work(runtime, tenant_id, person) as ctx:
        if await principal_of(ctx.tx, tenant_id, person, credential_id=None) is not None:
            return await open_session(ctx, person, method, user_agent=visit.cause.user_agent)
    await record_failure(runtime, visit, tenant_id, method=method, reason="not_allowed", person=person)
    return None


async def record_failure(
    runtime: Runtime, visit: Visit, tenant_id: UUID, *, method: str, reason: Reason, person: Person | None
) -> None:
    """Record that a sign-in was refused, and why; the caller of the API is told less."""
    data: dict[str, Any] = {"method": method, "reason": reason}
    if person is not None:
        data[f"{person.type}_id"] = str(person.id)
    async with visit.work(runtime, tenant_id) as ctx:
        if await tenant_exists(ctx.tx, tenant_id):
            record(ctx, "session.failed", object_id=new_id(), version=1, data=data, occurred_at=ctx.real_now)
