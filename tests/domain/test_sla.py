"""The life of a clock, case by case: deadlines, pauses, answers, reopening, and the steps it cannot take."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from helpdesk_api.domain import clock_firing, clock_refusals, sla
from helpdesk_api.domain.attainment import remaining
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.sla import Clock, ClockState, Terms
from tests.domain.calendars import MICROSECOND, OFFICE, hours
from tests.domain.clocks import FOUR_HOURS, NOTHING, a_clock, a_paused_clock, a_stopped_clock, monday, tuesday

Step = Callable[[Clock, Calendar, datetime], Clock]


def _retarget(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    return sla.retarget(clock, FOUR_HOURS, calendar=calendar, at=at)


def test_a_clock_is_due_when_its_target_of_open_time_is_used_up() -> None:
    clock = a_clock(at="15:00")

    assert clock.state is ClockState.RUNNING
    assert clock.due_at == tuesday("11:00")
    assert clock.warning_at == tuesday("10:00")
    assert remaining(clock, OFFICE, monday("16:00")) == hours(3)
    assert remaining(clock, OFFICE, monday("23:00")) == hours(2)


@pytest.mark.parametrize("at", ["10:00", "20:00"])
def test_a_target_of_zero_is_due_at_its_start_also_outside_hours(at: str) -> None:
    clock = a_clock(Terms(NOTHING, OFFICE), at=at)

    assert clock.due_at == monday(at)
    assert sla.stop(clock, OFFICE, monday(at)).state is ClockState.BREACHED


@pytest.mark.parametrize(
    ("at", "state", "breached_at"),
    [
        (monday("14:00") - MICROSECOND, ClockState.MET, None),
        (monday("14:00"), ClockState.BREACHED, monday("14:00")),  # The due instant itself is late.
        (tuesday("09:30"), ClockState.BREACHED, monday("14:00")),  # However late, the breach was at the deadline.
    ],
)
def test_stopping_before_the_deadline_meets_it(at: datetime, state: ClockState, breached_at: datetime | None) -> None:
    stopped = sla.stop(a_clock(), OFFICE, at)

    assert stopped.state is state
    assert stopped.breached_at == breached_at
    assert stopped.stopped_at == at


@pytest.mark.parametrize(
    ("at", "state"),
    [(monday("17:00") - MICROSECOND, ClockState.MET), (monday("17:00"), ClockState.BREACHED)],
)
def test_a_deadline_at_closing_time_is_late_at_closing_time(at: datetime, state: ClockState) -> None:
    clock = a_clock(Terms(hours(8), OFFICE), at="09:00")

    assert clock.due_at == monday("17:00")
    assert sla.stop(clock, OFFICE, at).state is state


def test_whether_the_deadline_table_or_the_answer_comes_first_the_outcome_is_the_same() -> None:
    at = monday("14:00")

    answered_first = sla.stop(a_clock(), OFFICE, at)
    fired_first = sla.stop(clock_firing.breach(clock_firing.warn(a_clock(), at), at), OFFICE, at)

    assert answered_first == fired_first


def test_a_breached_clock_runs_on_and_tells_how_late_it_is() -> None:
    clock = clock_firing.breach(a_clock(), monday("14:00"))

    assert clock.state is ClockState.RUNNING
    assert clock.breached_at == monday("14:00")
    assert remaining(clock, OFFICE, monday("15:30")) == -hours(1.5)
    assert remaining(clock, OFFICE, tuesday("10:00")) == -hours(4)


def test_a_deadline_that_fires_late_is_recorded_as_of_the_deadline() -> None:
    clock = clock_firing.breach(clock_firing.warn(a_clock(), monday("14:00:08")), monday("14:00:08"))

    assert clock.warned_at == monday("13:00")
    assert clock.breached_at == monday("14:00")


@pytest.mark.parametrize("fire", [clock_firing.warn, clock_firing.breach])
def test_a_deadline_never_fires_early_twice_or_on_a_clock_that_stands(fire: Callable[[Clock, datetime], Clock]) -> None:
    with pytest.raises(clock_refusals.DeadlineNotDueError, match="2026-11-02 12:59:59"):
        fire(a_clock(), monday("12:59:59.999999"))
    with pytest.raises(clock_refusals.DeadlineAlreadyFiredError):
        fire(fire(a_clock(), monday("14:00")), monday("14:00"))
    for clock in (a_paused_clock(), a_stopped_clock()):
        with pytest.raises(clock_refusals.ClockNotRunningError):
            fire(clock, monday("16:00"))


def test_a_clock_without_a_warning_never_warns() -> None:
    clock = a_clock(Terms(hours(4), OFFICE))

    assert clock.warning_at is None
    assert sla.settle(clock, tuesday("12:00")).warned_at is None
    with pytest.raises(clock_refusals.DeadlineNotDueError):
        clock_firing.warn(clock, tuesday("12:00"))


def test_settling_records_what_has_passed_and_nothing_else() -> None:
    clock = a_clock()

    assert sla.settle(clock, monday("12:59:59")) == clock
    assert sla.settle(clock, monday("13:00")).warned_at == monday("13:00")
    assert sla.settle(clock, monday("13:00")).breached_at is None
    assert sla.settle(clock, monday("14:00")).breached_at == monday("14:00")
    assert sla.settle(a_paused_clock(), tuesday("12:00")) == a_paused_clock()


def test_a_pause_moves_the_deadline_by_the_open_time_it_took() -> None:
    paused = a_paused_clock("11:00")

    resumed = sla.resume(paused, OFFICE, monday("12:30"))

    assert paused.due_at is None
    assert paused.warning_at is None
    assert remaining(paused, OFFICE, monday("12:30")) == hours(3)
    assert resumed.due_at == monday("15:30")
    assert resumed.warning_at == monday("14:30")
    assert resumed.elapsed == hours(1)
    assert resumed.paused == hours(1.5)


@pytest.mark.parametrize(
    ("pause_at", "resume_at", "waited", "due"),
    [
        (monday("17:00"), tuesday("09:00"), NOTHING, tuesday("11:00")),  # A night credits nothing.
        (monday("20:00"), monday("22:00"), NOTHING, tuesday("11:00")),
        (monday("16:30"), tuesday("09:30"), hours(1), tuesday("12:00")),
        (monday("16:00"), monday("16:00"), NOTHING, tuesday("11:00")),  # Two changes in one instant.
    ],
)
def test_a_pause_credits_only_open_time(
    pause_at: datetime, resume_at: datetime, waited: timedelta, due: datetime
) -> None:
    clock = sla.pause(a_clock(at="15:00"), OFFICE, pause_at)

    clock = sla.resume(clock, OFFICE, resume_at)

    assert clock.paused == waited
    assert clock.due_at == due


def test_a_pause_after_the_deadline_freezes_the_lateness_and_keeps_the_breach() -> None:
    paused = a_paused_clock("15:00")

    resumed = sla.resume(paused, OFFICE, tuesday("09:00"))

    assert paused.breached_at == monday("14:00")
    assert paused.warned_at == monday("13:00")
    assert remaining(paused, OFFICE, tuesday("16:00")) == -hours(1)
    assert resumed.due_at == monday("14:00")
    assert resumed.warning_at == monday("13:00")
    assert remaining(resumed, OFFICE, tuesday("10:00")) == -hours(2)


def test_an_answer_while_waiting_stops_the_clock_at_what_it_had_used() -> None:
    stopped = sla.stop(a_paused_clock(), OFFICE, monday("16:00"))

    assert stopped.state is ClockState.MET
    assert stopped.elapsed == hours(1)
    assert stopped.paused == hours(5)
    assert stopped.due_at is None


def test_a_stopped_clock_keeps_its_deadline_and_stands_still() -> None:
    stopped = a_stopped_clock()

    assert stopped.due_at == monday("14:00")
    assert remaining(stopped, OFFICE, tuesday("16:00")) == hours(3)
    assert sla.settle(stopped, tuesday("16:00")) == stopped


def test_cancelling_keeps_a_breach_that_had_happened() -> None:
    assert sla.cancel(a_clock(), OFFICE, monday("13:59")).breached_at is None
    late = sla.cancel(a_clock(), OFFICE, monday("14:01"))
    assert late.state is ClockState.CANCELLED
    assert late.breached_at == monday("14:00")
    assert late.stopped_at == monday("14:01")


def test_reopening_runs_on_and_the_time_between_counts_as_nothing() -> None:
    reopened = sla.reopen(a_stopped_clock(), OFFICE, tuesday("09:00"))

    assert reopened.state is ClockState.RUNNING
    assert reopened.stopped_at is None
    assert reopened.elapsed == hours(1)
    assert reopened.paused == NOTHING
    assert reopened.due_at == tuesday("12:00")


def test_reopening_a_late_clock_keeps_its_marks_and_its_deadline() -> None:
    reopened = sla.reopen(a_stopped_clock("15:00"), OFFICE, tuesday("09:00"))

    assert reopened.breached_at == monday("14:00")
    assert reopened.warned_at == monday("13:00")
    assert reopened.due_at == monday("14:00")
    assert sla.stop(reopened, OFFICE, tuesday("09:30")).state is ClockState.BREACHED


@pytest.mark.parametrize(
    ("step", "clock", "refusal"),
    [
        (sla.pause, a_paused_clock(), clock_refusals.ClockNotRunningError),
        (sla.pause, a_stopped_clock(), clock_refusals.ClockNotRunningError),
        (sla.resume, a_clock(), clock_refusals.ClockNotPausedError),
        (sla.resume, a_stopped_clock(), clock_refusals.ClockNotPausedError),
        (sla.stop, a_stopped_clock(), clock_refusals.ClockStoppedError),
        (sla.cancel, a_stopped_clock(), clock_refusals.ClockStoppedError),
        (sla.reopen, a_clock(), clock_refusals.ClockNotStoppedError),
        (sla.reopen, a_paused_clock(), clock_refusals.ClockNotStoppedError),
        (_retarget, a_stopped_clock(), clock_refusals.ClockStoppedError),
    ],
    ids=lambda value: f"{value.state} clock" if isinstance(value, Clock) else value.__name__,
)
def test_a_step_that_the_clock_cannot_take_is_refused(step: Step, clock: Clock, refusal: type[Exception]) -> None:
    with pytest.raises(refusal, match=f"a {clock.state} resolution clock cannot"):
        step(clock, OFFICE, monday("12:00"))


@pytest.mark.parametrize(
    ("step", "clock"),
    [
        (sla.pause, a_clock()),
        (sla.resume, a_paused_clock("10:00")),
        (sla.stop, a_clock()),
        (sla.cancel, a_clock()),
        (sla.reopen, a_stopped_clock("10:00")),
        (_retarget, a_clock()),
    ],
    ids=lambda value: value.__name__ if callable(value) else value.state,
)
def test_a_step_before_the_last_one_is_refused(step: Step, clock: Clock) -> None:
    with pytest.raises(clock_refusals.ClockOrderError):
        step(clock, OFFICE, monday("09:59:59.999999"))


def test_reading_a_moment_before_the_last_step_reads_as_that_step() -> None:
    assert remaining(a_clock(), OFFICE, monday("09:59:59.9")) == hours(4)
