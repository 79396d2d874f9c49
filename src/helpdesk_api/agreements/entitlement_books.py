"""The book of an entitlement: its grants and balance, read under lock, and written by entering operations.

Whoever enters something holds the entitlement, so writers take turns, and what one decides is still true when it is
entered. What may be entered is `agreements.entitlement_posting`, what time brings about `agreements.entitlement_turns`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, Integer, bindparam, insert, select, update

from helpdesk_api.agreements.entitlement_schemas import Balance, Entitlement, Entry
from helpdesk_api.agreements.entitlement_tables import ACCOUNTS, entitlement_entries, entitlement_grants, entitlements
from helpdesk_api.domain.ledger import (
    Account,
    EntryKind,
    Grant,
    Periods,
    Transfer,
    applied,
    crossed,
)
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement, insert_many

_entry, _grant = entitlement_entries.c, entitlement_grants.c
_TELLS: Final = {
    EntryKind.GRANT: "granted",
    EntryKind.RESERVE: "reserved",
    EntryKind.POST: "used",
    EntryKind.REVERSE: "reversed",
    EntryKind.EXPIRE: "expired",
    EntryKind.ROLL_OVER: "rolled_over",
}
_USES: Final = frozenset({EntryKind.RESERVE, EntryKind.POST})

_of_book = (_entry.tenant_id == bindparam("tenant"), _entry.entitlement_id == bindparam("entitlement"))
SHOWN: Final = tuple(_entry[name] for name in (*(name for name in Entry.model_fields if name in _entry), *ACCOUNTS))
_LAST = Statement(select(*SHOWN).where(*_of_book).order_by(_entry.number.desc()).limit(1))
_LAST_AT = Statement(
    select(*SHOWN)
    .where(*_of_book, _entry.occurred_at <= bindparam("at", type_=DateTime(timezone=True)))
    .order_by(_entry.occurred_at.desc(), _entry.number.desc())
    .limit(1)
)
_SINCE = Statement(
    select(*SHOWN).where(*_of_book, _entry.number > bindparam("number", type_=Integer)).order_by(_entry.number)
)
_GRANTS = Statement(
    select(*(_grant[name] for name in Grant.__dataclass_fields__))
    .where(_grant.tenant_id == bindparam("tenant"), _grant.entitlement_id == bindparam("entitlement"))
    .order_by(_grant.number)
)
_REACHED = Statement(
    select(*(entitlements.c[name] for name in ("next_period", "turns_at", "turn"))).where(
        entitlements.c.tenant_id == bindparam("tenant"), entitlements.c.id == bindparam("entitlement")
    )
)
_REACH = Statement(
    update(entitlements)
    .where(entitlements.c.tenant_id == bindparam("tenant"), entitlements.c.id == bindparam("entitlement"))
    .values(
        next_period=bindparam("next_period", type_=Integer),
        turns_at=bindparam("turns_at", type_=DateTime(timezone=True)),
        turn=bindparam("turn", type_=Integer),
    )
)
_MOVE_GRANT = Statement(
    update(entitlement_grants)
    .where(
        _grant.tenant_id == bindparam("tenant"),
        _grant.entitlement_id == bindparam("entitlement"),
        _grant.number == bindparam("grant", type_=Integer),
    )
    .values(account=bindparam("account"))
)
_ENTER = Statement(
    insert_many(
        entitlement_entries,
        [
            *("tenant_id", "id", "entitlement_id", "operation_id", "part", "kind", "from_account", "to_account"),
            *("amount", "grant_number", "reservation_id", "reverses_id", "asked_amount", "source", "reference"),
            *("reason", "occurred_at", "ticket_id"),
        ],
    )
)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is entered at once: why, for whom, and by which name it is known."""

    kind: EntryKind
    source: str
    reference: str
    asked_amount: int | None = None
    reason: str | None = None
    reservation_id: UUID | None = None
    reverses_id: UUID | None = None
    ticket_id: UUID | None = None


@dataclass(slots=True)
class Book:
    """An entitlement that is held, as it stands; entering something brings it up to date."""

    entitlement: Entitlement
    grants: dict[int, Grant]
    next_period: int
    turns_at: datetime | None
    turn: int
    last: Entry | None

    @property
    def periods(self) -> Periods:
        """Give the periods of the entitlement."""
        return Periods(self.entitlement.starts_at, self.entitlement.time_zone, self.entitlement.period_months)

    @property
    def left(self) -> int:
        """Give what may still be used."""
        return sum(grant.remaining for grant in self.grants.values())

    @property
    def allows_overage(self) -> bool:
        """Tell whether more may be used than is left."""
        return self.entitlement.overage == "allow"


async def open_book(ctx: Ctx, entitlement: Entitlement) -> Book:
    """Read the book of an entitlement that the caller holds."""
    params = {"tenant": ctx.tenant_id, "entitlement": entitlement.id}
    rows = await ctx.tx.rows(_GRANTS, params)
    reached = await ctx.tx.row(_REACHED, params)
    last = await ctx.tx.row(_LAST, params)
    if reached is None:
        message = "an entitlement that is held has gone"
        raise LookupError(message)
    return Book(
        entitlement,
        {row["number"]: _read_grant(row) for row in rows},
        reached["next_period"],
        reached["turns_at"],
        reached["turn"],
        None if last is None else entry_of(last),
    )


