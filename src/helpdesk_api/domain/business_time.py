"""Open hours and arithmetic on them: when a budget of open time is used up, and how much lies between two instants.

Owns what a calendar means; `domain.wall_hours` turns its hours into instants, `domain.timeline` lays them out on the
UTC axis, and what the time is measured for (clocks, targets, pauses) belongs to `domain.sla`. Instants are aware,
results are UTC, durations are real elapsed time kept to the microsecond. Instants before 1970 or after 2099 are
refused.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.timeline import FIRST_YEAR, LAST_YEAR, Stretch, Timeline
from helpdesk_api.domain.wall_hours import Hours, Interval, Season, WallHours, layout

__all__ = ["ALWAYS_OPEN", "Calendar", "Interval", "Season", "zone_named"]

HORIZON: Final = timedelta(days=7_305)
"""Twenty years. A budget that is not used up by then was put on a calendar that (nearly) never opens."""

MOST_INTERVALS: Final = 24
"""Per day. No real day has more, and the bound keeps a hostile calendar from filling the memory."""

_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = timedelta()
_MICROSECOND: Final = timedelta(microseconds=1)
_HORIZON_MICROSECONDS: Final = HORIZON // _MICROSECOND
_SUPPORTED_SINCE: Final = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_SUPPORTED_UNTIL: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class UnknownTimeZoneError(InvalidError):
    """The name is not one of the IANA time zones."""

    code = "unknown_time_zone"
    title = "There is no such time zone"


class InvalidCalendarError(InvalidError):
    """The hours of a calendar contradict each other or lie outside of a day."""

    code = "invalid_calendar"
    title = "The hours do not form a calendar"


class ReversedPeriodError(InvalidError):
    """A period ends before it starts."""

    code = "reversed_period"
    title = "The end lies before the start"


class NegativeDurationError(InvalidError):
    """A length of open time is less than nothing."""

    code = "negative_duration"
    title = "A duration cannot be negative"


class InstantOutOfRangeError(InvalidError):
    """An instant lies before the first or after the last year that is computed with."""

    code = "instant_out_of_range"
    title = "The instant is outside the supported years"


class BudgetOutOfReachError(InvalidError):
    """The calendar is not open long enough within the time that is looked at for this to be due ever."""

    code = "budget_out_of_reach"
    title = "The calendar does not open for that long"


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """Return the IANA time zone of that name. Raises UnknownTimeZoneError."""
    refusal = UnknownTimeZoneError(f"{name!r} is not the name of an IANA time zone", params={"zone": name})
    # A machine's own zone and the variants that count leap seconds lie beside the IANA names without being ones.
    if name.startswith(("posix/", "right/")) or name in {"localtime", "posixrules", "Factory"}:
        raise refusal
    try:
        return ZoneInfo(name)
    # KeyError: no such zone. ValueError: not a relative path, or not a zone file. OSError: a directory, or too long.
    except (KeyError, ValueError, OSError) as error:
        raise refusal from error


@dataclass(frozen=True, slots=True)
class Calendar:
    """When people work, in the wall time of one zone. Equal calendars share their computed timeline.

    `weekly` holds seven days, Monday first; a date in one of the `seasons` has the week of the first that covers it.
    `special_hours` replace the weekly hours of one date, which is also how a
    Saturday becomes a working day; hours belong to the date on which they begin, so a night shift keeps its tail when
    the next date has special hours. `holidays` are closed spans of one local date and win over everything, the tail of
    the night shift that began the day before included. Intervals may overlap or touch; they count once.

    An instant is open when the wall clock of the zone shows an open time. So an hour that the spring change skips is
    never worked and an edge in the gap is the instant of the change, and an hour that the autumn change repeats is
    worked twice: a night shift over the change is an hour shorter or longer, a day of 09:00 to 17:00 notices nothing.

    `earlier` are the hours that were in force before, each with the instant until which they were, in this order: a
    moment is open when the hours in force at that moment say so.
    """

    zone: str
    weekly: tuple[Hours, ...]
    special_hours: Mapping[date, Hours] = field(default_factory=dict, hash=False)
    holidays: Mapping[date, Hours] = field(default_factory=dict, hash=False)
    seasons: tuple[Season, ...] = ()
    earlier: tuple[tuple[datetime, "Calendar"], ...] = ()
    _timeline: Timeline = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the hours, detach from the caller's mappings and find the timeline that equal calendars share."""
        for week in (self.weekly, *(season.weekly for season in self.seasons)):
            if len(week) != 7:  # noqa: PLR2004 - the number of days in a week needs no name.
                raise InvalidCalendarError(f"a week has seven days, not {len(week)}")
            _check_hours(week)
        _check_hours((*self.special_hours.values(), *self.holidays.values()))
        for on, closed in self.holidays.items():
            if any(interval.end > _DAY for interval in closed):
                raise InvalidCalendarError(f"the holiday of {on} reaches into the next date, which needs its own")
        for season in self.seasons:
            if season.last_on < season.first_on or (season.repeats_yearly and _is_over_a_year(season)):
                raise InvalidCalendarError(f"a season from {season.first_on} to {season.last_on} is not possible")
        if any(until >= later for (until, _), (later, _) in pairwise(self.earlier)):
            raise InvalidCalendarError("earlier hours must be in the order in which they were in force")
        object.__setattr__(self, "special_hours", MappingProxyType(dict(self.special_hours)))
        object.__setattr__(self, "holidays", MappingProxyType(dict(self.holidays)))
        object.__setattr__(self, "_timeline", _shared_timeline(self))

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """Return the earliest instant at which `amount` of open time since `start` is used up.

        That is the closing instant when the budget ends there, and `start` itself, also outside hours, when it is zero.
        Raises BudgetOutOfReachError when that takes longer than `HORIZON`.
        """
        began = _microseconds(start)
        stretch = self._around(began)
        if amount <= _ZERO:
            return _unless_negative(amount, start)
        limit = began + _HORIZON_MICROSECONDS
        target = _position(stretch, began) + _duration(amount)
        while stretch.total < target and stretch.until < limit and stretch.last_year < LAST_YEAR:
            stretch = self._timeline.through(stretch.last_year + 1)
        if stretch.total >= target:
            edge = bisect_left(stretch.positions, target)
            used_up = stretch.edges[edge] - stretch.positions[edge] + target
            if used_up <= limit:
                return _instant(used_up)
        raise BudgetOutOfReachError(f"{amount} of open time after {start} is not reached within {HORIZON.days} days")

    def subtract(self, end: datetime, amount: timedelta) -> datetime:
        """Return the latest instant from which `amount` of open time passes until `end`: the mirror image of `add`."""
        ended = _microseconds(end)
        stretch = self._around(ended)
        if amount <= _ZERO:
            return _unless_negative(amount, end)
        limit = ended - _HORIZON_MICROSECONDS
        target = _position(stretch, ended) - _duration(amount)
        while stretch.least > target and stretch.since > limit and stretch.first_year > FIRST_YEAR:
            stretch = self._timeline.through(stretch.first_year - 1)
        if stretch.least <= target:
            edge = bisect_right(stretch.positions, target) - 1
            began = stretch.edges[edge] - stretch.positions[edge] + target
            if began >= limit:
                return _instant(began)
        raise BudgetOutOfReachError(f"{amount} of open time before {end} is not reached within {HORIZON.days} days")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the open time in [start, end). Raises ReversedPeriodError."""
        began, ended = _period(start, end)
        return timedelta(0, 0, _position(self._around(ended), ended) - _position(self._around(began), began))

    def position(self, at: datetime) -> timedelta:
        """Return the open time from an origin of this calendar to `at`, negative before it.

        Only differences mean anything: `position(b) - position(a)` is the open time between two instants, so a list
        of many clocks reads the present position once.
        """
        instant = _microseconds(at)
        return timedelta(0, 0, _position(self._around(instant), instant))

    def is_open(self, at: datetime) -> bool:
        """Say whether `at` lies in [opening, closing)."""
        instant = _microseconds(at)
        return bisect_right(self._around(instant).edges, instant) % 2 == 1

    def open_spans(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Return the open spans in [start, end) in order, cut at both. Raises ReversedPeriodError."""
        began, ended = _period(start, end)
        self._around(began)
        edges = self._around(ended).edges
        first = bisect_right(edges, began) // 2 * 2
        last = bisect_left(edges, ended) if began < ended else first
        return (
            (_instant(max(edges[opening], began)), _instant(min(edges[opening + 1], ended)))
            for opening in range(first, last, 2)
        )

    def _around(self, instant: int) -> Stretch:
        stretch = self._timeline.stretch
        if stretch.since <= instant < stretch.until:
            return stretch
        if not _SUPPORTED_SINCE <= instant < _SUPPORTED_UNTIL:
            # The instant may lie outside what a datetime in UTC can hold, so it is told in seconds.
            seconds = instant // 1_000_000
            raise InstantOutOfRangeError(f"{seconds} s since 1970 is not within the years {FIRST_YEAR} to {LAST_YEAR}")
        return self._timeline.through(_instant(instant).year)


