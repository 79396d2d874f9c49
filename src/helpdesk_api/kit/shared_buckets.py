"""Token buckets in Valkey, so that every process counts together; and what happens while Valkey is away.

A demand is answered by one script, atomically and by Valkey's own clock. While `kit.shared_store` is away each process
counts by itself: a caller may then get as much from each process as otherwise from all. Limits fail open, because a
help desk that answers is worth more than a count that is exact.
"""

from collections.abc import Sequence

from helpdesk_api.kit.shared_store import SharedStore
from helpdesk_api.kit.token_bucket import MICROSECONDS, Demand, Grant, LocalBuckets

_PREFIX = "helpdesk:bucket:"

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
    """Buckets in Valkey while it answers, else in this process."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._local = LocalBuckets()

    async def take(self, demands: Sequence[Demand]) -> list[Grant]:
        """Answer each demand, in order; the buckets of one call should be of one tenant, for a cluster's sake."""
        arguments = [
            number
            for demand in demands
            for number in (demand.quota.interval, demand.quota.window, demand.wanted, demand.returned)
        ]
        answer = await self._store.run(_SCRIPT, [_PREFIX + demand.key for demand in demands], arguments)
        if answer is None:
            return await self._local.take(demands)
        return [Grant(tokens, left, wait / MICROSECONDS) for tokens, left, wait in answer]
