"""The escalation steps of a clock, on Monday 2026-11-02; the office is open from nine to five."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from helpdesk_api.domain import sla
from helpdesk_api.domain.clock_firing import escalate
from helpdesk_api.domain.clock_refusals import ClockNotRunningError, DeadlineAlreadyFiredError, DeadlineNotDueError
from helpdesk_api.domain.escalation import Escalation, EscalationStep, kept
from helpdesk_api.domain.sla import Clock, Terms
from tests.domain.calendars import OFFICE, hours
from tests.domain.clocks import a_clock, monday, tuesday

HALF = EscalationStep("half", percent=50)
BEFORE = EscalationStep("before", offset=-hours(1))
AFTER = EscalationStep("after", offset=hours(2))
FOUR_HOURS = Terms(hours(4), OFFICE, steps=(HALF, BEFORE, AFTER))


def instants(clock: Clock) -> list[datetime | None]:
    return [one.at for one in clock.escalations]


def came(clock: Clock) -> dict[str, tuple[datetime | None, bool]]:
    return {one.step.key: (one.reached_at, one.is_late) for one in clock.escalations if one.reached_at is not None}


def test_steps_come_at_a_share_of_the_time_and_before_and_after_the_deadline_in_open_time() -> None:
    assert instants(a_clock(FOUR_HOURS, at="12:00")) == [monday("14:00"), monday("15:00"), tuesday("10:00")]


def test_a_pause_moves_what_is_ahead_and_leaves_what_was_reached() -> None:
    paused = sla.pause(a_clock(FOUR_HOURS, at="10:00"), OFFICE, monday("12:30"))
    resumed = sla.resume(paused, OFFICE, monday("13:30"))

    assert came(paused) == {"half": (monday("12:00"), False)}
    assert instants(paused)[1:] == [None, None]
    assert instants(resumed)[1:] == [monday("14:00"), monday("17:00")]


def test_an_extension_moves_the_steps_with_the_deadline() -> None:
    extended = sla.extend(a_clock(FOUR_HOURS, at="09:00"), OFFICE, monday("09:30"), hours(2))

    assert instants(extended) == [monday("12:00"), monday("14:00"), monday("17:00")]


def test_a_step_that_comes_with_other_terms_too_late_is_reached_at_once_and_marked() -> None:
    short = Terms(hours(2), OFFICE, steps=(HALF, EscalationStep("last", percent=100)))
    moved = sla.retarget(a_clock(FOUR_HOURS, at="09:00"), short, calendar=OFFICE, at=monday("10:30"))

    assert came(moved) == {"half": (monday("10:30"), True)}
    assert [(one.step.key, one.is_current) for one in moved.escalations] == [
        ("half", True),
        ("before", False),
        ("after", False),
        ("last", True),
    ]
    assert instants(moved)[1:] == [None, None, monday("11:00")]


def test_a_step_that_was_reached_is_not_reached_again_under_other_terms() -> None:
    long = Terms(hours(8), OFFICE, steps=(HALF,))
    moved = sla.retarget(a_clock(FOUR_HOURS, at="09:00"), long, calendar=OFFICE, at=monday("11:30"))

    assert came(sla.settle(moved, tuesday("12:00"))) == {"half": (monday("11:00"), False)}


def test_beside_a_deadline_set_by_hand_only_steps_before_and_after_it_come_also_while_the_clock_waits() -> None:
    fixed = sla.fix(a_clock(FOUR_HOURS, at="09:00"), OFFICE, monday("09:30"), monday("16:00"))
    paused = sla.pause(fixed, OFFICE, monday("10:00"))

    assert instants(paused) == [None, monday("15:00"), tuesday("10:00")]
    assert came(sla.settle(paused, monday("15:00"))) == {"before": (monday("15:00"), False)}
    assert came(sla.release(paused, OFFICE, monday("10:30"))) == {}


def test_a_step_is_told_once_not_early_and_also_of_a_clock_that_has_stopped_since() -> None:
    clock = a_clock(FOUR_HOURS, at="09:00")
    stopped = sla.stop(clock, OFFICE, monday("11:30"))
    told, one = escalate(stopped, 1, monday("12:00"))

    assert (one.step, one.reached_at) == (HALF, monday("11:00"))
    with pytest.raises(DeadlineAlreadyFiredError):
        escalate(told, 1, monday("12:00"))
    with pytest.raises(DeadlineNotDueError):
        escalate(clock, 1, monday("10:59"))
    with pytest.raises(ClockNotRunningError):
        escalate(stopped, 2, monday("16:00"))


def test_after_an_edit_of_the_calendar_what_was_reached_stays_and_what_is_reached_by_it_is_late() -> None:
    now = monday("12:00")
    old = (Escalation(HALF, at=monday("11:00"), reached_at=monday("11:00"), is_told=True), Escalation(BEFORE))
    new = (Escalation(HALF, at=monday("14:00")), Escalation(BEFORE, at=monday("10:00"), reached_at=monday("10:00")))

    assert kept(old, new, now) == (old[0], replace(new[1], at=now, reached_at=now, is_late=True))
    assert kept(old, new, now)[0].is_told


def test_a_share_of_the_time_is_in_whole_seconds() -> None:
    assert EscalationStep("third", percent=33).after(timedelta(seconds=100.9)) == timedelta(seconds=33)