def _check_hours(days: Iterable[Hours]) -> None:
    for hours in days:
        if len(hours) > MOST_INTERVALS:
            raise InvalidCalendarError(f"a day may have {MOST_INTERVALS} intervals, not {len(hours)}")
        for interval in hours:
            if not (0 <= interval.start < _DAY and interval.start < interval.end <= interval.start + _DAY):
                raise InvalidCalendarError(f"{interval} is not an interval of at most a day that starts in the day")


def _is_over_a_year(season: Season) -> bool:
    return season.last_on.toordinal() - season.first_on.toordinal() >= 365  # noqa: PLR2004 - the days of a year.


@lru_cache(maxsize=128)
def _shared_timeline(calendar: Calendar) -> Timeline:
    in_force = (*calendar.earlier, (_instant(_SUPPORTED_UNTIL), calendar))
    return Timeline(layout([(_microseconds(until), _wall_hours(hours)) for until, hours in in_force]))


def _wall_hours(calendar: Calendar) -> WallHours:
    return WallHours(
        zone_named(calendar.zone),
        weekly=calendar.weekly,
        seasons=calendar.seasons,
        special_hours=calendar.special_hours,
        holidays=calendar.holidays,
    )


def _position(stretch: Stretch, instant: int) -> int:
    edge = bisect_right(stretch.edges, instant) - 1
    if edge < 0:
        return stretch.least
    # Even edges open and odd ones close: after a closing nothing is added.
    return stretch.positions[edge] if edge % 2 else stretch.positions[edge] + instant - stretch.edges[edge]


def _period(start: datetime, end: datetime) -> tuple[int, int]:
    # Python compares wall times when both sides share a zone, which is wrong in the hour that autumn repeats.
    began, ended = _microseconds(start), _microseconds(end)
    if ended < began:
        raise ReversedPeriodError(f"{end} lies before {start}")
    return began, ended


def _unless_negative(amount: timedelta, at: datetime) -> datetime:
    if amount < _ZERO:
        raise NegativeDurationError(f"a budget of {amount} is negative")
    return at.astimezone(UTC)


def _microseconds(at: datetime) -> int:
    # Both sides are aware, so Python subtracts instants, never wall times.
    return _duration(at - _EPOCH)


def _duration(amount: timedelta) -> int:
    return (amount.days * _DAY + amount.seconds) * 1_000_000 + amount.microseconds


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(0, 0, microseconds)


ALWAYS_OPEN: Final = Calendar(zone="UTC", weekly=((Interval(0, _DAY),),) * 7)
"""Calendar time: every second counts."""
