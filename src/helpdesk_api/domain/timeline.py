"""A calendar's open spans on the UTC axis, laid out a year at a time as far as anyone asked, with running totals.

Turns wall times of a zone into instants, which is the only place where offsets, gaps and repeated hours matter. Knows
nothing of budgets, directions or refusals: `domain.business_time` asks for a stretch of years and searches it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2099

_ORIGIN_YEAR: Final = 2020
_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Wall time [start, end) in seconds of the local day; an `end` beyond 86,400 lies on the next date."""

    start: int
    end: int


Hours = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The open time of whole UTC years, in microseconds since 1970.

    `edges` are openings and closings in turn; `positions` are the open time from the origin up to each of them.
    """

    first_year: int
    last_year: int
    since: int
    until: int
    edges: Sequence[int]
    positions: Sequence[int]
    least: int
    total: int


class Timeline:
    """The open time of one calendar; it grows both ways from a fixed origin.

    A stretch is never changed, only replaced by a longer one, so whoever holds one may go on reading it.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        weekly: tuple[Hours, ...],
        special_hours: Mapping[date, Hours],
        holidays: Mapping[date, Hours],
    ) -> None:
        self._zone = zone
        self._weekly = weekly
        self._special_hours = {on.toordinal(): hours for on, hours in special_hours.items()}
        self._holidays = {on.toordinal(): hours for on, hours in holidays.items()}
        origin = _year_start(_ORIGIN_YEAR) * _MICROSECONDS
        self.stretch = Stretch(_ORIGIN_YEAR, _ORIGIN_YEAR - 1, origin, origin, array("q"), array("q"), 0, 0)

    def through(self, year: int) -> Stretch:
        """Return a stretch that reaches from the origin, or from before it, through `year`."""
        stretch = self.stretch
        for later in range(stretch.last_year + 1, year + 1):
            stretch = self._with_later_year(stretch, later)
        for earlier in range(stretch.first_year - 1, year - 1, -1):
            stretch = self._with_earlier_year(stretch, earlier)
        self.stretch = stretch
        return stretch

    def _with_later_year(self, stretch: Stretch, year: int) -> Stretch:
        edges, positions = array("q", stretch.edges), array("q", stretch.positions)
        total = stretch.total
        for opens, closes in self._open_spans(year):
            if edges and edges[-1] == opens:
                # The span only seemed to end with its year.
                edges.pop()
                positions.pop()
            else:
                edges.append(opens)
                positions.append(total)
            total += closes - opens
            edges.append(closes)
            positions.append(total)
        until = _year_start(year + 1) * _MICROSECONDS
        return Stretch(stretch.first_year, year, stretch.since, until, edges, positions, stretch.least, total)

    def _with_earlier_year(self, stretch: Stretch, year: int) -> Stretch:
        edges, positions = array("q"), array("q")
        spans = list(self._open_spans(year))
        least = position = stretch.least - sum(closes - opens for opens, closes in spans)
        for opens, closes in spans:
            edges.extend((opens, closes))
            positions.extend((position, position + closes - opens))
            position += closes - opens
        joined = 1 if edges and stretch.edges and edges[-1] == stretch.edges[0] else 0
        if joined:
            edges.pop()
            positions.pop()
        edges.extend(stretch.edges[joined:])
        positions.extend(stretch.positions[joined:])
        since = _year_start(year) * _MICROSECONDS
        return Stretch(year, stretch.last_year, since, stretch.until, edges, positions, least, stretch.total)

    def _open_spans(self, year: int) -> Iterator[Span]:
        """Yield the open spans of one UTC year in microseconds, in order and apart from each other."""
        wall_spans = self._wall_spans(year)
        pending: Span | None = None
        for begin, end, offset in _offset_spells(self._zone, year):
            for wall_opens, wall_closes in wall_spans:
                # While one offset holds, wall time is instant plus offset: cutting each span to the spell drops what
                # the zone skips and doubles what it repeats.
                opens, closes = max(wall_opens - offset, begin), min(wall_closes - offset, end)
                if opens >= closes:
                    continue
                if pending and pending[1] == opens:
                    pending = (pending[0], closes)
                    continue
                if pending:
                    yield pending[0] * _MICROSECONDS, pending[1] * _MICROSECONDS
                pending = (opens, closes)
        if pending:
            yield pending[0] * _MICROSECONDS, pending[1] * _MICROSECONDS

    def _wall_spans(self, year: int) -> list[Span]:
        """Return the open spans of all dates that can touch the UTC year, in wall seconds since 1970-01-01 00:00."""
        # A zone is at most a day off, and a night shift begins a day before it ends.
        ordinals = range(date(year, 1, 1).toordinal() - 2, date(year + 1, 1, 1).toordinal() + 2)
        opened: list[Span] = []
        closed: list[Span] = []
        for ordinal in ordinals:
            midnight = (ordinal - _EPOCH_ORDINAL) * _DAY
            hours = self._special_hours.get(ordinal)
            # The first ordinal, 0001-01-01, was a Monday.
            opened.extend(_spans(midnight, self._weekly[(ordinal - 1) % 7] if hours is None else hours))
            closed.extend(_spans(midnight, self._holidays.get(ordinal, ())))
        return _without(_merged(opened), _merged(closed))


def _spans(midnight: int, hours: Hours) -> Iterable[Span]:
    return [(midnight + interval.start, midnight + interval.end) for interval in hours]


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _without(spans: list[Span], closed: list[Span]) -> list[Span]:
    left: list[Span] = []
    passed = 0
    for begin, end in spans:
        opens = begin
        while passed < len(closed) and closed[passed][1] <= opens:
            passed += 1
        for index in range(passed, len(closed)):
            shuts, reopens = closed[index]
            if shuts >= end:
                break
            if shuts > opens:
                left.append((opens, shuts))
            opens = reopens
        if opens < end:
            left.append((opens, end))
    return left


@lru_cache(maxsize=4096)
def _offset_spells(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """Return (begin, end, offset) of each part of the UTC year during which one offset holds, in seconds."""
    begin, until = _year_start(year), _year_start(year + 1)
    offset = _offset(zone, begin)
    spells: list[tuple[int, int, int]] = []
    # `zoneinfo` does not tell its transitions, so they are looked for. No zone ever had two of them within a day: the
    # closest pair on record, in Freetown in 1939, lies four days apart.
    for midnight in range(begin + _DAY, until + 1, _DAY):
        if _offset(zone, midnight) == offset:
            continue
        turn = _turn(zone, midnight - _DAY, midnight)
        spells.append((begin, turn, offset))
        begin, offset = turn, _offset(zone, midnight)
    spells.append((begin, until, offset))
    return tuple(spells)


def _turn(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the first second at which the offset is no longer what it was at `before`."""
    offset = _offset(zone, before)
    seconds = range(before, after + 1)
    return seconds[bisect_left(seconds, 1, key=lambda second: int(_offset(zone, second) != offset))]


def _offset(zone: ZoneInfo, second: int) -> int:
    instant = datetime.fromtimestamp(second, UTC)
    # What the wall clock shows, read as if it were UTC, is ahead of the instant by the offset.
    return int((instant.astimezone(zone).replace(tzinfo=UTC) - instant).total_seconds())


def _year_start(year: int) -> int:
    return (date(year, 1, 1).toordinal() - _EPOCH_ORDINAL) * _DAY
