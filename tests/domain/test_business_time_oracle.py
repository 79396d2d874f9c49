"""The fast arithmetic against the slow walk, in the weeks and zones where wall clocks misbehave."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpdesk_api.domain.business_time import BudgetOutOfReachError, Calendar
from tests.domain.calendars import DAY, EVENTFUL_WEEKS, EXAMPLES, HOUR, calendar_of, rules_around, window_around
from tests.domain.oracle import Rules, Walk, utc

OFFICE = ((9 * HOUR, 17 * HOUR),)
NIGHT = ((22 * HOUR, 30 * HOUR),)

# Where in the window, and a budget; seconds and microseconds that no edge has.
_ODD = st.sampled_from([0, 0, 1, 59_999_999]) | st.integers(0, 59_999_999)
_QUESTIONS = st.lists(st.tuples(st.integers(0, 8639), _ODD, st.integers(0, 4000), _ODD), min_size=15, max_size=15)


@EXAMPLES
@given(data=st.data(), week=st.sampled_from(EVENTFUL_WEEKS), questions=_QUESTIONS)
def test_every_answer_is_that_of_the_minute_by_minute_walk(
    data: st.DataObject, week: tuple[str, date], questions: list[tuple[int, int, int, int]]
) -> None:
    rules = data.draw(rules_around(*week))
    calendar = calendar_of(rules)
    walk = Walk(rules, *window_around(week[1]))

    for minute, odd, minutes, more in questions:
        at = walk.begin + timedelta(minutes=minute, microseconds=odd)
        other = walk.begin + timedelta(minutes=(minute * 31 + minutes) % 8640, microseconds=more)
        amount = timedelta(minutes=minutes, microseconds=more)

        assert calendar.is_open(at) == walk.is_open(at)
        start, end = sorted((at, other))
        assert calendar.between(start, end) == walk.between(start, end)
        assert calendar.position(end) - calendar.position(start) == walk.between(start, end)
        _assert_used_up(calendar, walk, at, amount)
        _assert_reached_back(calendar, walk, at, amount)


def _assert_used_up(calendar: Calendar, walk: Walk, start: datetime, amount: timedelta) -> None:
    expected = walk.add(start, amount)
    if expected is not None:
        assert calendar.add(start, amount) == expected
        return
    try:
        assert calendar.add(start, amount) > walk.end
    except BudgetOutOfReachError:
        assert calendar.between(start, start + timedelta(days=7000)) < amount


def _assert_reached_back(calendar: Calendar, walk: Walk, end: datetime, amount: timedelta) -> None:
    expected = walk.subtract(end, amount)
    if expected is not None:
        assert calendar.subtract(end, amount) == expected
        return
    try:
        assert calendar.subtract(end, amount) < walk.begin
    except BudgetOutOfReachError:
        assert calendar.between(end - timedelta(days=5000), end) < amount


@EXAMPLES
@given(data=st.data(), week=st.sampled_from(EVENTFUL_WEEKS))
def test_the_open_spans_are_those_of_the_walk_apart_from_each_other(
    data: st.DataObject, week: tuple[str, date]
) -> None:
    rules = data.draw(rules_around(*week))
    walk = Walk(rules, *window_around(week[1]))

    spans = list(calendar_of(rules).open_spans(walk.begin, walk.end))

    assert spans == walk.open_spans()


@pytest.mark.parametrize("hours", [OFFICE, NIGHT, ((0, DAY),)], ids=["office", "night", "always"])
@pytest.mark.parametrize(("zone", "on"), EVENTFUL_WEEKS, ids=str)
def test_plain_hours_in_every_eventful_week(zone: str, on: date, hours: tuple[tuple[int, int], ...]) -> None:
    rules = Rules(zone, (hours,) * 7, holidays={on + timedelta(days=2): ((0, DAY),)})
    walk = Walk(rules, *window_around(on))

    spans = list(calendar_of(rules).open_spans(walk.begin, walk.end))

    assert spans == walk.open_spans()


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        # Liberia kept -00:44:30 until 7 January 1972, when 23:59:60 was followed by 00:44:30.
        ("Africa/Monrovia", utc("1972-01-06 21:00")),
        ("Africa/Monrovia", utc("1971-07-01 05:00")),
    ],
)
def test_offsets_with_seconds_are_walked_second_by_second(zone: str, begin: datetime) -> None:
    rules = Rules(zone, (((0, 30 * 60), (1 * HOUR + 7, 2 * HOUR), (5 * HOUR, 22 * HOUR), (23 * HOUR, 25 * HOUR)),) * 7)
    walk = Walk(rules, begin, timedelta(hours=9), timedelta(seconds=1))

    spans = list(calendar_of(rules).open_spans(walk.begin, walk.end))

    assert spans == walk.open_spans()


_ANY_INSTANT = st.timedeltas(timedelta(days=9_000), timedelta(days=38_000)).map(lambda since: utc("1970-01-01") + since)
_ANY_AMOUNT = st.timedeltas(timedelta(microseconds=1), timedelta(days=60))


@EXAMPLES
@given(data=st.data(), week=st.sampled_from(EVENTFUL_WEEKS), start=_ANY_INSTANT, first=_ANY_AMOUNT, second=_ANY_AMOUNT)
def test_far_from_the_walk_the_operations_still_agree_with_each_other(
    data: st.DataObject, week: tuple[str, date], start: datetime, first: timedelta, second: timedelta
) -> None:
    rules = data.draw(rules_around(*week))
    assume(sum(end - begin for hours in rules.weekly for begin, end in hours) > 8 * HOUR)
    calendar = calendar_of(rules)

    due_at = calendar.add(start, first)

    assert calendar.between(start, due_at) == first
    assert calendar.between(start, due_at - timedelta(microseconds=1)) < first
    assert calendar.add(due_at, second) == calendar.add(start, first + second)
    latest = calendar.subtract(due_at, first)
    assert latest >= start
    assert calendar.between(start, latest) == timedelta()
    assert sum((end - begin for begin, end in calendar.open_spans(start, due_at)), timedelta()) == first
