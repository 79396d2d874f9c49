"""When the occurrences of plans are, over ten years, against a reader of calendar files and a search day by day.

12 random plans, and with `GUARANTEE_SCALE=100` 1,200.
"""

from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from random import Random
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events

from helpdesk_api.domain.business_time import Calendar, Interval
from helpdesk_api.kit.recurrence import check_rule, dates_of
from helpdesk_api.tickets.plans.schemas import HolidayShift
from helpdesk_api.tickets.plans.timetables import Timetable
from tests.guarantees.report import SCALE

DAY = timedelta(days=1)
ZONES = ("Etc/UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def a_rule(random: Random) -> str:
    """Make a rule of the kinds that people state, month ends and leap days among them."""
    every = f";INTERVAL={random.randint(1, 4)}" if random.random() < 0.5 else ""
    day, ordinal = random.choice(DAYS), random.choice((1, 2, 3, 4, -1))
    rule = random.choice(
        (
            f"FREQ=DAILY;BYMONTH={random.randint(1, 12)}",
            f"FREQ=WEEKLY;BYDAY={','.join(sorted(random.sample(DAYS, 2)))}",
            f"FREQ=MONTHLY;BYMONTHDAY={random.choice((1, 15, 28, 29, 30, 31, -1))}",
            f"FREQ=MONTHLY;BYDAY={ordinal}{day}",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            f"FREQ=YEARLY;BYMONTH=3,10;BYDAY={ordinal}SU",
        )
    )
    return rule if "MONTHDAY=29" in rule and "YEARLY" in rule else rule + every


def shown_by_a_calendar_program(rule: str, starts_on: date, until: date) -> list[date]:
    """Give the dates of a rule as another reader of RFC 5545 tells them."""
    event = icalendar.Event()
    event.add("dtstart", starts_on)
    event.add("rrule", icalendar.vRecur.from_ical(rule))
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    return sorted(component.start for component in recurring_ical_events.of(calendar).between(starts_on, until + DAY))


def a_working_week(random: Random, zone: str, starts_on: date) -> tuple[Calendar, set[date]]:
    """Make a calendar that is closed at weekends and on some days; gives those days too."""
    closed = {starts_on + timedelta(days=random.randrange(4_000)) for _ in range(120)}
    office = (Interval(9 * 3_600, 17 * 3_600),)
    weekly = tuple(office if number < 5 else () for number in range(7))
    return Calendar(zone=zone, weekly=weekly, holidays={day: (Interval(0, 86_400),) for day in closed}), closed


def moved(on: date, closed: set[date], shift: HolidayShift) -> date | None:
    """Look for the day on which an occurrence takes place, one after the other."""
    while shift is not HolidayShift.NONE and (on.weekday() > 4 or on in closed):
        if shift is HolidayShift.SKIP:
            return None
        on += DAY if shift is HolidayShift.NEXT else -DAY
    return on


@pytest.mark.parametrize("seed", range(12 * SCALE))
def test_ten_years_of_a_plan_are_what_a_calendar_program_and_the_working_days_say(seed: int) -> None:
    random = Random(seed)
    rule, zone = a_rule(random), random.choice(ZONES)
    starts_on = date(2024, 1, 1) + timedelta(days=random.randrange(700))
    until, wall = starts_on.replace(year=starts_on.year + 10, day=1), time(random.choice((0, 2, 8, 23)), 30)
    hours, closed = a_working_week(random, zone, starts_on)
    shift, lead = random.choice(tuple(HolidayShift)), timedelta(days=random.choice((0, 14)))
    timetable = Timetable(rule, zone, wall, None, shift, hours, lead)

    ahead = takewhile(lambda each: each.occurs_on <= until, timetable.occurrences(starts_on, not_before=starts_on))
    found = {each.occurs_on: None if each.adjustment == "skipped" else each.planned_at for each in ahead}

    expected = {}
    for on in shown_by_a_calendar_program(rule, starts_on, until):
        day = moved(on, closed, shift)
        expected[on] = None if day is None else datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC)
    if starts_on not in dates_of(rule, starts_on, not_before=starts_on):
        # A calendar program shows the first day whatever the rule says.
        expected.pop(starts_on, None)
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "DAILY", "FREQ=HOURLY", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;UNTIL=20270101",
        "FREQ=DAILY;BYHOUR=8", "FREQ=WEEKLY;BYDAY=1MO", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=YEARLY;BYMONTH=13", "FREQ=DAILY;COUNT=1\nRDATE:20270101", "FREQ=DAILY;X=1",
        "FREQ=MONTHLY;BYYEARDAY=1", "FREQ=YEARLY;BYWEEKNO=54", "DTSTART:20270101\nRRULE:FREQ=DAILY",
        "FREQ=YEARLY;BYEASTER=0", "FREQ=YEARLY;BYMONTHDAY=" + ",".join(["1"] * 100),
    ],
)  # fmt: skip
def test_only_rules_of_dates_that_the_standard_knows_are_taken(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|states|is longer|counts)"):
        check_rule(text)


def test_a_rule_that_never_comes_true_gives_nothing_and_a_leap_day_is_waited_for() -> None:
    start = date(2097, 1, 1)

    assert list(dates_of("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31", date(2026, 1, 1), not_before=date(2026, 1, 1))) == []
    leap_days = list(dates_of("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", date(2026, 1, 1), not_before=date(2029, 1, 1)))
    assert leap_days == [date(2032, 2, 29), date(2036, 2, 29), date(2040, 2, 29)]
    assert len(list(dates_of("FREQ=DAILY", start, not_before=start))) == 730
