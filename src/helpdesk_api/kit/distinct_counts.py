"""Counting how many different things somebody had to do with in a time, over all processes.

Valkey holds the set while it answers, so that a thing counts once however many processes served it, and exactly one of
them is told that a bound was passed. Each process remembers what it has told already and asks only for what is new to
it. While Valkey is away, each counts by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from helpdesk_api.kit.shared_store import SharedStore

_PREFIX = "helpdesk:distinct:"
_MOST_REMEMBERED = 10_000

# Gives 1 to the call that passes the bound, 2 to those after it, else 0. A set that has passed it grows no further.
_SCRIPT = """
local most = tonumber(ARGV[1])
if redis.call('SCARD', KEYS[1]) > most then
    return 2
end
for number = 3, #ARGV do
    redis.call('SADD', KEYS[1], ARGV[number])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('SCARD', KEYS[1]) > most then
    return 1
end
return 0
"""
_PASSED_NOW = 1


@dataclass(slots=True)
class _Known:
    """What this process has counted for one key."""

    ends_at: datetime
    things: set[str] = field(default_factory=set)
    is_passed: bool = False

    def pass_bound(self) -> bool:
        """Note that the bound was passed; tells whether that is news."""
        was_passed, self.is_passed = self.is_passed, True
        return not was_passed


class DistinctCounts:
    """The counts that one process takes part in."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}

    async def passes(self, key: str, things: Collection[str], *, most: int, within: timedelta, now: datetime) -> bool:
        """Count things for a key in the running hour, or whatever `within` is; tells whether these passed the bound.

        It is told once for each key and time, to one caller.
        """
        window = int(now.timestamp() // within.total_seconds())
        ends_at = datetime.fromtimestamp((window + 1) * within.total_seconds(), now.tzinfo)
        known = self._of(f"{key}:{window}", ends_at, now)
        new = set(things) - known.things
        if known.is_passed or not new:
            return False
        left_milliseconds = max(1, int((ends_at - now).total_seconds() * 1_000))
        answer = await self._store.run(_SCRIPT, [f"{_PREFIX}{key}:{window}"], [most, left_milliseconds, *sorted(new)])
        # Only now: who hangs up while Valkey is asked has not been counted yet.
        known.things |= new
        if answer is None:
            return len(known.things) > most and known.pass_bound()
        if answer:
            known.pass_bound()
        return bool(answer == _PASSED_NOW)

    def _of(self, key: str, ends_at: datetime, now: datetime) -> _Known:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {name: known for name, known in self._known.items() if known.ends_at > now}
        return self._known.setdefault(key, _Known(ends_at))
