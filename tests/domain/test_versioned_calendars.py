"""Calendars with seasons and edits against a slow walk: for every minute, the hours in force at that minute.

Each case is a calendar in a week that hurts, with questions about it: 2,000, and with `GUARANTEE_SCALE=50` 100,000.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from helpdesk_api.domain.business_time import BudgetOutOfReachError, Calendar, Season
from tests.domain.calendars import DAY, EVENTFUL_WEEKS, HOUR, calendar_of, window_around
from tests.domain.oracle import Rules, Spans, Walk, wall_clock
from tests.guarantees.report import SCALE

CASES = 2_000 * SCALE
QUESTIONS = 20
PARTS = 4

_EDGES = (0, 30, 60, 90, 120, 150, 180, 540, 1020, 1320, 1410, 1439)


@dataclass(frozen=True)
class SeasonRules:
    first_on: date
    last_on: date
    weekly: tuple[Spans, ...]
    repeats_yearly: bool

    def covers(self, on: date) -> bool:
        if not self.repeats_yearly:
            return self.first_on <= on <= self.last_on
        shifted = (self.first_on.month, self.first_on.day), (self.last_on.month, self.last_on.day)
        first, last = shifted
        here = (on.month, on.day)
        if on < self.first_on:
            return False
        return first <= here <= last if first <= last else here >= first or here <= last


class SeasonalRules(Rules):
    """Rules whose week depends on the date."""

    def __init__(self, rules: Rules, seasons: Sequence[SeasonRules]) -> None:
        super().__init__(rules.zone, rules.weekly, rules.special, rules.holidays)
        object.__setattr__(self, "seasons", tuple(seasons))

    def _hours(self, on: date) -> Spans:
        if on in self.special:
            return self.special[on]
        seasons: tuple[SeasonRules, ...] = vars(self)["seasons"]
        week = next((season.weekly for season in seasons if season.covers(on)), self.weekly)
        return week[on.weekday()]


class EditedWalk(Walk):
    """A walk that asks at each minute the rules in force at that minute; edits take effect on whole minutes."""

    def __init__(
        self, in_force: Sequence[tuple[datetime | None, SeasonalRules]], begin: datetime, end: datetime
    ) -> None:
        self.begin, self.end, self.step = begin, end, timedelta(minutes=1)
        steps = (end - begin) // self.step
        self.open = []
        for number in range(steps):
            at = begin + number * self.step
            rules = [one for since, one in in_force if since is None or since <= at][-1]
            on, second = wall_clock(rules.zone, begin, steps, self.step)[number]
            self.open.append(rules.opens_at(on, second))


def spans(rng: random.Random) -> Spans:
    kind = rng.randrange(6)
    if kind == 0:
        return ()
    if kind == 1:
        return ((9 * HOUR, 17 * HOUR),)
    if kind == 2:
        return ((22 * HOUR, 30 * HOUR),)
    if kind == 3:
        return ((0, DAY),)
    found = []
    for _ in range(rng.randrange(1, 4)):
        begin = rng.choice((*_EDGES, rng.randrange(1440)))
        found.append((begin * 60, (begin + rng.choice((1, 60, 480, rng.randrange(1, 1441)))) * 60))
    return tuple(found)


def closed(rng: random.Random) -> Spans:
    if rng.random() < 0.5:
        return ((0, DAY),)
    begin = rng.randrange(1439)
    return ((begin * 60, rng.randrange(begin + 1, 1441) * 60),)


def season(rng: random.Random, on: date) -> SeasonRules:
    repeats = rng.random() < 0.5
    first = on - timedelta(days=rng.randrange(5))
    if repeats and (first.month, first.day) != (2, 29):
        first = first.replace(year=first.year - rng.randrange(3))
    week = tuple(spans(rng) for _ in range(7))
    return SeasonRules(first, first + timedelta(days=rng.randrange(1, 9)), week, repeats)


def rules(rng: random.Random, zone: str, on: date) -> SeasonalRules:
    def near() -> date:
        return on + timedelta(days=rng.randrange(-3, 4))

    base = Rules(
        zone=zone,
        weekly=tuple(spans(rng) for _ in range(7)),
        special={near(): spans(rng) for _ in range(rng.randrange(3))},
        holidays={near(): closed(rng) for _ in range(rng.randrange(3))},
    )
    return SeasonalRules(base, [season(rng, on) for _ in range(rng.randrange(3))])


def built(one: SeasonalRules) -> Calendar:
    plain = calendar_of(one)
    seasons: tuple[SeasonRules, ...] = vars(one)["seasons"]
    return Calendar(
        zone=plain.zone,
        weekly=plain.weekly,
        special_hours=plain.special_hours,
        holidays=plain.holidays,
        seasons=tuple(
            Season(s.first_on, s.last_on, calendar_of(Rules(one.zone, s.weekly)).weekly, s.repeats_yearly)
            for s in seasons
        ),
    )


def edited(in_force: Sequence[tuple[datetime | None, SeasonalRules]]) -> Calendar:
    *earlier, (_, last) = in_force
    untils = [since for since, _ in in_force[1:] if since is not None]
    final = built(last)
    return Calendar(
        zone=final.zone,
        weekly=final.weekly,
        special_hours=final.special_hours,
        holidays=final.holidays,
        seasons=final.seasons,
        earlier=tuple((until, built(one)) for until, (_, one) in zip(untils, earlier, strict=True)),
    )


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_answer_is_that_of_the_walk_with_the_hours_in_force_at_each_minute(part: int) -> None:
    rng = random.Random(f"versions {part}")
    for number in range(CASES // QUESTIONS // PARTS):
        zone, on = rng.choice(EVENTFUL_WEEKS)
        begin, length = window_around(on)
        instants = sorted({begin + timedelta(minutes=rng.randrange(8640)) for _ in range(rng.randrange(4))})
        # Sometimes people move to another zone altogether.
        zones = [zone, *(zone if rng.random() < 0.8 else rng.choice(EVENTFUL_WEEKS)[0] for _ in instants)]
        in_force = [(since, rules(rng, here, on)) for since, here in zip([None, *instants], zones, strict=True)]
        calendar, walk = edited(in_force), EditedWalk(in_force, begin, begin + length)

        assert list(calendar.open_spans(begin, walk.end)) == walk.open_spans(), (part, number)
        for _ in range(QUESTIONS):
            at = begin + timedelta(minutes=rng.randrange(8640), microseconds=rng.choice((0, 1, 59_999_999)))
            other = begin + timedelta(minutes=rng.randrange(8640), microseconds=rng.choice((0, 1, 59_999_999)))
            amount = timedelta(minutes=rng.randrange(4_000), microseconds=rng.choice((0, 1, 59_999_999)))
            start, end = sorted((at, other))

            assert calendar.is_open(at) == walk.is_open(at)
            assert calendar.between(start, end) == walk.between(start, end)
            _assert_used_up(calendar, walk, at, amount)
            _assert_metamorphic(calendar, start, end, rng)


def _assert_used_up(calendar: Calendar, walk: Walk, at: datetime, amount: timedelta) -> None:
    expected = walk.add(at, amount)
    try:
        due = calendar.add(at, amount)
    except BudgetOutOfReachError:
        assert expected is None
        return
    assert due == expected if expected is not None else due > walk.end


def _assert_metamorphic(calendar: Calendar, start: datetime, end: datetime, rng: random.Random) -> None:
    """Check that splitting a stretch and moving its start over closed time change nothing."""
    middle = start + (end - start) * rng.random()
    whole = calendar.between(start, end)
    assert calendar.between(start, middle) + calendar.between(middle, end) == whole
    if whole:
        due = calendar.add(start, whole)
        opens = next(calendar.open_spans(start, end))[0]
        assert calendar.add(opens, whole) == due
        half = whole / 2
        assert calendar.add(calendar.add(start, half), whole - half) == due


def test_an_edit_from_now_on_leaves_what_was_measured_before() -> None:
    rng = random.Random(7)
    for _ in range(50):
        zone, on = rng.choice(EVENTFUL_WEEKS)
        begin, _ = window_around(on)
        edited_at = begin + timedelta(days=3, seconds=rng.randrange(DAY))
        before, after = rules(rng, zone, on), rules(rng, zone, on)

        known_then, known_now = built(before), edited([(None, before), (edited_at, after)])

        assert known_now.between(begin, edited_at) == known_then.between(begin, edited_at)
        end = begin + timedelta(days=6)
        assert known_now.between(edited_at, end) == built(after).between(edited_at, end)
