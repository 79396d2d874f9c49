"""The ledger of an entitlement: what moves between which accounts when something is granted, reserved, used or over.

Every movement takes an amount from one account and gives it to another, so the accounts always add up. Two of them are
where things come from: what was `granted`, and the `overage` that was used beyond it. An amount is a whole number of
the smallest unit: minutes, incidents, visits, or the hundredths of a currency that has hundredths.

What is left is kept grant by grant, because each may end at another instant: what ends first is used first. Who asks
whether time has come for something, and what is stored, is left to the callers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from helpdesk_api.domain.contracts import months_after

_END: Final = datetime.max.replace(tzinfo=UTC)
_LAST: Final = 2**31


class Account(StrEnum):
    """Where amounts are: two that they come from, two that they can be used from, and what became of them."""

    GRANTED = "granted"
    OVERAGE = "overage"
    AVAILABLE = "available"
    ROLLED_OVER = "rolled_over"
    RESERVED = "reserved"
    USED = "used"
    EXPIRED = "expired"


class EntryKind(StrEnum):
    """Why an amount was moved."""

    GRANT = "grant"
    RESERVE = "reserve"
    POST = "post"
    REVERSE = "reverse"
    EXPIRE = "expire"
    ROLL_OVER = "roll_over"


class Rollover(StrEnum):
    """What happens at the end of a period to what is left of it."""

    NONE = "none"
    ALL = "all"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class Grant:
    """What was given at once: what remains of it, on which account, and until when; null is for good.

    What was given by hand belongs to no period. On `EXPIRED` nothing remains, and whatever comes back stays there.
    """

    number: int
    period: int | None
    expires_at: datetime | None
    account: Account = Account.AVAILABLE
    remaining: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """An amount that moves from one account to another; what is of no grant is overage."""

    from_account: Account
    to_account: Account
    amount: int
    grant: int | None = None


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods of an entitlement: of so many months of the zone, from an instant on; null is one for good."""

    starts_at: datetime
    time_zone: str
    months: int | None

    def begin(self, number: int) -> datetime | None:
        """Give the instant at which a period begins; None if there is none of this number."""
        if number == 0:
            return self.starts_at
        if self.months is None:
            return None
        return months_after(self.starts_at.astimezone(ZoneInfo(self.time_zone)), number * self.months)

    def number_at(self, at: datetime) -> int:
        """Give the number of the period that an instant is in; before the first one, of the first one."""
        number = 0
        while (following := self.begin(number + 1)) is not None and following <= at:
            number += 1
        return number

    def expiry(self, number: int, rollover: Rollover, kept_for: int | None) -> datetime | None:
        """Give the instant at which what is granted for a period is over; `kept_for` counts periods after its own."""
        if rollover is Rollover.NONE:
            return self.begin(number + 1)
        return None if kept_for is None else self.begin(number + 1 + kept_for)


@dataclass(frozen=True, slots=True)
class Turn:
    """What an instant brings about: amounts that move, and grants whose account is another one from now on."""

    moves: Sequence[tuple[EntryKind, Transfer]]
    accounts: Mapping[int, Account]


