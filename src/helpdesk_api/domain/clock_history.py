"""The history of a clock as values, and the clock as what its history makes of it.

Whatever the product stores or fires along the way, the clock must come out as `replay` says, so this is what a repair,
a recomputation, an explanation or a doubt is settled with. The single steps and their rules are `domain.sla`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from helpdesk_api.domain.sla import (
    Clock,
    Metric,
    Terms,
    cancel,
    extend,
    fix,
    pause,
    release,
    reopen,
    resume,
    retarget,
    settle,
    start,
    stop,
)


class Move(StrEnum):
    """What can happen to a clock without saying more than when."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    CANCEL = "cancel"
    REOPEN = "reopen"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Started:
    terms: Terms
    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    move: Move
    at: datetime


@dataclass(frozen=True, slots=True)
class Retargeted:
    terms: Terms
    at: datetime


@dataclass(frozen=True, slots=True)
class Fixed:
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Extended:
    by: timedelta
    at: datetime


Change: TypeAlias = Moved | Retargeted | Fixed | Extended

_MOVES: Final = {
    Move.PAUSE: pause,
    Move.RESUME: resume,
    Move.STOP: stop,
    Move.CANCEL: cancel,
    Move.REOPEN: reopen,
    Move.RELEASE: release,
}


@dataclass(frozen=True, slots=True)
class MeasuredClock:
    """A clock with the terms that it stands under, whose calendar measures it."""

    clock: Clock
    terms: Terms

    def after(self, change: Change) -> "MeasuredClock":
        """Give the clock as a change leaves it."""
        calendar = self.terms.calendar
        match change:
            case Retargeted():
                return MeasuredClock(retarget(self.clock, change.terms, calendar=calendar, at=change.at), change.terms)
            case Fixed():
                return replace(self, clock=fix(self.clock, calendar, change.at, change.due_at))
            case Extended():
                return replace(self, clock=extend(self.clock, calendar, change.at, change.by))
            case Moved():
                return MeasuredClock(_MOVES[change.move](self.clock, calendar, change.at), self.terms)


def begun(metric: Metric, started: Started, *, instance: int = 1) -> MeasuredClock:
    """Give the clock at the beginning of its history."""
    return MeasuredClock(start(metric, started.terms, started.at, instance=instance), started.terms)


def replay(
    metric: Metric,
    terms: Terms,
    at: datetime,
    *,
    history: Iterable[Change],
    until: datetime,
    instance: int = 1,
) -> Clock:
    """Return the clock that was started `at` and went through `history`, as it stands at `until`."""
    measured = begun(metric, Started(terms, at), instance=instance)
    for change in history:
        measured = measured.after(change)
    return settle(measured.clock, until)


History: TypeAlias = Sequence[Started | Change]
