"""Steps, and how stretches of time are told in them: hour by hour, or by ever longer periods.

Nothing is left out when a stretch is told by longer periods: counted time adds up however it is told. What happened
to a clock, and in which order, is `domain.explanation`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice, pairwise
from typing import Final

from helpdesk_api.domain.business_time import Calendar, zone_named
from helpdesk_api.domain.sla import ClockState

MOST_STEPS: Final = 200
"""Of one explanation; beyond it, stretches are told by ever longer periods."""

_KEPT: Final = 60
_ZERO: Final = timedelta()
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class StepKind(StrEnum):
    """What a step tells: of a period whether it counted and why not, of an instant what happened."""

    STARTED = "started"
    COUNTED = "counted"
    BREAK = "break"
    NIGHT = "night"
    DAY_OFF = "day_off"
    HOLIDAY = "holiday"
    SUMMARY = "summary"
    PAUSED = "paused"
    FINISHED = "finished"
    RESUMED = "resumed"
    REOPENED = "reopened"
    RETARGETED = "retargeted"
    EXTENDED = "extended"
    DEADLINE_SET = "deadline_set"
    DEADLINE_RELEASED = "deadline_released"
    BREACHED = "breached"
    ESCALATED = "escalated"
    MET = "met"
    MISSED = "missed"
    CANCELLED = "cancelled"
    DUE = "due"


class _Unit(StrEnum):
    SPAN = "span"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Step:
    """A period or, when it begins and ends at once, an instant.

    `counted` is the time it used up and `waited` the open time of a pause. `change` is the place in the history of the
    change that it tells, for a summary of the last one within it. What `is_projected` has not happened: it is what
    leads to the deadline if nothing else does. `key` names an escalation step.
    """

    kind: StepKind
    from_at: datetime
    to_at: datetime
    counted: timedelta = _ZERO
    waited: timedelta = _ZERO
    change: int | None = None
    holidays: tuple[date, ...] = ()
    is_projected: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in which the clock stood in one state, before it is told in steps."""

    state: ClockState
    calendar: Calendar
    since: datetime
    until: datetime
    change: int
    is_projected: bool = False


Piece = Step | Spell


def instant(kind: StepKind, at: datetime, change: int | None) -> Step:
    """Tell of something that happened at once."""
    return Step(kind, at, at, change=change)


def told(pieces: Sequence[Piece]) -> list[Step]:
    """Tell the pieces in the shortest periods that keep the whole short enough."""
    for unit in _Unit:
        steps = list(islice(_steps(pieces, unit), MOST_STEPS + 1))
        if len(steps) <= MOST_STEPS:
            return steps
    steps = list(_steps(pieces, _Unit.YEAR))
    return [*steps[:_KEPT], *_summed(steps[_KEPT:-_KEPT]), *steps[-_KEPT:]]


def _steps(pieces: Iterable[Piece], unit: _Unit) -> Iterator[Step]:
    for piece in pieces:
        if isinstance(piece, Step):
            yield piece
        elif piece.since < piece.until or piece.state is ClockState.PAUSED:
            yield from _of_spell(piece, unit)


def _of_spell(spell: Spell, unit: _Unit) -> Iterator[Step]:
    if spell.state is ClockState.PAUSED:
        waited = spell.calendar.between(spell.since, spell.until)
        yield Step(
            StepKind.PAUSED,
            spell.since,
            spell.until,
            waited=waited,
            change=spell.change,
            is_projected=spell.is_projected,
        )
    elif spell.state is not ClockState.RUNNING:
        yield Step(StepKind.FINISHED, spell.since, spell.until, change=spell.change)
    elif unit is _Unit.SPAN:
        yield from _spans(spell)
    else:
        edges = [spell.since, *_boundaries(spell, unit), spell.until]
        for since, until in pairwise(edges):
            counted = spell.calendar.between(since, until)
            kind = StepKind.COUNTED if counted == until - since else StepKind.SUMMARY
            yield Step(kind, since, until, counted=counted, is_projected=spell.is_projected)


