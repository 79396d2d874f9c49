"""The life of a ticket: which status may follow which, and what each status asks of the ticket's clocks.

Says what a status means for a metric and by which moves a clock gets there; how a clock runs, stops and is due is
`domain.sla`, and what else a change of status sets off (events, times on the ticket, reopen counts) belongs to
`tickets`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

ACTIVE: Final = (Status.NEW, Status.OPEN, Status.PENDING, Status.ON_HOLD)

# In which statuses a clock waits unless its policy says otherwise.
DEFAULT_PAUSES: Final[Mapping[Metric, frozenset[Status]]] = {
    Metric.FIRST_RESPONSE: frozenset({Status.PENDING, Status.ON_HOLD}),
    Metric.NEXT_RESPONSE: frozenset({Status.PENDING, Status.ON_HOLD}),
    Metric.PERIODIC_UPDATE: frozenset({Status.PENDING}),
    Metric.TIME_TO_ASSIGN: frozenset({Status.PENDING, Status.ON_HOLD}),
    Metric.RESOLUTION: frozenset({Status.PENDING, Status.ON_HOLD}),
    Metric.REQUESTER_WAIT: frozenset({Status.PENDING}),
    Metric.AGENT_WORK: frozenset({Status.PENDING, Status.ON_HOLD}),
}

# What a finished ticket has done with a clock. What it still owed, an answer for one, is neither a promise kept nor one
# broken: such a clock is cancelled, and runs on should the ticket be reopened.
KEPT_BY_FINISHING: Final = frozenset({Metric.RESOLUTION, Metric.REQUESTER_WAIT, Metric.AGENT_WORK})
STARTED_BY_CREATION: Final = KEPT_BY_FINISHING | {Metric.FIRST_RESPONSE}
KEPT_BY_REPLY: Final = frozenset({Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.PERIODIC_UPDATE})


class OnReopen(StrEnum):
    """What a reopened ticket does with a clock that had stopped."""

    RESUME = "resume"
    RESTART = "restart"


class OnChange(StrEnum):
    """What other terms do with a live clock."""

    KEEP = "keep"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a clock follows its ticket, as the policy says: where it waits, and whether it goes on or begins anew."""

    pauses_in: frozenset[Status]
    on_reopen: OnReopen = OnReopen.RESUME
    on_change: OnChange = OnChange.KEEP


def check_transition(old: Status, new: Status) -> None:
    """Refuse a change of status that the workflow does not know: nothing returns to new."""
    if new is Status.NEW and old is not Status.NEW:
        raise InvalidTransitionError(f"a ticket that is {old} cannot become {new}", params={"from": old, "to": new})


def is_reopen(old: Status, new: Status) -> bool:
    """Say whether a finished ticket becomes active again. Closed and solved into each other is not that."""
    return old in FINISHED and new not in FINISHED


def clock_effect(metric: Metric, status: Status, conduct: Conduct) -> ClockEffect:
    """Say what a status asks of a clock that still measures something."""
    if status in FINISHED:
        return ClockEffect.STOP if metric in KEPT_BY_FINISHING else ClockEffect.CANCEL
    return ClockEffect.PAUSE if status in conduct.pauses_in else ClockEffect.RUN


def runs_on(metric: Metric, state: ClockState) -> bool:
    """Say whether a stopped clock is needed again by a reopened ticket.

    An answered first response stays answered, and a resolution clock that was cancelled, because nothing was promised
    any more, stays cancelled.
    """
    if metric in KEPT_BY_FINISHING:
        return state in {ClockState.MET, ClockState.BREACHED}
    return state is ClockState.CANCELLED


def moves_to(status: Status, *, metric: Metric, state: ClockState, conduct: Conduct) -> Iterator[Move]:
    """Give the moves that carry a clock to what the ticket's new status asks of it; none when it is there already."""
    if runs_on(metric, state) and status not in FINISHED:
        yield Move.REOPEN
        state = ClockState.RUNNING
    match clock_effect(metric, status, conduct):
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
