"""What happens to a clock whose terms change: a breach is never lost, time used is never lost, history decides."""

from datetime import timedelta

import pytest

from helpdesk_api.domain import clock_firing, clock_refusals, sla
from helpdesk_api.domain.attainment import remaining
from helpdesk_api.domain.business_time import ALWAYS_OPEN, BudgetOutOfReachError
from helpdesk_api.domain.clock_history import Move, Moved, Retargeted, replay
from helpdesk_api.domain.sla import ClockState, Metric, Terms
from tests.domain.calendars import MICROSECOND, OFFICE, daily, hours
from tests.domain.clocks import FOUR_HOURS, NOTHING, a_clock, a_paused_clock, monday, tuesday
from tests.domain.oracle import utc


def test_a_longer_target_keeps_the_time_used_and_moves_the_deadline() -> None:
    clock = sla.resume(a_paused_clock(), OFFICE, monday("12:00"))

    moved = sla.retarget(clock, Terms(hours(6), OFFICE, hours(2)), calendar=OFFICE, at=monday("12:30"))

    assert moved.due_at == monday("17:00")
    assert moved.warning_at == monday("13:00")
    assert moved.paused == hours(1)
    assert moved.target == hours(6)


def test_a_shorter_target_that_is_used_up_is_breached_when_it_would_have_been() -> None:
    moved = sla.retarget(a_clock(), Terms(hours(1), OFFICE), calendar=OFFICE, at=monday("13:30"))

    assert moved.due_at == monday("11:00")
    assert moved.breached_at == monday("11:00")
    assert moved.warned_at == monday("13:00")
    assert moved.warning_at is None


def test_a_shorter_target_used_up_in_an_earlier_stretch_is_breached_at_the_start_of_this_one() -> None:
    clock = sla.resume(a_paused_clock("13:00"), OFFICE, tuesday("09:00"))

    moved = sla.retarget(clock, Terms(hours(1), OFFICE), calendar=OFFICE, at=tuesday("09:30"))

    assert moved.breached_at == tuesday("09:00")
    assert moved.due_at == tuesday("09:00")
    assert remaining(moved, OFFICE, tuesday("10:00")) == -hours(3)


def test_a_breach_stays_recorded_when_the_deadline_moves_away() -> None:
    clock = clock_firing.breach(a_clock(), monday("14:00"))

    moved = sla.retarget(clock, Terms(hours(7), OFFICE), calendar=OFFICE, at=monday("15:00"))

    assert moved.due_at == monday("17:00")
    assert moved.breached_at == monday("14:00")
    assert remaining(moved, OFFICE, monday("15:00")) == hours(2)
    assert sla.stop(moved, OFFICE, monday("15:30")).state is ClockState.BREACHED


def test_a_deadline_that_passed_unnoticed_is_recorded_before_it_moves() -> None:
    moved = sla.retarget(a_clock(), Terms(hours(7), OFFICE), calendar=OFFICE, at=monday("15:00"))

    assert moved.breached_at == monday("14:00")
    assert moved.warned_at == monday("13:00")


def test_the_same_terms_again_change_nothing() -> None:
    for clock in (a_clock(), a_paused_clock(), sla.resume(a_paused_clock("16:00"), OFFICE, tuesday("12:00"))):
        assert sla.retarget(clock, FOUR_HOURS, calendar=OFFICE, at=tuesday("13:00")) == sla.settle(
            clock, tuesday("13:00")
        )


def test_another_calendar_measures_from_now_on_and_the_old_one_until_now() -> None:
    moved = sla.retarget(a_clock(), Terms(hours(24), ALWAYS_OPEN), calendar=OFFICE, at=tuesday("08:00"))

    assert moved.elapsed == hours(7)
    assert moved.since_at == tuesday("08:00")
    assert moved.due_at == utc("2026-11-04 01:00")


def test_a_paused_clock_takes_other_terms_and_stays_paused() -> None:
    moved = sla.retarget(a_paused_clock(), Terms(hours(2), ALWAYS_OPEN), calendar=OFFICE, at=monday("13:00"))

    assert moved.state is ClockState.PAUSED
    assert moved.due_at is None
    assert moved.paused == hours(2)
    assert moved.breached_at is None
    resumed = sla.resume(moved, ALWAYS_OPEN, monday("20:00"))
    assert resumed.paused == hours(9)
    assert resumed.due_at == monday("21:00")


def test_a_paused_clock_can_be_breached_by_shorter_terms_as_of_its_pause() -> None:
    moved = sla.retarget(a_paused_clock(), Terms(hours(1), OFFICE), calendar=OFFICE, at=monday("13:00"))

    assert moved.breached_at == monday("11:00")
    assert moved.due_at is None


def test_a_clock_leaves_a_calendar_that_no_longer_opens() -> None:
    closed_down = daily()
    clock = a_clock(Terms(NOTHING, closed_down))

    moved = sla.retarget(clock, Terms(hours(1), OFFICE), calendar=closed_down, at=monday("12:00"))

    assert moved.due_at == monday("13:00")
    with pytest.raises(BudgetOutOfReachError):
        sla.retarget(moved, Terms(hours(2), closed_down), calendar=OFFICE, at=monday("12:30"))


@pytest.mark.parametrize(
    ("target", "warning"),
    [(-MICROSECOND, None), (hours(1), hours(1) + MICROSECOND), (hours(1), -MICROSECOND)],
)
def test_terms_that_cannot_be_measured_are_refused(target: timedelta, warning: timedelta | None) -> None:
    with pytest.raises(clock_refusals.InvalidTargetError):
        Terms(target, OFFICE, warning)


def test_a_history_replays_to_the_clock_it_made() -> None:
    clock = sla.start(Metric.FIRST_RESPONSE, FOUR_HOURS, monday("10:00"), instance=2)
    clock = sla.pause(clock, OFFICE, monday("11:00"))
    clock = sla.resume(clock, OFFICE, monday("12:00"))
    clock = sla.retarget(clock, Terms(hours(2), OFFICE), calendar=OFFICE, at=monday("12:30"))
    clock = clock_firing.breach(clock, monday("13:00"))

    replayed = replay(
        Metric.FIRST_RESPONSE,
        FOUR_HOURS,
        monday("10:00"),
        history=[
            Moved(Move.PAUSE, monday("11:00")),
            Moved(Move.RESUME, monday("12:00")),
            Retargeted(Terms(hours(2), OFFICE), monday("12:30")),
        ],
        until=monday("13:00"),
        instance=2,
    )

    assert replayed == clock