def _spans(spell: Spell) -> Iterator[Step]:
    at = spell.since
    for opens, closes in spell.calendar.open_spans(spell.since, spell.until):
        if at < opens:
            yield _closed(spell, at, opens)
        yield Step(StepKind.COUNTED, opens, closes, counted=closes - opens, is_projected=spell.is_projected)
        at = closes
    if at < spell.until:
        yield _closed(spell, at, spell.until)


def _closed(spell: Spell, since: datetime, until: datetime) -> Step:
    """Say why nothing counts: a holiday before a day off, that before a night; a break lies between hours of a date."""
    calendar = spell.calendar
    zone = zone_named(calendar.zone)
    first, last = since.astimezone(zone).date(), (until - _MICROSECOND).astimezone(zone).date()
    known = (calendar, *(hours for _, hours in calendar.earlier))
    holidays = tuple(on for on in _dates(first, last) if any(on in hours.holidays for hours in known))
    if holidays:
        kind = StepKind.HOLIDAY
    elif any(
        since <= datetime.combine(on, time(), zone) and datetime.combine(on + _DAY, time(), zone) <= until
        for on in _dates(first, last)
    ):
        kind = StepKind.DAY_OFF
    else:
        is_between = first == last and calendar.is_open(since - _MICROSECOND) and calendar.is_open(until)
        kind = StepKind.BREAK if is_between else StepKind.NIGHT
    return Step(kind, since, until, holidays=holidays, is_projected=spell.is_projected)


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _boundaries(spell: Spell, unit: _Unit) -> Iterator[datetime]:
    """Give the local midnights within a spell at which a day, week, month or year begins."""
    zone = zone_named(spell.calendar.zone)
    on = spell.since.astimezone(zone).date()
    at = spell.since
    while True:
        on = _next(on, unit)
        midnight = datetime.combine(on, time(), zone).astimezone(UTC)
        if midnight >= spell.until:
            return
        # Where a date was skipped, two midnights are one instant.
        if midnight > at:
            yield midnight
            at = midnight


def _next(on: date, unit: _Unit) -> date:
    match unit:
        case _Unit.WEEK:
            return on + timedelta(days=7 - on.weekday())
        case _Unit.MONTH:
            return (on.replace(day=1) + timedelta(days=31)).replace(day=1)
        case _Unit.YEAR:
            return date(on.year + 1, 1, 1)
        case _:
            return on + _DAY


def _summed(steps: Sequence[Step]) -> Iterator[Step]:
    """Put together what lies between the beginning and the end of a long history; the breach stands by itself."""
    run: list[Step] = []
    for step in steps:
        if step.kind is not StepKind.BREACHED:
            run.append(step)
            continue
        if run:
            yield _sum(run)
        yield step
        run = []
    if run:
        yield _sum(run)


def _sum(run: Sequence[Step]) -> Step:
    return Step(
        StepKind.SUMMARY,
        run[0].from_at,
        run[-1].to_at,
        counted=sum((step.counted for step in run), _ZERO),
        waited=sum((step.waited for step in run), _ZERO),
        change=max((step.change for step in run if step.change is not None), default=None),
        is_projected=run[-1].is_projected,
    )


def in_whole_seconds(steps: Iterable[Step]) -> list[Step]:
    """Cut the running totals, not each step, to whole seconds: nothing is lost over many steps."""
    counted = waited = _ZERO
    found: list[Step] = []
    for step in steps:
        told = replace(
            step,
            counted=((counted + step.counted) // _SECOND - counted // _SECOND) * _SECOND,
            waited=((waited + step.waited) // _SECOND - waited // _SECOND) * _SECOND,
        )
        counted, waited = counted + step.counted, waited + step.waited
        found.append(told)
    return found
