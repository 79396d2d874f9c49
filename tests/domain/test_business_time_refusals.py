"""What a calendar refuses to compute or to be."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from helpdesk_api.domain.business_time import (
    ALWAYS_OPEN,
    BudgetOutOfReachError,
    Calendar,
    InstantOutOfRangeError,
    Interval,
    InvalidCalendarError,
    NegativeDurationError,
    ReversedPeriodError,
    UnknownTimeZoneError,
    zone_named,
)
from tests.domain.calendars import DAY, HOUR, MICROSECOND, OFFICE, daily, hours
from tests.domain.oracle import utc

NEVER = daily()


def test_an_end_before_the_start_is_refused() -> None:
    early, late = utc("2026-11-02 10:00"), utc("2026-11-02 10:00:01")

    with pytest.raises(ReversedPeriodError, match="2026-11-02 10:00:00"):
        OFFICE.between(late, early)
    with pytest.raises(ReversedPeriodError):
        OFFICE.open_spans(late, early)


def test_a_negative_budget_is_refused() -> None:
    for operation in (OFFICE.add, OFFICE.subtract):
        with pytest.raises(NegativeDurationError):
            operation(utc("2026-11-02 10:00"), -MICROSECOND)


def test_a_calendar_that_never_opens_uses_nothing_up() -> None:
    at = utc("2026-11-02 10:00")

    assert NEVER.between(at, at + timedelta(days=400)) == hours(0)
    assert NEVER.add(at, hours(0)) == at
    for operation in (NEVER.add, NEVER.subtract):
        with pytest.raises(BudgetOutOfReachError):
            operation(at, MICROSECOND)


def test_twenty_years_are_the_furthest_a_deadline_may_lie_whatever_was_asked_before() -> None:
    at = utc("2026-11-02 10:00")
    furthest = timedelta(days=7305)

    assert ALWAYS_OPEN.add(at, furthest) == at + furthest
    assert ALWAYS_OPEN.subtract(at, furthest) == at - furthest
    for operation in (ALWAYS_OPEN.add, ALWAYS_OPEN.subtract):
        with pytest.raises(BudgetOutOfReachError):
            operation(at, furthest + MICROSECOND)


@pytest.mark.parametrize(
    "at",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(-hours(14))),
        utc("1969-12-31 23:59:59.999999"),
        utc("2100-01-01 00:00"),
    ],
)
def test_instants_of_unsupported_years_are_refused(at: datetime) -> None:
    for operation in (OFFICE.add, OFFICE.subtract):
        with pytest.raises(InstantOutOfRangeError):
            operation(at, hours(1))
    with pytest.raises(InstantOutOfRangeError):
        OFFICE.between(at, at)
    with pytest.raises(InstantOutOfRangeError):
        OFFICE.is_open(at)


def test_budgets_that_would_leave_the_supported_years_are_refused() -> None:
    with pytest.raises(BudgetOutOfReachError):
        OFFICE.add(utc("2099-12-31 12:00"), timedelta.max)
    with pytest.raises(BudgetOutOfReachError):
        OFFICE.subtract(utc("1970-01-02 12:00"), timedelta.max)


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "europe/berlin", "Europe", "../../etc/localtime", "/etc/localtime", "right/UTC", "a\0b"],
)
def test_only_iana_names_are_zones(name: str) -> None:
    with pytest.raises(UnknownTimeZoneError):
        zone_named(name)
    with pytest.raises(UnknownTimeZoneError):
        Calendar(name, ((),) * 7)


@pytest.mark.parametrize(
    ("weekly", "holidays"),
    [
        (((),) * 6, ()),
        (((Interval(-1, 60),),) + ((),) * 6, ()),
        (((Interval(DAY, DAY + 60),),) + ((),) * 6, ()),
        (((Interval(60, 60),),) + ((),) * 6, ()),
        (((Interval(60, DAY + 61),),) + ((),) * 6, ()),
        (((Interval(0, 60),) * 25,) + ((),) * 6, ()),
        (((),) * 7, (Interval(12 * HOUR, DAY + 1),)),
    ],
)
def test_hours_that_make_no_calendar_are_refused(
    weekly: tuple[tuple[Interval, ...], ...], holidays: tuple[Interval, ...]
) -> None:
    with pytest.raises(InvalidCalendarError):
        Calendar("UTC", weekly, holidays={date(2026, 1, 1): holidays})
