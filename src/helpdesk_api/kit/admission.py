"""Admission: what a request is counted for before it is served.

Nothing is done for a tenant that is suspended. A request with a credential counts for the credential and for its
tenant. What needs no credential, and what was refused for a wrong one, counts for the address it came from: an address
that tries credentials is refused before they are even looked up, except those that were good before, so that nobody can
lock out a neighbour behind the same address. Counting itself is `kit.rate_limits`.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from helpdesk_api.kit.client_address import ClientAddresses, subject
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.exchange import ANSWER_HEADERS, TENANT_ORIGINS
from helpdesk_api.kit.rate_limits import RateLimiter
from helpdesk_api.kit.standing import Standings
from helpdesk_api.kit.token_bucket import Quota


@dataclass(frozen=True, slots=True)
class RequestQuotas:
    """How many requests are answered; None is without limit."""

    credential: Quota | None = None
    tenant: Quota | None = None
    address: Quota | None = None


def per_minute(name: str, requests: int) -> Quota | None:
    """Give the quota of so many requests per minute; 0 stands for no limit."""
    return Quota(name, requests) if requests else None


class Admission:
    """Count requests, and refuse those that are too many."""

    def __init__(
        self, limiter: RateLimiter, quotas: RequestQuotas, addresses: ClientAddresses, standings: Standings
    ) -> None:
        self._limiter = limiter
        self._quotas = quotas
        self._addresses = addresses
        self.standings = standings

    async def known(self, request: Request, principal: Principal) -> None:
        """Count a request of a known caller; raises TenantSuspendedError and RateLimitedError.

        A request that is looked at again, because it waited, counts once.
        """
        standing = await self.standings.check_served(principal.tenant_id)
        state = request.scope["state"]
        if state.get(TENANT_ORIGINS) is not None:
            return
        state[TENANT_ORIGINS] = standing.origins
        tenant, subjects = str(principal.tenant_id), []
        if self._quotas.credential is not None:
            # The braces keep the buckets of a tenant on one node of a cluster.
            subjects.append((f"{{{tenant}}}:{principal.credential_id or principal.id}", self._quotas.credential))
        of_tenant = standing.requests or self._quotas.tenant
        if of_tenant is not None:
            subjects.append((f"{{{tenant}}}", of_tenant))
        await self._count(request.scope, subjects)

    async def anonymous(self, request: Request) -> None:
        """Count a request that needs no credential, or brought a wrong one; raises RateLimitedError."""
        if self._quotas.address is not None:
            await self._count(request.scope, [(self._address(request), self._quotas.address)])

    async def unproven(self, request: Request) -> None:
        """Refuse a credential that is not known to be good, from an address that has none left; counts nothing else."""
        if self._quotas.address is not None and self._limiter.is_refused(self._address(request)):
            await self.anonymous(request)

    def _address(self, request: Request) -> str:
        return f"address:{subject(self._addresses.of(request.scope))}"

    async def _count(self, scope: Scope, subjects: list[tuple[str, Quota]]) -> None:
        if not subjects:
            return
        count = await self._limiter.count(subjects)
        scope["state"][ANSWER_HEADERS] = count.headers
        if count.refusal is not None:
            raise count.refusal


async def count_for_address(request: Request) -> None:
    """Count a request for its address: the dependency of every operation that needs no credential."""
    admission: Admission = request.app.state.runtime.admission
    await admission.anonymous(request)
