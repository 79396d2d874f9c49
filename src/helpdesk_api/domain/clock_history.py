"""The history of a clock as values, and the clock as what its history makes of it.

Whatever the product stores or fires along the way, the clock must come out as `replay` says, so this is what a repair,
a recomputation or a doubt is settled with. The single steps and their rules are `domain.sla`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from helpdesk_api.domain.sla import Clock, Metric, Terms, cancel, pause, reopen, resume, retarget, settle, start, stop


class Move(StrEnum):
    """What can happen to a clock besides a change of its terms."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    CANCEL = "cancel"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Moved:
    move: Move
    at: datetime


@dataclass(frozen=True, slots=True)
class Retargeted:
    terms: Terms
    at: datetime


_MOVES: Final = {
    Move.PAUSE: pause,
    Move.RESUME: resume,
    Move.STOP: stop,
    Move.CANCEL: cancel,
    Move.REOPEN: reopen,
}


def replay(
    metric: Metric,
    terms: Terms,
    at: datetime,
    *,
    history: Iterable[Moved | Retargeted],
    until: datetime,
    instance: int = 1,
) -> Clock:
    """Return the clock that was started `at` and went through `history`, as it stands at `until`."""
    clock, calendar = start(metric, terms, at, instance=instance), terms.calendar
    for step in history:
        match step:
            case Retargeted():
                clock = retarget(clock, step.terms, calendar=calendar, at=step.at)
                calendar = step.terms.calendar
            case Moved():
                clock = _MOVES[step.move](clock, calendar, step.at)
    return settle(clock, until)
