"""The hours on a wall: what is open by the local time of one zone, turned into instants.

The only place where offsets, gaps and repeated hours matter. Which dates are special, closed or in a season is decided
here, by one order: a holiday wins over the hours of a date, these over the week of a season, and that over the usual
week. Running totals over the spans are `domain.timeline`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from helpdesk_api.domain.timeline import Layout

_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Wall time [start, end) in seconds of the local day; an `end` beyond 86,400 lies on the next date."""

    start: int
    end: int


Hours = tuple[Interval, ...]

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Season:
    """Another week for the dates from `first_on` through `last_on`, and perhaps for the same part of later years.

    In a year without a 29 February, a season that begins on it begins on 1 March, and one that ends on it ends on
    28 February.
    """

    first_on: date
    last_on: date
    weekly: tuple[Hours, ...]
    repeats_yearly: bool = False

    def dates(self, first: int, last: int) -> Iterator[range]:
        """Yield what the season covers of the dates from `first` through `last`, all of them proleptic ordinals."""
        latest = date.fromordinal(last).year if self.repeats_yearly else self.first_on.year
        for later in range(latest - self.first_on.year + 1):
            begins, ends = _years_later(self.first_on, later, 1), _years_later(self.last_on, later, 0)
            covered = range(max(begins, first), min(ends, last) + 1)
            if covered:
                yield covered


class WallHours:
    """The open time of one set of hours, by the wall clock of one zone."""

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        weekly: tuple[Hours, ...],
        seasons: Sequence[Season],
        special_hours: Mapping[date, Hours],
        holidays: Mapping[date, Hours],
    ) -> None:
        self._zone = zone
        self._weekly = weekly
        self._seasons = seasons
        self._special_hours = {on.toordinal(): hours for on, hours in special_hours.items()}
        self._holidays = {on.toordinal(): hours for on, hours in holidays.items()}
        self._patterns: dict[tuple[int, int, int], tuple[int, ...]] = {}

    def open_edges(self, begin: int, end: int) -> list[int]:
        """Give the edges of the open spans within [begin, end), cut at both, in microseconds."""
        first, last = begin // _MICROSECONDS, -(-end // _MICROSECONDS)
        wall = self._wall_edges(first, last)
        edges: list[int] = []
        for spell_begin, spell_end, offset in _spells(self._zone, first, last):
            # While one offset holds, wall time is instant plus offset: cutting each span to the spell drops what the
            # zone skips and doubles what it repeats.
            there = _cut(wall, spell_begin + offset, spell_end + offset)
            _join(edges, [(edge - offset) * _MICROSECONDS for edge in there])
        return _cut(edges, begin, end)

    def _wall_edges(self, begin: int, end: int) -> list[int]:
        """Give the edges of all dates that can touch these instants, in wall seconds since 1970-01-01 00:00."""
        # A zone is at most a day off.
        first, last = begin // _DAY + _EPOCH_ORDINAL - 1, end // _DAY + _EPOCH_ORDINAL + 1
        weeks = self._weeks(first - 1, last)
        edges: list[int] = []
        yesterday = self._hours(first - 1, weeks)
        for ordinal in range(first, last + 1):
            today = self._hours(ordinal, weeks)
            midnight = (ordinal - _EPOCH_ORDINAL) * _DAY
            _join(edges, [midnight + edge for edge in self._pattern(ordinal, today, yesterday)])
            yesterday = today
        return edges

    def _hours(self, ordinal: int, weeks: Mapping[int, tuple[Hours, ...]]) -> Hours:
        hours = self._special_hours.get(ordinal)
        # The first ordinal, 0001-01-01, was a Monday.
        return weeks.get(ordinal, self._weekly)[(ordinal - 1) % 7] if hours is None else hours

    def _pattern(self, ordinal: int, today: Hours, yesterday: Hours) -> tuple[int, ...]:
        """Give the edges within one date, in seconds from its midnight.

        Most dates of a calendar look alike, so each look is worked out once: that makes laying out a year of the
        densest hours as cheap as one of office hours.
        """
        closed = self._holidays.get(ordinal, ())
        # All of them live as long as this object, so their identities stay apart; hashing them would cost more.
        key = id(today), id(yesterday), id(closed)
        pattern = self._patterns.get(key)
        if pattern is None:
            opened = [(interval.start, min(interval.end, _DAY)) for interval in today]
            opened += [(0, interval.end - _DAY) for interval in yesterday if interval.end > _DAY]
            shut = [(interval.start, interval.end) for interval in closed]
            spans = _without(_merged(opened), _merged(shut))
            pattern = self._patterns[key] = tuple(edge for span in spans for edge in span)
        return pattern

    def _weeks(self, first: int, last: int) -> dict[int, tuple[Hours, ...]]:
        """Give the week of each date that lies in a season; of several seasons the first counts."""
        weeks: dict[int, tuple[Hours, ...]] = {}
        for season in reversed(self._seasons):
            for covered in season.dates(first, last):
                weeks |= dict.fromkeys(covered, season.weekly)
        return weeks


def layout(in_force: Sequence[tuple[int, WallHours]]) -> Layout:
    """Lay out hours that were in force one after the other, each until an instant."""

    def open_edges(begin: int, end: int) -> list[int]:
        edges: list[int] = []
        for until, hours in in_force:
            if begin < until and begin < end:
                _join(edges, hours.open_edges(begin, min(until, end)))
                begin = until
        return edges

    return open_edges


def _cut(edges: list[int], begin: int, end: int) -> list[int]:
    """Give the part of these edges that lies in [begin, end), with an edge at either end that lies in open time."""
    since, until = bisect_right(edges, begin), bisect_left(edges, end)
    if until < since:
        # Nothing begins or ends in between.
        return [begin, end] if since % 2 else []
    return [*([begin] if since % 2 else []), *edges[since:until], *([end] if until % 2 else [])]


def _join(edges: list[int], more: list[int]) -> None:
    """Append later edges; two spans that touch are one."""
    if edges and more and edges[-1] == more[0]:
        edges.pop()
        del more[0]
    edges.extend(more)


def _years_later(on: date, years: int, day_over: int) -> int:
    """Give the ordinal of the same date in a later year; a 29 February that is missing is left by `day_over` days."""
    try:
        return on.replace(year=on.year + years).toordinal()
    except ValueError:
        return date(on.year + years, 2, 28).toordinal() + day_over


def _spells(zone: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, end, offset) of each part of a period during which one offset holds, in seconds."""
    for year in range(_year_of(begin), _year_of(end - 1) + 1):
        for since, until, offset in _offset_spells(zone, year):
            if since < end and until > begin:
                yield max(since, begin), min(until, end), offset


def _year_of(second: int) -> int:
    return date.fromordinal(second // _DAY + _EPOCH_ORDINAL).year


def _merged(spans: list[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _without(spans: list[_Span], closed: list[_Span]) -> list[_Span]:
    left: list[_Span] = []
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
