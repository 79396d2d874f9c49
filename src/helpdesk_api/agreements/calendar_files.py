"""Reading iCalendar files (RFC 5545) as holidays, with a bound on what a hostile one can cost.

Only what says when an event is, is read; time zones that a file defines itself are not, names of zones are. Each event
ends as dates and parts of dates in the zone of the calendar, or is refused with a reason while the others go on. What
becomes of them in a calendar is `agreements.calendar_imports`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.timeline import FIRST_YEAR

MOST_EVENTS: Final = 2_000
_MOST_DAYS: Final = 366
_MOST_STEPS: Final = 50_000
"""How many times the recurrence rules of a file may repeat altogether: about a second of work."""

_STEPS_OF_A_DATE: Final = 20
"""What a date that is listed one by one costs, in steps of a rule."""

_LONGEST_NAME: Final = 60
_DAY: Final = timedelta(days=1)
_READ: Final = frozenset({
    "UID", "SUMMARY", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS", "SEQUENCE",
})  # fmt: skip
_STEP_DAYS: Final = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}
_RULE_PARTS: Final = frozenset({
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS",
})  # fmt: skip
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_IN_EVERY_MONTH: Final = 28
_IN_EVERY_FIFTH: Final = 4
"""How many of one weekday every month has."""
_NAME = re.compile(r"[A-Za-z-]+(?=[;:])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class NotACalendarFileError(InvalidError):
    """The text is not an iCalendar file."""

    code = "not_a_calendar_file"
    title = "The text is not an iCalendar file"


class CalendarFileTooLargeError(InvalidError):
    """A file holds more events than a calendar can take."""

    code = "calendar_file_too_large"
    title = "The calendar file has too many events"


class _RefusedEventError(Exception):
    """An event cannot be read; its text is the reason, a stable word."""


@dataclass(frozen=True, slots=True, order=True)
class ClosedSpan:
    """A closed date, or a part of it in minutes of the local day."""

    on: date
    start: int = 0
    end: int = 1440


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """What an event of a file says, or why it is refused."""

    uid: str
    name: str
    spans: tuple[ClosedSpan, ...] = ()
    reason: str | None = None


def read_events(text: str, zone: ZoneInfo, *, first_year: int, last_year: int) -> list[ReadEvent]:
    """Read the events of a file that touch these years; raises NotACalendarFileError, CalendarFileTooLargeError."""
    components = list(_components(text))
    if len(components) > MOST_EVENTS:
        message = f"The file has {len(components)} events; {MOST_EVENTS} is the limit."
        raise CalendarFileTooLargeError(message)
    components.sort(key=_uid)
    reader = _Reader(zone, date(first_year, 1, 1), date(last_year + 1, 1, 1))
    return [reader.read(uid, list(series)) for uid, series in groupby(components, _uid)]


class _Reader:
    """Reads one file; what its recurrence rules may cost is counted over all of them."""

    def __init__(self, zone: ZoneInfo, begin: date, end: date) -> None:
        self._zone = zone
        self._begin = begin
        self._end = end
        self._steps_left = _MOST_STEPS

    def read(self, uid: str, series: Sequence[Event]) -> ReadEvent:
        name = _CONTROL.sub(" ", str(series[0].get("SUMMARY", ""))).strip()[:_LONGEST_NAME] or "Closed"
        try:
            if all(str(event.get("STATUS", "")).upper() == "CANCELLED" for event in series):
                return ReadEvent(uid, name, reason="cancelled")
            spans = sorted({span for event in self._occurrences(series) for span in self._spans(event)})
        except _RefusedEventError as refused:
            return ReadEvent(uid, name, reason=str(refused))
        except Exception:  # noqa: BLE001 - two libraries read what anybody may have written; each fails in its own way.
            return ReadEvent(uid, name, reason="unreadable")
        if not spans:
            return ReadEvent(uid, name, reason="outside_years")
        return ReadEvent(uid, name, tuple(spans))

    def _occurrences(self, series: Sequence[Event]) -> Sequence[Any]:
        if len(series) == 1 and not any(part in series[0] for part in ("RRULE", "RDATE", "RECURRENCE-ID")):
            return series
        file = Calendar()
        for event in series:
            self._bound(event)
            file.add_component(event)
        found: Sequence[Event] = recurring_ical_events.of(file).between(self._begin - _DAY, self._end + _DAY)
        return found

    def _bound(self, event: Event) -> None:
        """Refuse rules whose expansion cannot be bounded, and end the others with the years that are asked for."""
        self._spend(sum(_STEPS_OF_A_DATE * _dates(event.get(part)) for part in ("RDATE", "EXDATE")))
        rule = event.get("RRULE")
        if rule is None:
            return
        if not isinstance(rule, dict):
            raise _RefusedEventError("unsupported_recurrence")
        step = _STEP_DAYS.get(str(rule["FREQ"][0]).upper())
        if step is None or not _meets_a_day_often(rule):
            raise _RefusedEventError("unsupported_recurrence")
        start = event.decoded("DTSTART")
        first = start.date() if isinstance(start, datetime) else start
        if first.year < FIRST_YEAR:
            raise _RefusedEventError("unsupported_recurrence")
        self._spend(max((self._end - first).days, 0) // step)
        if "COUNT" not in rule:
            last = datetime.combine(self._end + _DAY, time(), UTC)
            until = rule.get("UNTIL", [last])[0]
            ends = until if isinstance(until, datetime) else datetime.combine(until, time(), UTC)
            if ends.replace(tzinfo=ends.tzinfo or UTC) >= last:
                rule["UNTIL"] = [last if isinstance(start, datetime) else last.date()]

    def _spend(self, steps: int) -> None:
        if steps > self._steps_left:
            raise _RefusedEventError("too_costly")
        self._steps_left -= steps

    def _spans(self, event: Event) -> Iterator[ClosedSpan]:
        start, end = event.start, event.end
        if isinstance(start, datetime) != isinstance(end, datetime) or end < start:
            raise _RefusedEventError("unreadable")
        if end - start > _MOST_DAYS * _DAY:
            raise _RefusedEventError("too_long")
        if not isinstance(start, datetime) or not isinstance(end, datetime):
            days = max((end - start).days, 1)
            yield from self._within(ClosedSpan(start + number * _DAY) for number in range(days))
            return
        begins, ends = self._local(start), self._local(end)
        on = begins.date()
        while on <= ends.date():
            opens = begins.hour * 60 + begins.minute if on == begins.date() else 0
            # What ends within a minute closes all of it.
            closes = ends.hour * 60 + ends.minute + bool(ends.second) if on == ends.date() else 1440
            if opens < closes:
                yield from self._within([ClosedSpan(on, opens, closes)])
            on += _DAY

    def _within(self, spans: Iterable[ClosedSpan]) -> Iterator[ClosedSpan]:
        return (span for span in spans if self._begin <= span.on < self._end)

    def _local(self, at: datetime) -> datetime:
        """Give the wall time of the calendar; a time without a zone is meant to be that already."""
        return at.replace(tzinfo=self._zone) if at.tzinfo is None else at.astimezone(self._zone)


def _meets_a_day_often(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule is of a kind that meets a day at least every dozen years.

    A rule is followed until it meets a day after the last one wanted: one for the 30th of February would be followed
    to the end of time. So what could be such a rule, though few are, is refused.
    """
    frequency = str(rule["FREQ"][0]).upper()
    every = int(rule.get("INTERVAL", [1])[0])
    conditions = {part for part in rule if part.startswith("BY")}
    days = [re.fullmatch(r"([+-]?\d+)?[A-Z]{2}", str(day).upper()) for day in rule.get("BYDAY", [])]
    ordinals = [int(day[1]) for day in days if day and day[1]]
    months = [int(month) for month in rule.get("BYMONTH", range(1, 13))]
    month_days = [int(day) for day in rule.get("BYMONTHDAY", [])]
    positions = [int(position) for position in rule.get("BYSETPOS", [])]
    longest = max((_LONGEST_MONTHS[month - 1] for month in months if 1 <= month <= len(_LONGEST_MONTHS)), default=0)
    is_alone = conditions <= {"BYDAY"} if frequency == "WEEKLY" else frequency == "YEARLY" and not month_days
    return (
        rule.keys() <= _RULE_PARTS
        and every >= 1
        and None not in days
        and (every == 1 or not conditions or is_alone)
        and all(1 <= month <= len(_LONGEST_MONTHS) for month in months)
        and all(1 <= abs(day) <= longest for day in month_days)
        and (not any(abs(day) > _IN_EVERY_MONTH for day in month_days) or conditions <= {"BYMONTH", "BYMONTHDAY"})
        and all(1 <= abs(ordinal) <= _IN_EVERY_FIFTH for ordinal in (*ordinals, *positions))
        and (not ordinals or conditions <= {"BYDAY", "BYMONTH"})
        and (not positions or (conditions <= {"BYDAY", "BYMONTH", "BYSETPOS"} and bool(days)))
        and (not positions or frequency in {"MONTHLY", "YEARLY"})
    )


