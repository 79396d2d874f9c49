"""Which status may follow which, and what each asks of the clocks."""

from datetime import timedelta
from itertools import product

import pytest

from helpdesk_api.domain import sla
from helpdesk_api.domain.clock_history import MeasuredClock, Moved
from helpdesk_api.domain.sla import Clock, ClockState, Metric
from helpdesk_api.domain.workflow import (
    DEFAULT_PAUSES,
    ClockEffect,
    Conduct,
    InvalidTransitionError,
    Status,
    check_transition,
    clock_effect,
    is_reopen,
    moves_to,
)
from tests.domain.calendars import OFFICE
from tests.domain.clocks import FOUR_HOURS, a_clock, monday

NEW, OPEN, PENDING, ON_HOLD, SOLVED, CLOSED = Status
FIRST_RESPONSE, RESOLUTION = Metric.FIRST_RESPONSE, Metric.RESOLUTION
BY_DEFAULT = {metric: Conduct(pauses) for metric, pauses in DEFAULT_PAUSES.items()}


def after(metric: Metric, *statuses: Status) -> Clock:
    """Return a clock that went through the statuses, an hour each from 11:00."""
    measured = MeasuredClock(a_clock(metric=metric), FOUR_HOURS)
    for hour, status in enumerate(statuses, start=11):
        for move in moves_to(status, metric=metric, state=measured.clock.state, conduct=BY_DEFAULT[metric]):
            measured = measured.after(Moved(move, monday(f"{hour}:00")))
    return measured.clock


@pytest.mark.parametrize("old", [status for status in Status if status is not NEW])
def test_nothing_returns_to_new(old: Status) -> None:
    with pytest.raises(InvalidTransitionError, match=f"is {old} cannot become new") as refused:
        check_transition(old, NEW)

    assert refused.value.params == {"from": old.value, "to": "new"}


def test_every_other_change_of_status_is_allowed() -> None:
    for old, new in product(Status, Status):
        if new is not NEW or old is NEW:
            check_transition(old, new)


def test_a_finished_ticket_that_becomes_active_is_reopened() -> None:
    reopens = {(old, new) for old, new in product(Status, Status) if is_reopen(old, new)}

    assert reopens >= {(old, new) for old, new in product([SOLVED, CLOSED], [OPEN, PENDING, ON_HOLD])}
    assert not any(old not in {SOLVED, CLOSED} or new in {SOLVED, CLOSED} for old, new in reopens)


RUN, PAUSE, STOP, CANCEL = ClockEffect


@pytest.mark.parametrize(
    ("metric", "effects"),
    [
        (Metric.FIRST_RESPONSE, [RUN, RUN, PAUSE, PAUSE, CANCEL, CANCEL]),
        (Metric.NEXT_RESPONSE, [RUN, RUN, PAUSE, PAUSE, CANCEL, CANCEL]),
        (Metric.PERIODIC_UPDATE, [RUN, RUN, PAUSE, RUN, CANCEL, CANCEL]),
        (Metric.TIME_TO_ASSIGN, [RUN, RUN, PAUSE, PAUSE, CANCEL, CANCEL]),
        (Metric.RESOLUTION, [RUN, RUN, PAUSE, PAUSE, STOP, STOP]),
        (Metric.REQUESTER_WAIT, [RUN, RUN, PAUSE, RUN, STOP, STOP]),
        (Metric.AGENT_WORK, [RUN, RUN, PAUSE, PAUSE, STOP, STOP]),
    ],
)
def test_what_each_status_asks_of_a_clock_by_default(metric: Metric, effects: list[ClockEffect]) -> None:
    assert [clock_effect(metric, status, BY_DEFAULT[metric]) for status in Status] == effects


def test_a_policy_says_in_which_statuses_a_clock_waits() -> None:
    conduct = Conduct(frozenset({OPEN}))

    assert [clock_effect(RESOLUTION, status, conduct) for status in (NEW, OPEN, PENDING)] == [RUN, PAUSE, RUN]


@pytest.mark.parametrize(
    ("statuses", "first_response", "resolution"),
    [
        ((OPEN,), ClockState.RUNNING, ClockState.RUNNING),
        ((PENDING,), ClockState.PAUSED, ClockState.PAUSED),
        ((PENDING, OPEN), ClockState.RUNNING, ClockState.RUNNING),
        ((PENDING, ON_HOLD), ClockState.PAUSED, ClockState.PAUSED),
        ((SOLVED,), ClockState.CANCELLED, ClockState.MET),
        ((PENDING, CLOSED), ClockState.CANCELLED, ClockState.MET),
        ((SOLVED, CLOSED), ClockState.CANCELLED, ClockState.MET),
        ((SOLVED, OPEN), ClockState.RUNNING, ClockState.RUNNING),
        ((CLOSED, PENDING), ClockState.PAUSED, ClockState.PAUSED),
        ((OPEN, OPEN, OPEN, OPEN, SOLVED), ClockState.CANCELLED, ClockState.BREACHED),
        ((OPEN, OPEN, OPEN, OPEN, SOLVED, OPEN), ClockState.RUNNING, ClockState.RUNNING),
    ],
)
def test_the_clocks_of_an_unanswered_ticket_follow_its_status(
    statuses: tuple[Status, ...], first_response: ClockState, resolution: ClockState
) -> None:
    assert after(FIRST_RESPONSE, *statuses).state is first_response
    assert after(RESOLUTION, *statuses).state is resolution


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("statuses", [(OPEN,), (PENDING,), (SOLVED,)])
def test_a_clock_that_is_where_the_status_wants_it_is_left_alone(metric: Metric, statuses: tuple[Status]) -> None:
    clock = after(metric, *statuses)

    assert list(moves_to(statuses[-1], metric=metric, state=clock.state, conduct=BY_DEFAULT[metric])) == []


@pytest.mark.parametrize("answered_at", ["11:30", "15:00"])
@pytest.mark.parametrize("status", Status)
def test_an_answered_first_response_stays_answered(answered_at: str, status: Status) -> None:
    answered = sla.stop(a_clock(metric=FIRST_RESPONSE), OFFICE, monday(answered_at))

    assert list(moves_to(status, metric=FIRST_RESPONSE, state=answered.state, conduct=BY_DEFAULT[FIRST_RESPONSE])) == []


@pytest.mark.parametrize("status", Status)
def test_a_resolution_clock_that_was_cancelled_stays_cancelled(status: Status) -> None:
    cancelled = sla.cancel(a_clock(metric=RESOLUTION), OFFICE, monday("11:00"))

    assert list(moves_to(status, metric=RESOLUTION, state=cancelled.state, conduct=BY_DEFAULT[RESOLUTION])) == []


def test_a_reopened_ticket_uses_up_what_was_left() -> None:
    clock = after(RESOLUTION, SOLVED, OPEN)

    assert clock.due_at == monday("15:00")
    assert clock.elapsed == timedelta(hours=1)


def test_a_ticket_reopened_into_waiting_has_used_nothing_more() -> None:
    clock = after(RESOLUTION, SOLVED, PENDING)

    assert clock.elapsed == timedelta(hours=1)
    assert clock.paused == timedelta()
    assert clock.due_at is None
