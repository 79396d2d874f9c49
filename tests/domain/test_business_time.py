"""What the calendar promises, case by case: boundaries, clock changes and special days."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from helpdesk_api.domain.business_time import (
    ALWAYS_OPEN,
    Calendar,
    Interval,
)
from tests.domain.calendars import DAY, HOUR, MICROSECOND, OFFICE, daily, hours, weekdays
from tests.domain.oracle import utc

NIGHTS = daily((22, 30))


@pytest.mark.parametrize(
    ("start", "amount", "due"),
    [
        # 2 November 2026 is a Monday.
        ("2026-11-02 10:00", hours(2), "2026-11-02 12:00"),
        ("2026-11-02 10:00", hours(7), "2026-11-02 17:00"),  # Used up as the office closes: due at the closing.
        ("2026-11-02 10:00", hours(7) + MICROSECOND, "2026-11-03 09:00:00.000001"),
        ("2026-11-02 17:00", hours(1), "2026-11-03 10:00"),  # Closing time itself is closed.
        ("2026-11-02 08:00", hours(8), "2026-11-02 17:00"),
        ("2026-11-06 16:59:59.999999", MICROSECOND, "2026-11-06 17:00"),
        ("2026-11-06 16:30", hours(1), "2026-11-09 09:30"),  # Over a weekend.
        ("2026-11-07 12:00", hours(0), "2026-11-07 12:00"),  # Zero is due at once, open or not.
        ("2026-11-07 12:00", MICROSECOND, "2026-11-09 09:00:00.000001"),
    ],
)
def test_a_budget_ends_at_the_earliest_instant_it_is_used_up(start: str, amount: timedelta, due: str) -> None:
    assert OFFICE.add(utc(start), amount) == utc(due)


@pytest.mark.parametrize(
    ("end", "amount", "began"),
    [
        ("2026-11-02 12:00", hours(2), "2026-11-02 10:00"),
        ("2026-11-02 12:00", hours(3), "2026-11-02 09:00"),  # Used up at the opening: the opening is the latest.
        ("2026-11-02 12:00", hours(3) + MICROSECOND, "2026-10-30 16:59:59.999999"),
        ("2026-11-02 20:00", hours(8), "2026-11-02 09:00"),
        ("2026-11-07 12:00", hours(0), "2026-11-07 12:00"),
    ],
)
def test_subtracting_mirrors_adding(end: str, amount: timedelta, began: str) -> None:
    assert OFFICE.subtract(utc(end), amount) == utc(began)


@pytest.mark.parametrize(
    ("zone", "night", "length"),
    [
        ("America/New_York", date(2026, 3, 7), hours(7)),  # An hour is skipped.
        ("America/New_York", date(2026, 3, 8), hours(8)),
        ("America/New_York", date(2026, 10, 31), hours(9)),  # An hour is lived twice.
        ("Australia/Lord_Howe", date(2026, 10, 3), hours(7.5)),
        ("Australia/Lord_Howe", date(2026, 4, 4), hours(8.5)),
        ("Antarctica/Troll", date(2026, 3, 28), hours(6)),
        ("Pacific/Apia", date(2011, 12, 29), hours(2)),  # The date it would have ended on never was.
    ],
)
def test_a_night_shift_lasts_as_long_as_it_really_does(zone: str, night: date, length: timedelta) -> None:
    shift = Calendar(zone, ((),) * 7, special_hours={night: (Interval(22 * HOUR, 30 * HOUR),)})
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=ZoneInfo(zone))

    assert shift.between(noon, noon.astimezone(UTC) + hours(24)) == length


@pytest.mark.parametrize("on", [date(2026, 3, 8), date(2026, 11, 1)])
def test_an_office_day_does_not_notice_that_the_clocks_changed(on: date) -> None:
    office = daily((9, 17), zone="America/New_York")
    opening = datetime(on.year, on.month, on.day, 9, tzinfo=ZoneInfo("America/New_York"))

    assert office.add(opening, hours(8)) == opening.replace(hour=17)
    assert office.between(opening - hours(9), opening + hours(12)) == hours(8)


@pytest.mark.parametrize(
    ("at", "amount", "due"),
    [
        ("2026-03-08T01:30-05:00", hours(1), "2026-03-08T03:30-04:00"),  # There is no 02:30.
        ("2026-11-01T00:30-04:00", hours(2), "2026-11-01T01:30-05:00"),  # 01:30 comes twice.
    ],
)
def test_calendar_time_is_real_time(at: str, amount: timedelta, due: str) -> None:
    for always in (ALWAYS_OPEN, daily((0, 24), zone="America/New_York")):
        assert always.add(datetime.fromisoformat(at), amount) == datetime.fromisoformat(due)


def test_an_edge_that_the_clock_skips_is_the_instant_of_the_change() -> None:
    early = daily((2.5, 4), zone="America/New_York")

    spans = list(early.open_spans(utc("2026-03-08 00:00"), utc("2026-03-09 00:00")))

    assert spans == [(utc("2026-03-08 07:00"), utc("2026-03-08 08:00"))]


def test_hours_that_the_clock_shows_twice_are_open_twice() -> None:
    early = daily((1, 1.5), zone="America/New_York")

    spans = list(early.open_spans(utc("2026-11-01 00:00"), utc("2026-11-02 00:00")))

    assert spans == [
        (utc("2026-11-01 05:00"), utc("2026-11-01 05:30")),
        (utc("2026-11-01 06:00"), utc("2026-11-01 06:30")),
    ]


def test_two_instants_with_one_wall_time_are_an_hour_apart() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    second = first.replace(minute=10, fold=1)

    assert ALWAYS_OPEN.between(first, second) == timedelta(minutes=40)
    assert list(ALWAYS_OPEN.open_spans(first, second)) == [(utc("2026-11-01 05:30"), utc("2026-11-01 06:10"))]


@pytest.mark.parametrize(
    ("zone", "opening"),
    [
        ("Asia/Kathmandu", "2026-06-01 03:15"),
        ("Pacific/Kiritimati", "2026-05-31 19:00"),
        ("Pacific/Chatham", "2026-05-31 20:15"),
        ("Etc/GMT+12", "2026-06-01 21:00"),
        ("Africa/Monrovia", "2026-06-01 09:00"),
    ],
)
def test_offsets_of_any_size_place_the_opening(zone: str, opening: str) -> None:
    office = weekdays((9, 17), zone=zone)

    assert office.is_open(utc(opening))
    assert not office.is_open(utc(opening) - MICROSECOND)


def test_an_offset_that_once_had_seconds_is_honoured() -> None:
    office = weekdays((9, 17), zone="Africa/Monrovia")

    assert next(office.open_spans(utc("1971-06-01 00:00"), utc("1971-06-02 00:00"))) == (
        utc("1971-06-01 09:44:30"),
        utc("1971-06-01 17:44:30"),
    )


def test_a_holiday_closes_its_date_and_the_tail_of_the_night_before() -> None:
    nights = daily((22, 30), holidays={date(2026, 12, 25): ((0, DAY),)})

    spans = list(nights.open_spans(utc("2026-12-24 12:00"), utc("2026-12-27 12:00")))

    assert spans == [
        (utc("2026-12-24 22:00"), utc("2026-12-25 00:00")),
        # The shift of the 25th would have begun before midnight; its tail on the 26th is an ordinary morning.
        (utc("2026-12-26 00:00"), utc("2026-12-26 06:00")),
        (utc("2026-12-26 22:00"), utc("2026-12-27 06:00")),
    ]


def test_a_holiday_may_close_a_part_of_the_day() -> None:
    office = daily((9, 17), holidays={date(2026, 12, 24): ((12 * HOUR, DAY),)})

    assert office.between(utc("2026-12-24 00:00"), utc("2026-12-25 00:00")) == hours(3)


def test_special_hours_replace_the_weekday_and_make_a_saturday_a_working_day() -> None:
    saturday, monday = date(2026, 11, 7), date(2026, 11, 9)
    office = weekdays((9, 17), special={saturday: ((10 * HOUR, 14 * HOUR),), monday: ()})

    assert office.between(utc("2026-11-07 00:00"), utc("2026-11-08 00:00")) == hours(4)
    assert office.between(utc("2026-11-09 00:00"), utc("2026-11-10 00:00")) == hours(0)


def test_a_holiday_wins_over_special_hours() -> None:
    day = date(2026, 11, 7)
    office = Calendar("UTC", ((),) * 7, {day: (Interval(9 * HOUR, 17 * HOUR),)}, {day: (Interval(0, 12 * HOUR),)})

    assert office.between(utc("2026-11-07 00:00"), utc("2026-11-08 00:00")) == hours(5)


def test_the_night_shift_before_a_date_with_special_hours_is_finished() -> None:
    day = date(2026, 11, 7)
    nights = Calendar("UTC", NIGHTS.weekly, {day: ()})

    assert nights.between(utc("2026-11-07 00:00"), utc("2026-11-08 06:00")) == hours(6)


def test_overlapping_and_touching_intervals_count_once() -> None:
    office = daily((9, 12), (11, 13), (13, 14), (13, 13.5))

    assert list(office.open_spans(utc("2026-11-02 00:00"), utc("2026-11-03 00:00"))) == [
        (utc("2026-11-02 09:00"), utc("2026-11-02 14:00"))
    ]


@pytest.mark.parametrize("asked_first", [2011, 2019, 2020, 2026, 2031])
def test_an_unbroken_span_stays_whole_over_the_turn_of_years_whichever_year_is_asked_first(asked_first: int) -> None:
    # A special day of its own gives each case a timeline that nobody has asked yet.
    nights = Calendar("UTC", NIGHTS.weekly, {date(1990, 1, 1): (Interval(asked_first, DAY),)})
    nights.position(utc(f"{asked_first}-06-01 00:00"))

    for year in (2011, 2019, 2020, 2026):
        spans = list(nights.open_spans(utc(f"{year}-12-31 12:00"), utc(f"{year + 1}-01-01 12:00")))
        assert spans == [(utc(f"{year}-12-31 22:00"), utc(f"{year + 1}-01-01 06:00"))]
    assert nights.between(utc("2010-01-01 12:00"), utc("2030-01-01 12:00")) == 7305 * hours(8)


def test_spans_are_cut_at_the_ends_of_the_question() -> None:
    assert list(OFFICE.open_spans(utc("2026-11-02 10:00"), utc("2026-11-03 10:00"))) == [
        (utc("2026-11-02 10:00"), utc("2026-11-02 17:00")),
        (utc("2026-11-03 09:00"), utc("2026-11-03 10:00")),
    ]
    assert list(OFFICE.open_spans(utc("2026-11-02 10:00"), utc("2026-11-02 10:00"))) == []


def test_opening_is_open_and_closing_is_not() -> None:
    assert OFFICE.is_open(utc("2026-11-02 09:00"))
    assert not OFFICE.is_open(utc("2026-11-02 17:00"))


def test_results_are_utc_whatever_the_question_was_asked_in() -> None:
    start = datetime(2026, 11, 2, 12, tzinfo=timezone(hours(3)))

    for answer in (OFFICE.add(start, hours(1)), OFFICE.add(start, hours(0)), OFFICE.subtract(start, hours(1))):
        assert answer.tzinfo is UTC


def test_calendars_are_values() -> None:
    closed = {date(2026, 1, 1): (Interval(0, DAY),)}
    one, same = Calendar("UTC", OFFICE.weekly, holidays=closed), Calendar("UTC", OFFICE.weekly, holidays=dict(closed))

    closed.clear()

    assert one == same
    assert hash(one) == hash(same)
    assert one != OFFICE
    assert one.between(utc("2026-01-01 00:00"), utc("2026-01-02 00:00")) == hours(0)
