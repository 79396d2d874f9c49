"""Clocks with a random life under random calendars, from a seed: what the tests of explanations are made of."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final

from helpdesk_api.domain.business_time import ALWAYS_OPEN, Calendar, Interval
from helpdesk_api.domain.clock_history import (
    Change,
    Extended,
    Fixed,
    History,
    Move,
    Moved,
    Retargeted,
    Started,
    begun,
)
from helpdesk_api.domain.explained_steps import Step, StepKind
from helpdesk_api.domain.sla import ClockState, Metric, Terms
from tests.domain.oracle import utc

HOUR: Final = 3_600
CALENDARS: Final = 40
ZONES: Final = (
    "Europe/Rome", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati", "America/New_York",
)  # fmt: skip
POSSIBLE: Final[Mapping[ClockState, tuple[Move | None, ...]]] = {
    ClockState.RUNNING: (Move.PAUSE, Move.PAUSE, None, Move.STOP, Move.CANCEL),
    ClockState.PAUSED: (Move.RESUME, Move.RESUME, None, Move.STOP, Move.CANCEL),
    ClockState.MET: (Move.REOPEN,),
    ClockState.BREACHED: (Move.REOPEN,),
    ClockState.CANCELLED: (Move.REOPEN,),
}


_WITH_TERMS: Final = frozenset({StepKind.STARTED, StepKind.RETARGETED, StepKind.EXTENDED, StepKind.SUMMARY})


@dataclass(frozen=True)
class RandomClock:
    """A history, and an instant at which somebody looks at it."""

    history: History
    until: datetime


@cache
def a_calendar(number: int) -> Calendar:
    """Make a calendar with a lunch break, a night shift or neither, holidays whole and in part, and a moved day.

    There are few of them: laying one out over the years takes longer than many clocks.
    """
    chance = random.Random(number)
    if chance.random() < 0.1:
        return ALWAYS_OPEN
    opens = chance.randrange(6, 11) * HOUR + chance.choice([0, 900, 1_800])
    hours: tuple[Interval, ...] = (Interval(opens, opens + chance.randrange(4, 10) * HOUR),)
    if chance.random() < 0.3:
        hours = (Interval(opens, opens + 3 * HOUR), Interval(opens + 4 * HOUR, opens + 7 * HOUR))
    elif chance.random() < 0.2:
        hours = (Interval(22 * HOUR, 30 * HOUR),)
    days = chance.choice([5, 6, 7])
    holidays = {
        date(2026, 3, 1) + timedelta(days=chance.randrange(120)): (
            Interval(0, 24 * HOUR) if chance.random() < 0.7 else Interval(13 * HOUR, 24 * HOUR),
        )
        for _ in range(chance.randrange(6))
    }
    moved = {date(2026, 3, 7) + timedelta(days=7 * chance.randrange(10)): (Interval(10 * HOUR, 14 * HOUR),)}
    return Calendar(chance.choice(ZONES), (hours,) * days + ((),) * (7 - days), moved, holidays)


def some_terms(chance: random.Random, calendar: Calendar) -> Terms:
    """Promise anything from nothing to months."""
    return Terms(
        timedelta(seconds=chance.choice([0, 60, HOUR, 8 * HOUR, 40 * HOUR, 400 * HOUR, 1_500 * HOUR])), calendar
    )


def _other_deadline(chance: random.Random, calendar: Calendar, at: datetime) -> Change:
    """Change what the clock is due by: its terms mostly, or somebody sets it, takes that back or extends it."""
    match chance.randrange(8):
        case 0:
            return Fixed(at + timedelta(seconds=chance.choice([60, 10 * HOUR, 100 * HOUR])), at)
        case 1:
            return Moved(Move.RELEASE, at)
        case 2:
            return Extended(timedelta(seconds=chance.choice([60, 3 * HOUR])), at)
        case _:
            return Retargeted(some_terms(chance, calendar), at)


def a_random_clock(seed: int) -> RandomClock:
    """Make a clock that was moved some dozens of times at most, or for one in twenty many hundred times."""
    chance = random.Random(seed)
    calendars = [a_calendar(chance.randrange(CALENDARS)) for _ in range(2)]
    at = utc("2026-03-02 08:00") + timedelta(
        seconds=chance.randrange(14 * 86_400), microseconds=chance.randrange(10**6)
    )
    started = Started(some_terms(chance, calendars[0]), at)
    measured = begun(Metric.RESOLUTION, started)
    history: list[Started | Change] = [started]
    many = 600 if seed % 20 == 0 else 12
    for _ in range(chance.randrange(many)):
        at += timedelta(seconds=chance.choice([0, 1, 700, 5 * HOUR, 30 * HOUR]) * chance.random())
        move = chance.choice(POSSIBLE[measured.clock.state])
        calendar = chance.choice(calendars)
        change = _other_deadline(chance, calendar, at) if move is None else Moved(move, at)
        measured = measured.after(change)
        history.append(change)
    return RandomClock(history, at + timedelta(seconds=chance.choice([0, 60, HOUR, 200 * HOUR, 2_000 * HOUR])))


def _by_hand(history: History) -> datetime | None:
    """Give the deadline that is set by hand after these changes."""
    last = next((c for c in reversed(history) if isinstance(c, Fixed) or c == Moved(Move.RELEASE, c.at)), None)
    return last.due_at if isinstance(last, Fixed) else None


def as_the_api_shows(step: Step, history: History) -> dict[str, Any]:
    """Give a step as the API shows it, with the terms that it brings."""
    terms = None
    extended = timedelta()
    if step.change is not None and step.kind in _WITH_TERMS:
        until = history[: step.change + 1]
        terms = next(item.terms for item in reversed(until) if isinstance(item, Started | Retargeted))
        extended = sum((item.by for item in until if isinstance(item, Extended)), timedelta())
    return {
        "kind": step.kind.value,
        "from_at": step.from_at,
        "to_at": step.to_at,
        "counted_seconds": step.counted // timedelta(seconds=1),
        "target_seconds": None if terms is None else (terms.target + extended) // timedelta(seconds=1),
        "due_at": _by_hand(history[: step.change + 1]) if step.change is not None else None,
        "calendar": None if terms is None else terms.calendar,
    }