async def keep_reached(ctx: Ctx, book: Book) -> None:
    """Store how far the book has followed the time."""
    params = {"tenant": ctx.tenant_id, "entitlement": book.entitlement.id}
    await ctx.tx.run(_REACH, params | {"next_period": book.next_period, "turns_at": book.turns_at, "turn": book.turn})


async def add_grant(ctx: Ctx, book: Book, *, period: int | None, expires_at: datetime | None) -> Grant:
    """Add a grant on which nothing is yet."""
    grant = Grant(len(book.grants) + 1, period, expires_at)
    stored = {
        "number": grant.number, "period": grant.period, "expires_at": grant.expires_at, "account": grant.account.value
    }  # fmt: skip
    await ctx.tx.run(
        insert(entitlement_grants).values(
            tenant_id=ctx.tenant_id, id=new_id(), entitlement_id=book.entitlement.id, **stored
        )
    )
    book.grants[grant.number] = grant
    return grant


async def enter(ctx: Ctx, book: Book, operation: Operation, moves: Sequence[Transfer]) -> list[Entry]:
    """Enter what an operation moves, and tell it; gives the entries."""
    before = book.left
    operation_id, size = new_id(), len(moves)
    # The clocks of two servers are never quite the same, and entries stand in the order of their time.
    at = ctx.now if book.last is None else max(ctx.now, book.last.occurred_at)
    reserves = operation_id if operation.kind is EntryKind.RESERVE else operation.reservation_id
    touches = [Account.RESERVED in (move.from_account, move.to_account) for move in moves]
    same = {
        "tenant_id": ctx.tenant_id,
        "entitlement_id": book.entitlement.id,
        "operation_id": operation_id,
        "kind": operation.kind.value,
        "reverses_id": operation.reverses_id,
        "ticket_id": operation.ticket_id,
        "asked_amount": operation.asked_amount,
        "source": operation.source,
        "reference": operation.reference,
        "reason": operation.reason,
        "occurred_at": at,
    }
    params: dict[str, Any] = {name: [value] * size for name, value in same.items()}
    params |= {
        "id": [new_id() for _ in moves],
        "part": list(range(1, size + 1)),
        "from_account": [move.from_account.value for move in moves],
        "to_account": [move.to_account.value for move in moves],
        "amount": [move.amount for move in moves],
        "grant_number": [move.grant for move in moves],
        "reservation_id": [reserves if touched else None for touched in touches],
    }
    await ctx.tx.run(_ENTER, params)
    entered = await _entered(ctx, book)
    book.grants = applied(book.grants, moves)
    book.last = entered[-1]
    _tell(ctx, book, operation, entered, before)
    return entered


async def move_grants(ctx: Ctx, book: Book, accounts: Mapping[int, Account]) -> None:
    """Let what is left of grants stand on other accounts from now on."""
    for number, account in accounts.items():
        await ctx.tx.run(
            _MOVE_GRANT,
            {
                "tenant": ctx.tenant_id,
                "entitlement": book.entitlement.id,
                "grant": number,
                "account": account.value,
            },
        )
        book.grants[number] = replace(book.grants[number], account=account)


async def last_entry_at(ctx: Ctx, entitlement_id: UUID, at: datetime | None) -> Entry | None:
    """Read the last entry up to an instant, or of all."""
    params = {"tenant": ctx.tenant_id, "entitlement": entitlement_id}
    row = await ctx.tx.row(_LAST, params) if at is None else await ctx.tx.row(_LAST_AT, params | {"at": at})
    return None if row is None else entry_of(row)


def entry_of(row: Record) -> Entry:
    """Give an entry as it is shown."""
    balance = Balance.trusted({name: row[name] for name in ACCOUNTS})
    return Entry.trusted({name: row[name] for name in Entry.model_fields if name != "balance"} | {"balance": balance})


def _tell(ctx: Ctx, book: Book, operation: Operation, entered: Sequence[Entry], before: int) -> None:
    rules = book.entitlement
    data: dict[str, Any] = {
        "operation_id": str(entered[0].operation_id),
        "amount": sum(entry.amount for entry in entered),
        "source": operation.source,
        "reference": operation.reference,
        "ticket_id": None if operation.ticket_id is None else str(operation.ticket_id),
        "left": book.left,
        "balance": dict(vars(entered[-1].balance)),
    }
    told = _TELLS[operation.kind]
    record(ctx, f"entitlement.{told}", object_id=rules.id, version=rules.version, data=data)
    if operation.kind not in _USES:
        return
    for threshold in crossed(rules.warn_at, before, book.left):
        reached = {"threshold": threshold, "left": book.left}
        record(ctx, "entitlement.threshold_reached", object_id=rules.id, version=rules.version, data=reached)
    if before > 0 and book.left == 0:
        record(ctx, "entitlement.exhausted", object_id=rules.id, version=rules.version)


async def _entered(ctx: Ctx, book: Book) -> list[Entry]:
    number = 0 if book.last is None else book.last.number
    params = {"tenant": ctx.tenant_id, "entitlement": book.entitlement.id, "number": number}
    return [entry_of(row) for row in await ctx.tx.rows(_SINCE, params)]


def _read_grant(row: Record) -> Grant:
    values = dict(row.items())
    return Grant(**values | {"account": Account(values["account"])})
