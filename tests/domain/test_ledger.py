"""The ledger of an entitlement, against a model in which every single unit is a thing that is carried about."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from helpdesk_api.domain.ledger import (
    Account,
    Grant,
    Periods,
    Rollover,
    Transfer,
    applied,
    charge,
    crossed,
    give_back,
    settle,
    take,
    turned,
)
from tests.guarantees.report import SCALE

HISTORIES = 200 * SCALE
DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
A, R, V, U, X = Account.AVAILABLE, Account.ROLLED_OVER, Account.RESERVED, Account.USED, Account.EXPIRED


@dataclass
class Unit:
    """One unit: from when until when it may be used, whether it came with a period, and where it is."""

    number: int
    ends_on: int | None
    of_period: bool
    place: Account = A
    is_older: bool = False
    is_over: bool = False


@dataclass
class Model:
    """Everything as a heap of units; what is done moves them one by one."""

    units: list[Unit] = field(default_factory=list)

    def usable(self) -> list[Unit]:
        """Give what may be used, in the order in which it is."""
        free = [unit for unit in self.units if unit.place in (A, R)]
        return sorted(free, key=lambda unit: (unit.ends_on is None, unit.ends_on or 0, unit.number))

    def move(self, amount: int, to: Account, *, beyond: bool) -> list[Unit] | None:
        """Take units one by one, and make some up if that is allowed."""
        found = self.usable()[:amount]
        if len(found) < amount and not beyond:
            return None
        made_up = [Unit(0, None, of_period=False) for _ in range(amount - len(found))]
        self.units += made_up
        for unit in found + made_up:
            unit.place = to
        return found + made_up

    def back(self, units: list[Unit]) -> None:
        """Put units where they came from, unless that is over by now; what was made up is gone."""
        for unit in units:
            if unit.number == 0:
                self.units = [each for each in self.units if each is not unit]
            else:
                unit.place = X if unit.is_over else R if unit.is_older else A

    def pass_to(self, day: int, limit: int | None, *, period: bool) -> None:
        """Let units end, and with a new period keep the youngest of what is left."""
        for unit in self.units:
            if unit.ends_on is not None and unit.ends_on <= day:
                unit.is_over = True
                unit.place = X if unit.place in (A, R) else unit.place
        if not period:
            return
        kept = [unit for unit in reversed(self.usable()) if unit.of_period]
        for unit in kept[limit:] if limit is not None else []:
            unit.place = X
        for unit in self.units:
            if unit.of_period and not unit.is_over:
                unit.is_older = True
                unit.place = R if unit.place is A else unit.place

    def balance(self) -> dict[Account, int]:
        """Count the units in each place."""
        counted = Counter(unit.place for unit in self.units)
        return {place: counted[place] for place in (A, R, V, U, X)}


class Ledger:
    """The functions of the domain, and accounts that are summed up from what they move."""

    def __init__(self) -> None:
        self.grants: dict[int, Grant] = {}
        self.accounts: Counter[Account] = Counter()

    def enter(self, moves: list[Transfer]) -> None:
        """Move amounts between accounts."""
        for move in moves:
            self.accounts[move.from_account] -= move.amount
            self.accounts[move.to_account] += move.amount
        self.grants = applied(self.grants, moves)

    def grant(self, amount: int, *, period: int | None, ends_on: int | None) -> None:
        """Grant something."""
        number = len(self.grants) + 1
        expires_at = None if ends_on is None else DAY_0 + timedelta(days=ends_on)
        self.grants[number] = Grant(number, period, expires_at)
        self.enter([Transfer(Account.GRANTED, A, amount, number)])

    def pass_to(self, day: int, limit: int | None, *, period: bool) -> None:
        """Let the grants follow the time."""
        turn = turned(list(self.grants.values()), DAY_0 + timedelta(days=day), begins_period=period, limit=limit)
        self.enter([move for _, move in turn.moves])
        for number, account in turn.accounts.items():
            self.grants[number] = replace(self.grants[number], account=account)

    def balance(self) -> dict[Account, int]:
        """Give the accounts that the model has too."""
        return {account: self.accounts[account] for account in (A, R, V, U, X)}


@dataclass
class Done:
    """Something that was taken, and may be settled or undone."""

    word: str
    moves: list[Transfer]
    units: list[Unit]


class History:
    """A random history, lived through with the functions and with the model."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.ledger, self.model = Ledger(), Model()
        self._beyond, self._limit = chance.random() < 0.5, chance.choice([None, 0, 3, 8])
        self._periods = chance.choice([0, 1, 2, None])
        self._done: list[Done] = []

    def live(self) -> None:
        """Pass four periods of ten days, on each of which something may happen."""
        for day in range(40):
            begins = day % 10 == 0
            self.ledger.pass_to(day, self._limit, period=begins)
            self.model.pass_to(day, self._limit, period=begins)
            if begins:
                ends_on = None if self._periods is None else day + 10 * (1 + self._periods)
                self._grant(self._chance.randint(1, 12), day // 10, ends_on)
            match self._chance.choice(["grant", "use", "use", "reserve", "reserve", "settle", "undo", "wait"]):
                case "grant":
                    self._grant(self._chance.randint(1, 4), None, self._chance.choice([None, day + 3]))
                case "use":
                    self._take("use", U)
                case "reserve":
                    self._take("reserve", V)
                case "settle":
                    self._settle()
                case "undo":
                    self._undo()
                case _:
                    continue

    def _grant(self, amount: int, period: int | None, ends_on: int | None) -> None:
        self.ledger.grant(amount, period=period, ends_on=ends_on)
        number = len(self.ledger.grants)
        self.model.units += [Unit(number, ends_on, of_period=period is not None) for _ in range(amount)]

    def _take(self, word: str, to: Account) -> None:
        amount = self._chance.randint(1, 6)
        moves = take(self.ledger.grants.values(), amount, to, allows_overage=self._beyond)
        units = self.model.move(amount, to, beyond=self._beyond)
        assert (moves is None) == (units is None)
        if moves is not None and units is not None:
            self.ledger.enter(moves)
            self._done.append(Done(word, moves, units))

    def _settle(self) -> None:
        reserved = [done for done in self._done if done.word == "reserve"]
        if not reserved:
            return
        chosen = self._chance.choice(reserved)
        held = {move.grant: move.amount for move in chosen.moves}
        used = settle(self.ledger.grants, held, len(chosen.units), allows_overage=self._beyond)
        assert used is not None
        self.ledger.enter(used)
        for unit in chosen.units:
            unit.place = U
        chosen.word = "settle"

    def _undo(self) -> None:
        if not self._done:
            return
        chosen = self._done[self._chance.randrange(len(self._done))]
        if chosen.word == "settle":
            used = [Transfer(V, U, move.amount, move.grant) for move in chosen.moves]
            self.ledger.enter(give_back(self.ledger.grants, used))
            for unit in chosen.units:
                unit.place = V
            chosen.word = "reserve"
        else:
            self.ledger.enter(give_back(self.ledger.grants, chosen.moves))
            self.model.back(chosen.units)
            self._done = [done for done in self._done if done is not chosen]


def test_random_histories_leave_what_a_heap_of_units_leaves() -> None:
    chance = random.Random(20261122)
    reached: Counter[Account] = Counter()

    for _ in range(HISTORIES):
        history = History(chance)
        history.live()
        balance, accounts = history.ledger.balance(), history.ledger.accounts

        assert balance == history.model.balance()
        assert sum(accounts.values()) == 0
        assert min(balance.values()) >= 0
        reached.update({account for account, amount in accounts.items() if amount})

    assert set(reached) == set(Account), "the histories reach every account"


def test_periods_are_months_of_the_zone() -> None:
    periods = Periods(datetime(2026, 1, 30, 23, tzinfo=UTC), "Europe/Rome", 1)

    begins = [periods.begin(number) for number in range(5)]

    assert [None if at is None else at.isoformat() for at in begins] == [
        "2026-01-30T23:00:00+00:00",
        "2026-02-27T23:00:00+00:00",
        "2026-03-30T22:00:00+00:00",
        "2026-04-29T22:00:00+00:00",
        "2026-05-30T22:00:00+00:00",
    ]
    assert periods.number_at(datetime(2026, 4, 29, 22, tzinfo=UTC)) == 3
    assert periods.number_at(datetime(2026, 4, 29, 21, 59, tzinfo=UTC)) == 2
    assert periods.number_at(datetime(2025, 1, 1, tzinfo=UTC)) == 0
    assert Periods(DAY_0, "UTC", None).begin(1) is None


@pytest.mark.parametrize(
    ("rollover", "kept_for", "month"),
    [(Rollover.NONE, None, 5), (Rollover.ALL, None, None), (Rollover.LIMITED, 2, 7)],
)
def test_what_is_granted_is_over_when_the_rule_of_rollover_says(
    rollover: Rollover, kept_for: int | None, month: int | None
) -> None:
    expiry = Periods(DAY_0, "UTC", 1).expiry(3, rollover, kept_for)

    assert expiry == (None if month is None else datetime(2026, month, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("amount", "step", "minimum", "charged"),
    [(1, 1, 0, 1), (15, 15, 0, 15), (16, 15, 0, 30), (16, 15, 60, 60), (16, 25, 60, 75)],
)
def test_what_is_used_is_rounded_up_to_whole_steps_from_a_minimum_on(
    amount: int, step: int, minimum: int, charged: int
) -> None:
    assert charge(amount, step=step, minimum=minimum) == charged


def test_a_threshold_is_reached_when_what_is_left_falls_to_it_and_not_again_below() -> None:
    assert crossed([120, 30], 121, 120) == [120]
    assert crossed([30, 120], 121, 0) == [120, 30]
    assert crossed([120, 30], 120, 31) == []


def test_when_the_whole_is_over_so_is_what_never_ends_by_itself() -> None:
    grants = [Grant(1, 0, None, remaining=5), Grant(2, None, None, remaining=2, reserved=1)]

    turn = turned(grants, DAY_0, begins_period=True, limit=None, is_over=True)

    assert [(move.grant, move.amount, move.to_account) for _, move in turn.moves] == [(1, 5, X), (2, 2, X)]
    assert turn.accounts == {1: X, 2: X}