def charge(amount: int, *, step: int, minimum: int) -> int:
    """Give what is reckoned for an amount: at least the minimum, and up to the next whole step."""
    return -(-max(amount, minimum) // step) * step


def take(grants: Iterable[Grant], amount: int, to: Account, *, allows_overage: bool) -> list[Transfer] | None:
    """Take an amount from what remains, of what is over first first; None if that is not enough."""
    moves: list[Transfer] = []
    for grant in sorted(grants, key=_first_over):
        part = min(amount, grant.remaining)
        if part > 0:
            moves.append(Transfer(grant.account, to, part, grant.number))
            amount -= part
    if amount > 0:
        if not allows_overage:
            return None
        moves.append(Transfer(Account.OVERAGE, to, amount))
    return moves


def settle(
    grants: Mapping[int, Grant], held: Mapping[int | None, int], amount: int, *, allows_overage: bool
) -> list[Transfer] | None:
    """Use an amount of what is reserved, by grant, and what is missing of what remains; None if that is not enough."""
    moves: list[Transfer] = []
    # Overage is settled last.
    for number in sorted(held, key=lambda each: (_END, _LAST) if each is None else _first_over(grants[each])):
        part = min(amount, held[number])
        if part > 0:
            moves.append(Transfer(Account.RESERVED, Account.USED, part, number))
            amount -= part
    if amount == 0:
        return moves
    more = take(grants.values(), amount, Account.USED, allows_overage=allows_overage)
    return None if more is None else moves + more


def give_back(grants: Mapping[int, Grant], moved: Iterable[Transfer]) -> list[Transfer]:
    """Undo what was moved: to where it was reserved, else to where what is left of its grant stands by now."""
    return [
        Transfer(
            move.to_account,
            Account.RESERVED if move.from_account is Account.RESERVED else home(grants, move.grant),
            move.amount,
            move.grant,
        )
        for move in moved
    ]


def home(grants: Mapping[int, Grant], number: int | None) -> Account:
    """Give the account that what comes back of a grant belongs on."""
    return Account.OVERAGE if number is None else grants[number].account


def turned(
    grants: Sequence[Grant], at: datetime, *, begins_period: bool, limit: int | None, is_over: bool = False
) -> Turn:
    """Let grants follow the time to an instant: some are over then, and with a new period others are rolled over.

    At most `limit` is rolled over, of what is over last; null is everything. If the whole `is_over`, so is each grant.
    """
    moves: list[tuple[EntryKind, Transfer]] = []
    accounts: dict[int, Account] = {}
    rolled: list[Grant] = []
    for grant in grants:
        if grant.account is Account.EXPIRED:
            continue
        if is_over or (grant.expires_at is not None and grant.expires_at <= at):
            accounts[grant.number] = Account.EXPIRED
            moves += _moved(EntryKind.EXPIRE, grant, grant.remaining, Account.EXPIRED)
        elif begins_period and grant.period is not None:
            rolled.append(grant)
    room = limit
    for grant in sorted(rolled, key=_first_over, reverse=True):
        kept = grant.remaining if room is None else min(room, grant.remaining)
        room = None if room is None else room - kept
        moves += _moved(EntryKind.EXPIRE, grant, grant.remaining - kept, Account.EXPIRED)
        if grant.account is Account.AVAILABLE:
            accounts[grant.number] = Account.ROLLED_OVER
            moves += _moved(EntryKind.ROLL_OVER, grant, kept, Account.ROLLED_OVER)
    return Turn(moves, accounts)


def applied(grants: Mapping[int, Grant], moves: Iterable[Transfer]) -> dict[int, Grant]:
    """Give the grants as they are after amounts were moved."""
    after = dict(grants)
    for move in moves:
        if move.grant is not None:
            grant = after[move.grant]
            after[move.grant] = replace(
                grant,
                remaining=grant.remaining + _gained(move, Account.AVAILABLE) + _gained(move, Account.ROLLED_OVER),
                reserved=grant.reserved + _gained(move, Account.RESERVED),
            )
    return after


def crossed(thresholds: Iterable[int], before: int, after: int) -> list[int]:
    """Give the thresholds that what is left has fallen to, the highest first."""
    return sorted((threshold for threshold in thresholds if after <= threshold < before), reverse=True)


def _moved(kind: EntryKind, grant: Grant, amount: int, to: Account) -> list[tuple[EntryKind, Transfer]]:
    return [(kind, Transfer(grant.account, to, amount, grant.number))] if amount > 0 else []


def _gained(move: Transfer, account: Account) -> int:
    return move.amount * ((move.to_account is account) - (move.from_account is account))


def _first_over(grant: Grant) -> tuple[datetime, int]:
    return _END if grant.expires_at is None else grant.expires_at, grant.number
