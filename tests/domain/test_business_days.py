"""When the n-th business day ends. 2 November 2026 is a Monday."""

from datetime import date

import pytest

from helpdesk_api.domain.business_days import end_of_business_day
from helpdesk_api.domain.business_time import BudgetOutOfReachError
from tests.domain.calendars import DAY, HOUR, OFFICE, daily, weekdays
from tests.domain.oracle import utc


@pytest.mark.parametrize(
    ("since", "days", "ends"),
    [
        ("2026-11-02 10:00", 0, "2026-11-02 17:00"),
        ("2026-11-02 10:00", 1, "2026-11-03 17:00"),
        ("2026-11-02 10:00", 5, "2026-11-09 17:00"),
        ("2026-11-02 17:00", 0, "2026-11-03 17:00"),  # Nothing of today is left.
        ("2026-11-02 18:00", 1, "2026-11-03 17:00"),
        ("2026-11-06 16:00", 1, "2026-11-09 17:00"),  # Over a weekend.
        ("2026-11-07 12:00", 0, "2026-11-09 17:00"),
        ("2026-11-07 12:00", 1, "2026-11-09 17:00"),
    ],
)
def test_a_business_day_ends_at_its_last_closing(since: str, days: int, ends: str) -> None:
    assert end_of_business_day(OFFICE, utc(since), days) == utc(ends)


def test_a_budget_of_the_open_time_until_then_is_due_then() -> None:
    split = weekdays((9, 12), (13, 18), zone="Europe/Berlin")
    since = utc("2026-11-02 10:17:03")

    ends = end_of_business_day(split, since, 3)

    assert ends == utc("2026-11-05 17:00")
    assert split.add(since, split.between(since, ends)) == ends


def test_a_holiday_is_no_business_day_and_half_of_one_is() -> None:
    calendar = daily((9, 17), holidays={date(2026, 11, 3): ((0, DAY),), date(2026, 11, 4): ((13 * HOUR, DAY),)})

    assert end_of_business_day(calendar, utc("2026-11-02 10:00"), 1) == utc("2026-11-04 13:00")


def test_a_day_of_round_the_clock_hours_ends_at_local_midnight() -> None:
    always = daily((0, 24), zone="Asia/Kathmandu")

    assert end_of_business_day(always, utc("2026-11-02 10:00"), 1) == utc("2026-11-03 18:15")


def test_the_short_day_of_the_spring_change_is_a_day() -> None:
    always = daily((0, 24), zone="America/New_York")

    assert end_of_business_day(always, utc("2026-03-07 17:00"), 1) == utc("2026-03-09 04:00")


def test_days_that_do_not_come_are_refused() -> None:
    with pytest.raises(BudgetOutOfReachError):
        end_of_business_day(daily(), utc("2026-11-02 10:00"), 1)
