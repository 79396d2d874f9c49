"""The life of a ticket: which status may follow which, and what each status asks of the ticket's clocks.

Says what a status means for a metric and by which moves a clock gets there; how a clock runs, stops and is due is
`domain.sla`, and what else a change of status sets off (events, times on the ticket, reopen counts) belongs to
`tickets`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from helpdesk_api.domain.clock_history import Move
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.domain.sla import LIVE, ClockState, Metric


class Status(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    ON_HOLD = "on_hold"
    SOLVED = "solved"
    CLOSED = "closed"


class ClockEffect(StrEnum):
    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"


class InvalidTransitionError(ConflictError):
    """The workflow does not lead from the present status to this one: nothing becomes new again."""

    code = "invalid_transition"
    title = "The ticket cannot change to this status"


FINISHED: Final = frozenset({Status.SOLVED, Status.CLOSED})

_WHILE_ACTIVE: Final = {
    Status.NEW: ClockEffect.RUN,
    Status.OPEN: ClockEffect.RUN,
    Status.PENDING: ClockEffect.PAUSE,
    Status.ON_HOLD: ClockEffect.PAUSE,
}

_EFFECTS: Final[Mapping[Metric, Mapping[Status, ClockEffect]]] = {
    # Only a public reply of a staff user answers. A ticket finished without one owes no answer any more, which is
    # neither a promise kept nor one broken: the clock is cancelled, and runs on should the ticket be reopened.
    Metric.FIRST_RESPONSE: _WHILE_ACTIVE | dict.fromkeys(FINISHED, ClockEffect.CANCEL),
    Metric.RESOLUTION: _WHILE_ACTIVE | dict.fromkeys(FINISHED, ClockEffect.STOP),
}


_REOPENED_FROM: Final[Mapping[Metric, frozenset[ClockState]]] = {
    Metric.FIRST_RESPONSE: frozenset({ClockState.CANCELLED}),
    Metric.RESOLUTION: frozenset({ClockState.MET, ClockState.BREACHED}),
}


def check_transition(old: Status, new: Status) -> None:
    """Refuse a change of status that the workflow does not know: nothing returns to new."""
    if new is Status.NEW and old is not Status.NEW:
        raise InvalidTransitionError(f"a ticket that is {old} cannot become {new}", params={"from": old, "to": new})


def is_reopen(old: Status, new: Status) -> bool:
    """Say whether a finished ticket becomes active again. Closed and solved into each other is not that."""
    return old in FINISHED and new not in FINISHED


def clock_effect(metric: Metric, status: Status) -> ClockEffect:
    """Say what a status asks of a clock that still measures something."""
    return _EFFECTS[metric][status]


def moves_to(status: Status, *, metric: Metric, state: ClockState) -> Iterator[Move]:
    """Give the moves that carry a clock to what the ticket's new status asks of it; none when it is there already.

    An answered first response stays answered whatever the status, and a resolution clock that was cancelled, because
    nothing was promised any more, stays cancelled. A stopped clock that a reopened ticket needs again runs on.
    """
    if state in _REOPENED_FROM[metric] and status not in FINISHED:
        yield Move.REOPEN
        state = ClockState.RUNNING
    match clock_effect(metric, status):
        case ClockEffect.RUN if state is ClockState.PAUSED:
            yield Move.RESUME
        case ClockEffect.PAUSE if state is ClockState.RUNNING:
            yield Move.PAUSE
        case ClockEffect.STOP if state in LIVE:
            yield Move.STOP
        case ClockEffect.CANCEL if state in LIVE:
            yield Move.CANCEL
        case _:
            return
