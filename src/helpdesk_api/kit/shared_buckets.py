"""Token buckets in Valkey, so that every process counts together; and what happens while Valkey is away.

A demand is answered by one script, atomically and by Valkey's own clock. The first failure trips a breaker: from then
on each process counts by itself, and asks Valkey again only from a task in the background, so that no request waits for
a server that does not answer. Meanwhile a caller may get as much from each process as otherwise from all: limits fail
open, because a help desk that answers is worth more than a count that is exact.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from helpdesk_api.kit.token_bucket import MICROSECONDS, Demand, Grant, LocalBuckets

log = structlog.get_logger()

_PREFIX = "helpdesk:bucket:"
_PATIENCE_SECONDS = 0.25
_PROBE_SECONDS = 1.0
_CONNECTIONS = 8
_FAILURES = (RedisError, OSError, TimeoutError)

# The rule of `token_bucket.take`, for several buckets at once: four arguments for each.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for number, key in ipairs(KEYS) do
    local interval, window = tonumber(ARGV[4 * number - 3]), tonumber(ARGV[4 * number - 2])
    local wanted, returned = tonumber(ARGV[4 * number - 1]), tonumber(ARGV[4 * number])
    local full_at = math.max((tonumber(redis.call('GET', key)) or now) - returned * interval, now)
    local there = math.max(0, math.floor((now + window - full_at) / interval))
    local tokens = math.min(wanted, math.floor((there + 1) / 2))
    full_at = full_at + tokens * interval
    if full_at > now then
        redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
    else
        redis.call('DEL', key)
    end
    answer[number] = {tokens, there - tokens, math.max(0, full_at + interval - now - window)}
end
return answer
"""


class SharedBuckets:
    """Buckets in Valkey while it answers, else in this process. Close it to end its connections."""

    def __init__(self, redis_url: str | None) -> None:
        self._local = LocalBuckets()
        self._redis: Redis | None = None
        self._recovering: asyncio.Task[None] | None = None
        if redis_url is not None:
            self._redis = Redis(connection_pool=_pool(redis_url))
            self._script = self._redis.register_script(_SCRIPT)

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes are counted with."""
        return self._redis is not None and self._recovering is None

    async def take(self, demands: Sequence[Demand]) -> list[Grant]:
        """Answer each demand, in order; the buckets of one call should be of one tenant, for a cluster's sake."""
        if self.is_shared:
            try:
                return await self._take_shared(demands)
            except _FAILURES as error:
                self._trip(error)
        return await self._local.take(demands)

    async def close(self) -> None:
        """End what runs in the background, and the connections."""
        if self._recovering is not None:
            self._recovering.cancel()
            with suppress(asyncio.CancelledError):
                await self._recovering
        if self._redis is not None:
            with suppress(*_FAILURES):
                await self._redis.aclose(close_connection_pool=True)

    async def _take_shared(self, demands: Sequence[Demand]) -> list[Grant]:
        arguments = [
            number
            for demand in demands
            for number in (demand.quota.interval, demand.quota.window, demand.wanted, demand.returned)
        ]
        answer = await self._script(keys=[_PREFIX + demand.key for demand in demands], args=arguments)
        return [Grant(tokens, left, wait / MICROSECONDS) for tokens, left, wait in answer]

    def _trip(self, error: BaseException) -> None:
        if self._recovering is None:
            log.warning("rate_limits.counted_alone", error=type(error).__name__)
            self._recovering = asyncio.create_task(self._recover(), name="rate limits: waiting for Valkey")

    async def _recover(self) -> None:
        redis = cast("Any", self._redis)
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            with suppress(*_FAILURES):
                await redis.ping()
                break
        self._recovering = None
        log.info("rate_limits.counted_together")


def _pool(redis_url: str) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        redis_url,
        max_connections=_CONNECTIONS,
        timeout=_PATIENCE_SECONDS,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
    )
