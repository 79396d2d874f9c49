"""Receivers that fail: when it counts, when they are given up, and that one success ends it."""

from datetime import UTC, datetime, timedelta

import pytest

from helpdesk_api.domain.failing import UNBROKEN, Streak

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def after(*times: timedelta) -> Streak:
    streak = UNBROKEN
    for time in times:
        streak = streak.failed(START + time)
    return streak


@pytest.mark.parametrize(
    ("failures", "failing_since"),
    [
        ((0 * HOUR,), None),
        ((0 * HOUR, HOUR), None),
        ((0 * HOUR, HOUR, 2 * HOUR), START),
        ((0 * HOUR, HOUR, DAY), START),
        ((0 * HOUR, HOUR, DAY + timedelta(seconds=1)), None),
        ((0 * HOUR, 2 * DAY, 2 * DAY + HOUR, 2 * DAY + 2 * HOUR), START + 2 * DAY),
    ],
)
def test_three_failures_in_a_row_within_a_day_count(
    failures: tuple[timedelta, ...], failing_since: datetime | None
) -> None:
    assert after(*failures).failing_since == failing_since


def test_failures_after_that_do_not_move_the_beginning() -> None:
    streak = after(0 * HOUR, HOUR, 2 * HOUR, 3 * DAY)

    assert (streak.failing_since, streak.failure_count) == (START, 4)


@pytest.mark.parametrize(("at", "given_up"), [(5 * DAY - timedelta(seconds=1), False), (5 * DAY, True)])
def test_after_five_days_of_failures_only_the_receiver_is_given_up(at: timedelta, *, given_up: bool) -> None:
    streak = after(0 * HOUR, HOUR, 2 * HOUR)

    assert streak.is_given_up(START + at) is given_up
    assert streak.gives_up_at == START + 5 * DAY


def test_one_that_does_not_count_as_failing_is_never_given_up() -> None:
    streak = after(0 * HOUR, 3 * DAY, 6 * DAY, 9 * DAY)

    assert (streak.is_given_up(START + 9 * DAY), streak.gives_up_at) == (False, None)
