"""Rate limits: how many requests a subject has left, the headers that say so, and the refusal when none are.

A round trip to Valkey would cost a read a quarter of its time, so tokens are leased: a process takes as many as come
back within a second, spends them without asking, and gives back what is left when the second is over. A bucket that
runs low is asked for ever fewer, in the end for one at a time, so the count stays exact where it matters: never more
than the quota is granted, however many processes there are. Which subjects a request is counted for is decided by
`kit.admission`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from time import monotonic

from helpdesk_api.domain.errors import TooManyError
from helpdesk_api.kit.token_bucket import Buckets, Demand, Grant, Quota

Headers = tuple[tuple[bytes, bytes], ...]

_LEASE_SECONDS = 1.0
_MOST_REMEMBERED = 20_000


class RateLimitedError(TooManyError):
    """More requests came than the quota allows; `Retry-After` tells when the next one will be answered."""

    code = "rate_limited"
    title = "There were too many requests"


@dataclass(frozen=True, slots=True)
class Count:
    """What counting a request came to: the headers that tell it, and the refusal if it was one too many."""

    headers: Headers
    refusal: RateLimitedError | None = None


class _Lease:
    """What this process holds of one bucket."""

    __slots__ = ("ends_at", "has_token_at", "held", "is_asking", "key", "left", "quota", "refused_until", "size")

    def __init__(self, key: str, quota: Quota) -> None:
        self.key = key
        self.quota = quota
        self.size = max(1, int(quota.tokens * _LEASE_SECONDS / quota.window_seconds))
        self.held = 0
        self.left = quota.tokens
        self.ends_at = 0.0
        self.refused_until = 0.0
        self.has_token_at = 0.0
        self.is_asking: asyncio.Event | None = None

    @property
    def tokens(self) -> int:
        """Give how many requests the subject has left, as far as this process knows."""
        return self.left + self.held

    def must_ask(self, now: float) -> bool:
        """Tell whether nothing is known of the bucket just now: no token is held, and no refusal is fresh."""
        return self.refused_until <= now and (self.held == 0 or self.ends_at <= now)

    def renew(self, grant: Grant, now: float) -> None:
        """Hold what was granted, instead of what was held before."""
        self.held = grant.tokens
        self.left = grant.left
        self.ends_at = now + _LEASE_SECONDS
        self.has_token_at = now + grant.wait_seconds
        # Tokens that another process gives back may end the wait early, so a refusal is not believed for long.
        self.refused_until = 0.0 if grant.tokens else min(self.has_token_at, now + _LEASE_SECONDS)


class RateLimiter:
    """The leases of one process."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._leases: dict[str, _Lease] = {}

    async def count(self, subjects: Sequence[tuple[str, Quota]]) -> Count:
        """Count one request for every subject; if one of them has none left, for none."""
        leases = [self._lease(key, quota) for key, quota in subjects]
        now = monotonic()
        while asking := [lease for lease in leases if lease.must_ask(now)]:
            await self._ask(asking)
            now = monotonic()
        for lease in leases:
            if lease.refused_until > now:
                return Count(rate_limit_headers(leases), _refusal(lease, now))
        for lease in leases:
            lease.held -= 1
        return Count(rate_limit_headers(leases))

    def is_refused(self, key: str) -> bool:
        """Tell whether a subject is known to have none left, without counting."""
        lease = self._leases.get(key)
        return lease is not None and lease.refused_until > monotonic()

    def _lease(self, key: str, quota: Quota) -> _Lease:
        lease = self._leases.get(key)
        if lease is None or (lease.quota is not quota and lease.quota != quota):
            if len(self._leases) >= _MOST_REMEMBERED:
                self._leases.clear()
            lease = self._leases[key] = _Lease(key, quota)
        return lease

    async def _ask(self, leases: list[_Lease]) -> None:
        """Renew leases in one round trip; who comes while another request is at it waits for that one's answer."""
        for lease in leases:
            if lease.is_asking is not None:
                await lease.is_asking.wait()
                return
        answered = asyncio.Event()
        for lease in leases:
            lease.is_asking = answered
        try:
            demands = [Demand(lease.key, lease.quota, lease.size, lease.held) for lease in leases]
            grants = await self._buckets.take(demands)
            now = monotonic()
            for lease, grant in zip(leases, grants, strict=True):
                lease.renew(grant, now)
        finally:
            for lease in leases:
                lease.is_asking = None
            answered.set()


def rate_limit_headers(leases: Sequence[_Lease]) -> Headers:
    """Write RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10), one item for each quota.

    `t` are the seconds until the bucket is full again. The draft is not final, so nothing else writes these headers.
    """
    policies = ", ".join([lease.quota.policy for lease in leases])
    states = ", ".join([f'"{lease.quota.name}";r={lease.tokens};t={_full_in(lease)}' for lease in leases])
    return (b"ratelimit-policy", policies.encode()), (b"ratelimit", states.encode())


def _full_in(lease: _Lease) -> int:
    quota = lease.quota
    return -((lease.tokens - quota.tokens) * quota.window_seconds // quota.tokens)


def _refusal(lease: _Lease, now: float) -> RateLimitedError:
    quota = lease.quota
    return RateLimitedError(
        f"The {quota.name} has used up its {quota.tokens} requests in {quota.window_seconds} seconds.",
        params={"policy": quota.name, "quota": quota.tokens, "window_seconds": quota.window_seconds},
        retry_after=timedelta(seconds=max(1, ceil(lease.has_token_at - now))),
    )
