"""The token bucket: so many requests in a time, refilled evenly, kept as one number.

The number is the instant at which the bucket will be full again (the generic cell rate algorithm, GCRA): taking a token
moves it by the time that one token takes to come back. This module is the rule and its form for one process; the same
rule runs as a script inside Valkey, in `kit.shared_buckets`. Whose bucket is asked, and what a refusal looks like, is
the concern of `kit.rate_limits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from time import time
from typing import Protocol

MICROSECONDS = 1_000_000
_MOST_REMEMBERED = 50_000


@dataclass(frozen=True)
class Quota:
    """A bucket of `tokens` that fills within `window_seconds`: a burst of all of them, then one at a time."""

    name: str
    tokens: int
    window_seconds: int = 60

    @cached_property
    def policy(self) -> str:
        """Write the quota as an item of the header RateLimit-Policy."""
        return f'"{self.name}";q={self.tokens};w={self.window_seconds}'

    @cached_property
    def interval(self) -> int:
        """Give the microseconds in which one token comes back."""
        return max(1, self.window_seconds * MICROSECONDS // self.tokens)

    @cached_property
    def window(self) -> int:
        """Give the microseconds in which an empty bucket fills; whole intervals, so that it holds no token too many."""
        return self.interval * self.tokens


@dataclass(frozen=True, slots=True)
class Demand:
    """Ask a bucket for `wanted` tokens, after giving `returned` ones back that were taken and not used."""

    key: str
    quota: Quota
    wanted: int
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bucket gave: fewer tokens than wanted when it runs low, none when it is empty.

    `left` are the tokens that remain in it, `wait_seconds` the time until it has one again.
    """

    tokens: int
    left: int
    wait_seconds: float


class Buckets(Protocol):
    """Wherever the numbers are kept."""

    async def take(self, demands: Sequence[Demand]) -> list[Grant]:
        """Answer each demand, in order."""


def take(full_at: int, demand: Demand, now: int) -> tuple[int, Grant]:
    """Take tokens from a bucket that will be full at `full_at`; gives the new instant and the grant.

    Never more than half of what is there is given at once, so that one process cannot hold what another one needs.
    All instants are in microseconds.
    """
    interval = demand.quota.interval
    full_at = max(full_at - demand.returned * interval, now)
    there = max(0, (now + demand.quota.window - full_at) // interval)
    tokens = min(demand.wanted, (there + 1) // 2)
    full_at += tokens * interval
    wait = full_at + interval - (now + demand.quota.window)
    return full_at, Grant(tokens, there - tokens, max(0, wait) / MICROSECONDS)


class LocalBuckets:
    """Buckets of this process alone."""

    def __init__(self) -> None:
        self._full_at: dict[str, int] = {}

    async def take(self, demands: Sequence[Demand]) -> list[Grant]:
        """Answer each demand, in order."""
        now = int(time() * MICROSECONDS)
        grants = []
        for demand in demands:
            if len(self._full_at) >= _MOST_REMEMBERED:
                self._full_at = {key: at for key, at in self._full_at.items() if at > now}
            self._full_at[demand.key], grant = take(self._full_at.get(demand.key, now), demand, now)
            grants.append(grant)
        return grants
