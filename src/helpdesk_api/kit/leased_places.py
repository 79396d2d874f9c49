"""Places of which there are so many over all processes: who takes one holds it by a lease in Valkey until leaving.

A process renews the leases of what it holds, so those of one that was killed run out by themselves, and what a flush
has taken is there again. While `kit.shared_store` is away each process counts what it holds itself: nobody is turned
away because Valkey is, and nobody who has a place loses it. Whose places they are is said by `kit.live`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Final
from uuid import uuid4

from helpdesk_api.kit.shared_store import SharedStore

LEASE: Final = timedelta(seconds=30)

_PREFIX: Final = "helpdesk:places:"
_RENEWED_TOGETHER: Final = 500
# Many who come at once must not use up the patience of `shared_store` with waiting for a connection.
_ASKED_AT_ONCE: Final = 4

# A sorted set for each subject: who holds a place, by when the lease runs out. Answers with the number of the subject
# that has no place left, or with 0. ARGV: who, milliseconds, the most of each subject.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for number, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) >= tonumber(ARGV[2 + number]) then
        return number
    end
end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + tonumber(ARGV[2]), ARGV[1])
    redis.call('PEXPIRE', key, ARGV[2])
end
return 0
"""
_RENEW: Final = """
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
for number = 2, #ARGV do
    redis.call('ZADD', KEYS[1], until_, ARGV[number])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
_LEAVE: Final = """
for number = 1, #ARGV do
    redis.call('ZREM', KEYS[1], ARGV[number])
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """How many places a subject has; the keys of one call should be of one tenant, for a cluster's sake."""

    key: str
    most: int


class NoPlaceLeftError(Exception):
    """All places of a subject are taken."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.key)
        self.bound = bound


class LeasedPlaces:
    """The places that this process holds."""

    def __init__(self, store: SharedStore, *, lease: timedelta = LEASE) -> None:
        self._store = store
        self._milliseconds = int(lease.total_seconds() * 1_000)
        self._renews_after = lease.total_seconds() / 3
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._left: defaultdict[str, list[str]] = defaultdict(list)
        self._stirred = asyncio.Event()

    @asynccontextmanager
    async def place(self, bounds: Sequence[Bound]) -> AsyncIterator[None]:
        """Hold a place of every subject for as long as the block lasts; raises NoPlaceLeftError."""
        for bound in bounds:
            if len(self._held.get(bound.key, ())) >= bound.most:
                raise NoPlaceLeftError(bound)
        who = uuid4().hex
        for bound in bounds:
            self._held[bound.key].add(who)
        try:
            await self._take(who, bounds)
            yield
        finally:
            for bound in bounds:
                self._held[bound.key].discard(who)
                # Also of one that was cut off while it asked: it may have been given a place.
                self._left[bound.key].append(who)
            self._stirred.set()

    async def keep(self) -> None:
        """Renew what is held and give back what was left, until cancelled; in turn, so neither undoes the other."""
        clock = asyncio.get_running_loop().time
        renewed_at = clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, renewed_at + self._renews_after - clock())):
                    await self._stirred.wait()
            self._stirred.clear()
            await self.give_back()
            if clock() >= renewed_at + self._renews_after:
                renewed_at = clock()
                await self._renew()

    async def give_back(self) -> None:
        """Give back what was left since the last time; what Valkey is not told of runs out by itself."""
        for key, left in list(self._left.items()):
            if not self._held[key]:
                del self._held[key]
            members = left.copy()
            await self._store.run(_LEAVE, [_PREFIX + key], members)
            del left[: len(members)]
            if not left:
                del self._left[key]

    async def _take(self, who: str, bounds: Sequence[Bound]) -> None:
        arguments: list[str | int] = [who, self._milliseconds, *(bound.most for bound in bounds)]
        async with self._asking:
            answer = await self._store.run(_TAKE, [_PREFIX + bound.key for bound in bounds], arguments)
        if answer:
            raise NoPlaceLeftError(bounds[answer - 1])

    async def _renew(self) -> None:
        for key, held in list(self._held.items()):
            members = iter(sorted(held))
            while some := list(islice(members, _RENEWED_TOGETHER)):
                # Whoever has left meanwhile is given back afterwards.
                await self._store.run(_RENEW, [_PREFIX + key], [self._milliseconds, *some])


@asynccontextmanager
async def leased_places(store: SharedStore, *, lease: timedelta = LEASE) -> AsyncIterator[LeasedPlaces]:
    """Keep the places of a process, and give back what it still holds when it ends."""
    places = LeasedPlaces(store, lease=lease)
    keeping = asyncio.create_task(places.keep(), name="leases of places")
    try:
        yield places
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await places.give_back()
