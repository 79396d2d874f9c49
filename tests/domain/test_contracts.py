"""Contracts in time: what terms mean at an instant, and what amendments make of them."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from helpdesk_api.domain.contracts import (
    ContractTerms,
    Renewal,
    Spell,
    amended,
    end_of_term,
    next_notice,
    next_turn,
    notice_at,
    status_at,
    terms_at,
)
from tests.guarantees.report import SCALE

HISTORIES = 300 * SCALE
DAYS = 12


def day(number: int, month: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


YEAR = ContractTerms(starts_at=day(1), ends_at=day(1, year=2027))


def known_after(known: list[Spell], first: datetime | None, last: datetime | None, days: int) -> list[Spell]:
    def change(held: ContractTerms | None) -> ContractTerms:
        return replace(held or YEAR, notice_days=days)

    amendment = amended(known, first, last, change)
    kept = [spell for spell in known if spell not in amendment.replaced]
    return sorted([*kept, *amendment.added], key=lambda spell: spell.effective_from or day(1, year=1))


def test_random_amendments_say_on_every_day_what_was_stated_last_for_it() -> None:
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        known: list[Spell] = []
        model: dict[int, int] = {}
        for stated in range(1, 8):
            first, last = sorted(chance.sample(range(1, DAYS + 1), 2))
            begins = None if chance.random() < 0.2 else day(first)
            ends = None if chance.random() < 0.3 else day(last)
            known = known_after(known, begins, ends, stated)
            for number in range(1, DAYS + 1):
                if (begins is None or number >= first) and (ends is None or number < last):
                    model[number] = stated

        said = {number: terms_at(known, day(number)) for number in range(1, DAYS + 1)}

        assert {number: terms.notice_days for number, terms in said.items() if terms} == model, seed
        assert all(one.effective_until <= other.effective_from for one, other in pairwise(known)), seed  # type: ignore[operator]  # only the first begins, and the last ends, with null.


def test_an_amendment_that_changes_nothing_replaces_nothing() -> None:
    known = known_after([], None, None, 30)

    amendment = amended(known, day(3), day(5), lambda held: replace(held or YEAR, notice_days=30))

    assert (amendment.replaced, amendment.added) == ([], [])


@pytest.mark.parametrize(
    ("terms", "at", "status"),
    [
        (None, day(1), "draft"),
        (YEAR, day(31, 12, 2025), "scheduled"),
        (YEAR, day(1), "active"),
        (YEAR, day(31, 12), "active"),
        (YEAR, day(1, year=2027), "expired"),
        (replace(YEAR, renewal=Renewal.EXPRESS), day(1, year=2027), "expired"),
        (replace(YEAR, renewal=Renewal.TACIT, renewal_months=12), day(1, year=2029), "active"),
        (replace(YEAR, ends_at=None), day(1, year=2090), "active"),
        (replace(YEAR, is_suspended=True), day(5), "suspended"),
        (replace(YEAR, is_suspended=True), day(5, year=2025), "scheduled"),
        (replace(YEAR, is_suspended=True), day(5, year=2027), "expired"),
    ],
)
def test_the_status_follows_from_the_terms(terms: ContractTerms | None, at: datetime, status: str) -> None:
    assert status_at(terms, at) == status


def test_tacit_terms_end_on_the_last_day_of_short_months_and_on_the_31st_of_long_ones() -> None:
    monthly = ContractTerms(day(1), day(31), renewal=Renewal.TACIT, renewal_months=1)
    ends: list[datetime | None] = []
    at: datetime | None = day(1)
    while at is not None and len(ends) < 4:
        at = end_of_term(monthly, at)
        ends.append(at)

    assert ends == [day(31), day(28, 2), day(31, 3), day(30, 4)]


def test_notice_is_counted_in_days_of_the_zone_also_over_a_change_of_the_clocks() -> None:
    # Midnight of the 1st of April in Rome, summer time; three days earlier it is still winter time.
    terms = ContractTerms(day(1), datetime(2026, 3, 31, 22, tzinfo=UTC), "Europe/Rome", Renewal.EXPRESS, notice_days=3)

    notice = next_notice(terms, day(1))

    assert notice is not None
    assert notice.due_at == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert next_notice(terms, notice.due_at) is None


def test_the_turns_of_a_contract_are_where_its_status_changes_or_notice_is_due() -> None:
    terms = replace(YEAR, starts_at=day(10), ends_at=day(20), notice_days=3)
    suspended = Spell(day(12), day(14), replace(terms, is_suspended=True))
    known = [Spell(None, day(12), terms), suspended, Spell(day(14), None, terms)]
    turns = []
    at = day(1)
    while (turn := next_turn(known, at)) is not None:
        at = turn
        turns.append((at.day, status_at(terms_at(known, at), at).value, notice_at(known, at) is not None))

    assert turns == [
        (10, "active", False),
        (12, "suspended", False),
        (14, "active", False),
        (17, "active", True),
        (20, "expired", False),
    ]


def test_notice_of_every_tacit_term_is_due_until_the_calendar_ends() -> None:
    terms = replace(YEAR, renewal=Renewal.TACIT, renewal_months=12, notice_days=90)
    known = [Spell(None, None, terms)]

    third = next_turn(known, day(1, 12, 2028))

    assert third == day(3, 10, 2029)
    assert notice_at(known, third) == next_notice(terms, third - timedelta(days=1))
    assert next_turn(known, day(1, year=2101)) is None
