"""Why a clock is due when it is. 2 November 2026 is a Monday, and the office is open from 09:00 to 17:00."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from helpdesk_api.domain.business_time import Calendar, Interval
from helpdesk_api.domain.clock_history import Change, Move, Moved, Retargeted, Started, replay
from helpdesk_api.domain.explained_steps import MOST_STEPS, StepKind
from helpdesk_api.domain.explanation import Explanation, explain
from helpdesk_api.domain.sla import Metric, Terms
from tests.domain.calendars import HOUR, OFFICE, hours
from tests.domain.clock_replayer import Replay
from tests.domain.clocks import monday, tuesday
from tests.domain.oracle import utc
from tests.domain.random_clocks import RandomClock, a_random_clock, as_the_api_shows

SECOND = timedelta(seconds=1)


def told(target: Terms, *changes: Change, at: str = "10:00", until: str = "10:00") -> list[tuple[str, str, str, float]]:
    """Give kind, beginning, end and counted hours of each step of a clock that was started on Monday."""
    found = explain(Metric.RESOLUTION, [Started(target, monday(at)), *changes], until=monday(until))
    return [
        (step.kind.value, f"{step.from_at:%a %H:%M}", f"{step.to_at:%a %H:%M}", step.counted / timedelta(hours=1))
        for step in found.steps
    ]


def explained(clock: RandomClock) -> Explanation:
    return explain(Metric.RESOLUTION, clock.history, until=clock.until)


def test_nights_lie_between_what_counts_and_lead_to_the_deadline() -> None:
    assert told(Terms(hours(10), OFFICE), at="16:00", until="16:30") == [
        ("started", "Mon 16:00", "Mon 16:00", 0),
        ("counted", "Mon 16:00", "Mon 16:30", 0.5),
        ("counted", "Mon 16:30", "Mon 17:00", 0.5),
        ("night", "Mon 17:00", "Tue 09:00", 0),
        ("counted", "Tue 09:00", "Tue 17:00", 8),
        ("night", "Tue 17:00", "Wed 09:00", 0),
        ("counted", "Wed 09:00", "Wed 10:00", 1),
        ("due", "Wed 10:00", "Wed 10:00", 0),
    ]


def test_a_pause_is_told_with_what_it_waited_and_counts_nothing() -> None:
    pause, resume = Moved(Move.PAUSE, monday("16:00")), Moved(Move.RESUME, tuesday("10:00"))

    found = explain(
        Metric.RESOLUTION, [Started(Terms(hours(8), OFFICE), monday("10:00")), pause, resume], until=tuesday("10:00")
    )

    assert [(step.kind, step.counted, step.waited, step.change) for step in found.steps] == [
        (StepKind.STARTED, hours(0), hours(0), 0),
        (StepKind.COUNTED, hours(6), hours(0), None),
        (StepKind.PAUSED, hours(0), hours(2), 1),
        (StepKind.RESUMED, hours(0), hours(0), 2),
        (StepKind.COUNTED, hours(2), hours(0), None),
        (StepKind.DUE, hours(0), hours(0), None),
    ]
    assert found.steps[-1].from_at == tuesday("12:00")


def test_other_terms_that_were_used_up_already_are_breached_at_the_instant_at_which_that_happened() -> None:
    retargeted = Retargeted(Terms(hours(1), OFFICE), monday("14:00"))

    assert told(Terms(hours(8), OFFICE), retargeted, until="15:00") == [
        ("started", "Mon 10:00", "Mon 10:00", 0),
        ("counted", "Mon 10:00", "Mon 11:00", 1),
        ("breached", "Mon 11:00", "Mon 11:00", 0),
        ("counted", "Mon 11:00", "Mon 14:00", 3),
        ("retargeted", "Mon 14:00", "Mon 14:00", 0),
        ("counted", "Mon 14:00", "Mon 15:00", 1),
        ("due", "Mon 11:00", "Mon 11:00", 0),
    ]


def test_what_was_done_in_time_still_tells_its_deadline() -> None:
    assert told(Terms(hours(2), OFFICE), Moved(Move.STOP, monday("11:00")), until="16:00") == [
        ("started", "Mon 10:00", "Mon 10:00", 0),
        ("counted", "Mon 10:00", "Mon 11:00", 1),
        ("met", "Mon 11:00", "Mon 11:00", 0),
        ("counted", "Mon 11:00", "Mon 12:00", 1),
        ("due", "Mon 12:00", "Mon 12:00", 0),
    ]


@pytest.mark.parametrize(
    ("day", "kind", "holidays"),
    [
        ("2026-11-02 08:00", StepKind.NIGHT, ()),
        ("2026-11-02 20:00", StepKind.NIGHT, ()),
        ("2026-11-06 20:00", StepKind.DAY_OFF, ()),
        ("2026-11-03 20:00", StepKind.HOLIDAY, (date(2026, 11, 4),)),
    ],
)
def test_what_does_not_count_is_told_with_its_cause(day: str, kind: StepKind, holidays: tuple[date, ...]) -> None:
    open_hours = (Interval(9 * HOUR, 13 * HOUR), Interval(15 * HOUR, 18 * HOUR))
    calendar = Calendar("UTC", (open_hours,) * 5 + ((), ()), {}, {date(2026, 11, 4): (Interval(0, 24 * HOUR),)})

    found = explain(Metric.RESOLUTION, [Started(Terms(hours(1), calendar), utc(day))], until=utc(day))

    assert [(step.kind, step.holidays) for step in found.steps[1:2]] == [(kind, holidays)]


def test_a_lunch_hour_is_a_break() -> None:
    lunch = Calendar("UTC", ((Interval(9 * HOUR, 13 * HOUR), Interval(15 * HOUR, 18 * HOUR)),) * 7)

    assert told(Terms(hours(4), lunch), until="10:00")[2:4] == [
        ("break", "Mon 13:00", "Mon 15:00", 0),
        ("counted", "Mon 15:00", "Mon 16:00", 1),
    ]


def test_a_long_stretch_is_told_by_the_week_and_ends_at_the_deadline_to_the_second() -> None:
    target = Terms(hours(1_500), OFFICE)

    found = explain(Metric.RESOLUTION, [Started(target, monday("10:00"))], until=monday("10:00"))

    periods = [step for step in found.steps if step.kind is StepKind.SUMMARY]
    assert {step.to_at - step.from_at for step in periods[1:-1]} == {timedelta(days=7)}
    assert {step.counted for step in periods[1:-1]} == {hours(40)}
    assert sum((step.counted for step in found.steps), hours(0)) == hours(1_500)
    assert found.steps[-2].to_at == found.measured.clock.due_at


@pytest.mark.parametrize("block", range(10))
def test_the_steps_of_a_random_clock_replay_to_its_deadline_to_the_second(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        clock = a_random_clock(seed)

        steps = explained(clock).steps

        first, *changes = clock.history
        assert isinstance(first, Started)
        stored = replay(Metric.RESOLUTION, first.terms, first.at, history=changes, until=clock.until)  # type: ignore[arg-type]  # only the first is a start.
        due_at = Replay().deadline([as_the_api_shows(step, clock.history) for step in steps])
        assert due_at == stored.due_at, f"clock {seed}"


@pytest.mark.parametrize("block", range(4))
def test_the_steps_of_a_random_clock_are_few_without_a_gap_and_exact(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        clock = a_random_clock(seed)

        steps = explained(clock).steps

        periods = [step for step in steps if step.kind is not StepKind.DUE]
        assert len(steps) <= MOST_STEPS + 10
        assert all(before.to_at == after.from_at for before, after in pairwise(periods)), f"clock {seed}"
        for step in steps:
            if step.kind is StepKind.COUNTED:
                assert abs(step.counted - (step.to_at - step.from_at)) < SECOND
            elif step.kind is not StepKind.SUMMARY:
                assert step.counted == hours(0)
