"""Open hours worked out the slow way, to judge the fast one: walk real time in small steps and look at the clock.

Written from the rules alone and sharing no code with the product: every step of UTC is converted to wall time and held
against the hours of that date. A window of steps answers for the questions that lie inside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Spans = tuple[tuple[int, int], ...]

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Rules:
    """A calendar as plain data: spans of local seconds per weekday from Monday, per special date, per holiday."""

    zone: str
    weekly: tuple[Spans, ...]
    special: Mapping[date, Spans] = field(default_factory=dict)
    holidays: Mapping[date, Spans] = field(default_factory=dict)

    def opens_at(self, on: date, second: int) -> bool:
        """Say whether people work when the wall shows this date and second of the day."""
        if any(begin <= second < end for begin, end in self.holidays.get(on, ())):
            return False
        if any(begin <= second < end for begin, end in self._hours(on)):
            return True
        yesterday = on - timedelta(days=1)
        return any(begin <= second + DAY_SECONDS < end for begin, end in self._hours(yesterday))

    def _hours(self, on: date) -> Spans:
        return self.special[on] if on in self.special else self.weekly[on.weekday()]


@lru_cache(maxsize=256)
def wall_clock(zone: str, begin: datetime, steps: int, step: timedelta) -> tuple[tuple[date, int], ...]:
    """Return what the wall clock of the zone shows at each step."""
    shown = []
    info = ZoneInfo(zone)
    for number in range(steps):
        local = (begin + number * step).astimezone(info)
        shown.append((local.date(), local.hour * 3600 + local.minute * 60 + local.second))
    return tuple(shown)


class Walk:
    """The open steps of one window of UTC. Edges of hours must fall on steps, instants asked about need not."""

    def __init__(
        self, rules: Rules, begin: datetime, length: timedelta, step: timedelta = timedelta(minutes=1)
    ) -> None:
        self.begin = begin
        self.end = begin + length
        self.step = step
        self.open = [rules.opens_at(on, second) for on, second in wall_clock(rules.zone, begin, length // step, step)]

    def is_open(self, at: datetime) -> bool:
        return self.open[(at - self.begin) // self.step]

    def between(self, start: datetime, end: datetime) -> timedelta:
        first, last = (start - self.begin) // self.step, (end - self.begin) // self.step
        if first == last:
            return end - start if self.is_open(start) else timedelta()
        passed = sum(self.open[first + 1 : last]) * self.step
        if self.open[first]:
            passed += self._instant(first + 1) - start
        if end > self._instant(last) and self.open[last]:
            passed += end - self._instant(last)
        return passed

    def add(self, start: datetime, amount: timedelta) -> datetime | None:
        """Return the earliest instant at which the amount is used up, or None if that is outside the window."""
        if not amount:
            return start
        left = amount
        for number in range((start - self.begin) // self.step, len(self.open)):
            if not self.open[number]:
                continue
            begin = max(start, self._instant(number))
            there = self._instant(number + 1) - begin
            if left <= there:
                return begin + left
            left -= there
        return None

    def subtract(self, end: datetime, amount: timedelta) -> datetime | None:
        """Return the latest instant from which the amount passes until the end, or None if outside the window."""
        if not amount:
            return end
        left = amount
        for number in range((end - self.begin) // self.step, -1, -1):
            if number == len(self.open) or not self.open[number]:
                continue
            finish = min(end, self._instant(number + 1))
            there = finish - self._instant(number)
            if left <= there:
                # Reaching back to the very beginning of a step: nothing later would do, so this is the latest.
                return finish - left
            left -= there
        return None

    def open_spans(self) -> list[tuple[datetime, datetime]]:
        spans: list[tuple[datetime, datetime]] = []
        for number, is_open in enumerate(self.open):
            if not is_open:
                continue
            if number and self.open[number - 1]:
                spans[-1] = (spans[-1][0], self._instant(number + 1))
            else:
                spans.append((self._instant(number), self._instant(number + 1)))
        return spans

    def _instant(self, number: int) -> datetime:
        return self.begin + number * self.step


def utc(text: str) -> datetime:
    """Read `2026-03-08 06:30` or with seconds as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