def _components(text: str) -> Iterator[Event]:
    """Yield the events of a file, made of nothing but the lines that say when they are and what they are called."""
    unfolded = re.sub(r"\r?\n[ \t]", "", text.lstrip("\ufeff"))
    if not unfolded.lstrip().upper().startswith("BEGIN:VCALENDAR"):
        message = "An iCalendar file begins with BEGIN:VCALENDAR."
        raise NotACalendarFileError(message)
    lines: list[str] = []
    depth = 0
    for line in unfolded.splitlines():
        word = line.strip().upper()
        if word == "BEGIN:VEVENT":
            lines, depth = [], 1
        elif depth and word.startswith("BEGIN:"):
            depth += 1
        elif depth and word.startswith("END:"):
            depth -= 1
            if not depth:
                yield _event(lines)
        elif depth == 1 and (name := _NAME.match(line)) and name[0].upper() in _READ:
            lines.append(line)


def _event(lines: Sequence[str]) -> Event:
    try:
        event = Event.from_ical("\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""]))
    except (ValueError, TypeError, KeyError, IndexError):
        event = None
    if not isinstance(event, Event):
        # Nothing can be said of when it is, which the reader finds and refuses.
        event = Event()
        event.add("UID", next((line.partition(":")[2][:200] for line in lines if line.upper().startswith("UID")), ""))
    return event


def _dates(listed: Any) -> int:  # noqa: ANN401 - one property, several of them or none, as the library gives them.
    lists = listed if isinstance(listed, list) else [] if listed is None else [listed]
    return sum(len(one.dts) for one in lists)


def _uid(event: Event) -> str:
    return _CONTROL.sub(" ", str(event.get("UID", "")))[:200]
