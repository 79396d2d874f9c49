"""What is entered in the ledger of an entitlement: granted by hand, reserved, used, undone.

Every operation has a name, its source and reference: said again, it is not entered again, and the entries that were
made are given. Nothing is ever taken that is not there, unless overage is allowed; then it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, or_, select

from helpdesk_api.agreements.entitlement_books import (
    SHOWN,
    Book,
    Operation,
    add_grant,
    enter,
    entry_of,
    open_book,
)
from helpdesk_api.agreements.entitlement_schemas import Entry
from helpdesk_api.agreements.entitlement_tables import entitlement_entries
from helpdesk_api.agreements.entitlement_turns import SOURCE, expect, follow_time
from helpdesk_api.agreements.entitlements import ENTITLEMENTS
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.domain.ledger import Account, EntryKind, Transfer, charge, give_back, home, settle, take
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError

_entry = entitlement_entries.c
_of_book = (_entry.tenant_id == bindparam("tenant"), _entry.entitlement_id == bindparam("entitlement"))
_CALLED = Statement(
    select(*SHOWN)
    .where(*_of_book, _entry.source == bindparam("source"), _entry.reference == bindparam("reference"))
    .order_by(_entry.part)
)
_operation: BindParameter[UUID] = bindparam("operation")
_ABOUT = Statement(
    select(*SHOWN)
    .where(
        *_of_book,
        or_(_entry.operation_id == _operation, _entry.reservation_id == _operation, _entry.reverses_id == _operation),
    )
    .order_by(_entry.number)
)
WORK_SOURCE: Final = "ticket_line"
_OUR_SOURCES: Final = frozenset({SOURCE, "ticket", WORK_SOURCE})
_UNDONE: Final = frozenset({EntryKind.GRANT, EntryKind.RESERVE, EntryKind.POST})


class InvalidEntryError(InvalidError):
    """What is to be entered lacks something, or says too much."""

    code = "invalid_entry"
    title = "This cannot be entered"


class EntitlementExhaustedError(ConflictError):
    """Less is left than is asked for, and no overage is allowed."""

    code = "entitlement_exhausted"
    title = "The entitlement does not have so much left"


class ReferenceTakenError(ConflictError):
    """Another operation goes by this source and reference."""

    code = "reference_taken"
    title = "Something else was entered under this reference"


class NothingToUndoError(ConflictError):
    """Nothing of the operation is left that could be undone or used."""

    code = "nothing_to_undo"
    title = "Nothing of the operation is left"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks to be entered, and by which name it goes."""

    source: str
    reference: str
    amount: int | None = None
    operation_id: UUID | None = None
    reason: str | None = None
    expires_at: datetime | None = None
    ticket_id: UUID | None = None


async def enter_asked(ctx: Ctx, entitlement_id: UUID, kind: EntryKind, asked: Asked) -> list[Entry]:
    """Enter an operation that somebody asks for; raises InvalidEntryError, and what `enter_once` raises."""
    book = await open_book(ctx, await crud.fetch_locked(ctx, ENTITLEMENTS, entitlement_id))
    if not await _called(ctx, book, asked):
        if asked.operation_id is not None:
            await _about(ctx, book, asked.operation_id)
        _check(ctx, kind, asked)
    return await enter_once(ctx, book, kind, asked)


async def enter_once(ctx: Ctx, book: Book, kind: EntryKind, asked: Asked) -> list[Entry]:
    """Enter an operation, unless it is entered already; gives its entries.

    Raises EntitlementExhaustedError, ReferenceTakenError, NothingToUndoError and UnknownReferenceError.
    """
    entered = await _called(ctx, book, asked)
    if entered:
        _check_same(entered[0], kind, asked)
        return entered
    await follow_time(ctx, book)
    match kind:
        case EntryKind.GRANT:
            return await _grant(ctx, book, asked)
        case EntryKind.RESERVE:
            return await _reserve(ctx, book, asked)
        case EntryKind.POST:
            return await _post(ctx, book, asked)
        case _:
            return await _reverse(ctx, book, asked)


def _check(ctx: Ctx, kind: EntryKind, asked: Asked) -> None:
    """Refuse what an operation of this kind needs and does not say, or says and does not need."""
    takes_all = kind is EntryKind.REVERSE or (kind is EntryKind.POST and asked.operation_id is not None)
    if (asked.operation_id is not None) != takes_all:
        message = "A reversal names what it undoes, a posting perhaps a reservation, and nothing else does."
        raise InvalidEntryError(message, pointer="/operation_id")
    if asked.amount is None and not takes_all:
        message = "It is not said how much."
        raise InvalidEntryError(message, pointer="/amount")
    if asked.amount is not None and kind is EntryKind.REVERSE:
        message = "The whole of an operation is undone."
        raise InvalidEntryError(message, pointer="/amount")
    if kind is EntryKind.GRANT and asked.reason is None:
        message = "A grant by hand has a reason."
        raise InvalidEntryError(message, pointer="/reason")
    if asked.expires_at is not None and (kind is not EntryKind.GRANT or asked.expires_at <= ctx.now):
        message = "A grant may end at a later instant, and nothing else does."
        raise InvalidEntryError(message, pointer="/expires_at")
    if asked.source in _OUR_SOURCES:
        message = f"{asked.source!r} is what the help desk itself enters."
        raise InvalidEntryError(message, pointer="/source")


async def _grant(ctx: Ctx, book: Book, asked: Asked) -> list[Entry]:
    amount = asked.amount or 0
    grant = await add_grant(ctx, book, period=None, expires_at=asked.expires_at)
    moves = [Transfer(Account.GRANTED, grant.account, amount, grant.number)]
    entered = await enter(ctx, book, _operation_of(EntryKind.GRANT, asked), moves)
    await expect(ctx, book, asked.expires_at)
    return entered


async def _reserve(ctx: Ctx, book: Book, asked: Asked) -> list[Entry]:
    amount = _charged(book, asked.amount or 0)
    moves = take(book.grants.values(), amount, Account.RESERVED, allows_overage=book.allows_overage)
    return await enter(ctx, book, _operation_of(EntryKind.RESERVE, asked), _enough(moves, book, amount))


async def _post(ctx: Ctx, book: Book, asked: Asked) -> list[Entry]:
    if asked.operation_id is None:
        amount = _charged(book, asked.amount or 0)
        moves = take(book.grants.values(), amount, Account.USED, allows_overage=book.allows_overage)
        return await enter(ctx, book, _operation_of(EntryKind.POST, asked), _enough(moves, book, amount))
    about = await _about(ctx, book, asked.operation_id)
    held = _held(about, asked.operation_id)
    amount = sum(held.values()) if asked.amount is None else _charged(book, asked.amount)
    if not held:
        raise _nothing_left(asked.operation_id)
    moves = settle(book.grants, held, amount, allows_overage=book.allows_overage)
    operation = _operation_of(EntryKind.POST, asked, reservation_id=asked.operation_id)
    return await enter(ctx, book, operation, _enough(moves, book, amount))


async def _reverse(ctx: Ctx, book: Book, asked: Asked) -> list[Entry]:
    if asked.operation_id is None:
        message = "A reversal names the operation that it undoes."
        raise UnknownReferenceError(message, pointer="/operation_id")
    about = await _about(ctx, book, asked.operation_id)
    own = [entry for entry in about if entry.operation_id == asked.operation_id]
    kind = EntryKind(own[0].kind)
    is_undone = any(entry.reverses_id == asked.operation_id for entry in about)
    if kind not in _UNDONE or (is_undone and kind is not EntryKind.RESERVE):
        raise _nothing_left(asked.operation_id)
    reservation_id = None
    if kind is EntryKind.RESERVE:
        held = _held(about, asked.operation_id)
        moves = [Transfer(Account.RESERVED, home(book.grants, grant), held[grant], grant) for grant in held]
        reservation_id = asked.operation_id
    elif kind is EntryKind.POST:
        moves = give_back(book.grants, map(_transfer, own))
        reservation_id = next((entry.reservation_id for entry in own if entry.reservation_id is not None), None)
    else:
        grant = book.grants[own[0].grant_number or 0]
        moves = [Transfer(grant.account, Account.GRANTED, own[0].amount, grant.number)]
        _enough(moves if grant.remaining >= own[0].amount else None, book, own[0].amount)
    if not moves:
        raise _nothing_left(asked.operation_id)
    operation = _operation_of(EntryKind.REVERSE, asked, reservation_id=reservation_id, reverses_id=asked.operation_id)
    return await enter(ctx, book, operation, moves)


def _operation_of(
    kind: EntryKind, asked: Asked, *, reservation_id: UUID | None = None, reverses_id: UUID | None = None
) -> Operation:
    return Operation(
        kind,
        asked.source,
        asked.reference,
        asked_amount=asked.amount,
        reason=asked.reason,
        reservation_id=reservation_id,
        reverses_id=reverses_id,
        ticket_id=asked.ticket_id,
    )


def _held(about: Sequence[Entry], reservation_id: UUID) -> dict[int | None, int]:
    """Give what is still reserved of a reservation, by grant."""
    held: dict[int | None, int] = {}
    for entry in about:
        if entry.reservation_id == reservation_id:
            sign = 1 if entry.to_account == Account.RESERVED else -1
            held[entry.grant_number] = held.get(entry.grant_number, 0) + sign * entry.amount
    return {grant: amount for grant, amount in held.items() if amount > 0}


def _transfer(entry: Entry) -> Transfer:
    return Transfer(Account(entry.from_account), Account(entry.to_account), entry.amount, entry.grant_number)


def _charged(book: Book, amount: int) -> int:
    return charge(amount, step=book.entitlement.rounding_step, minimum=book.entitlement.minimum_charge)


def _enough(moves: list[Transfer] | None, book: Book, amount: int) -> list[Transfer]:
    if moves is None:
        message = f"{amount} is asked for, and {book.left} is left."
        raise EntitlementExhaustedError(message, pointer="/amount", params={"asked": amount, "left": book.left})
    return moves


def _nothing_left(operation_id: UUID) -> NothingToUndoError:
    message = f"Nothing is left of the operation {operation_id} that could be used or undone."
    return NothingToUndoError(message, pointer="/operation_id")


def _check_same(entered: Entry, kind: EntryKind, asked: Asked) -> None:
    named = {EntryKind.POST: entered.reservation_id, EntryKind.REVERSE: entered.reverses_id}.get(kind)
    if (entered.kind, entered.asked_amount, named) != (kind, asked.amount, asked.operation_id):
        message = f"Another operation goes by {asked.reference!r} of {asked.source!r}."
        raise ReferenceTakenError(message, pointer="/reference")


async def _called(ctx: Ctx, book: Book, asked: Asked) -> list[Entry]:
    named = {"source": asked.source, "reference": asked.reference}
    params = {"tenant": ctx.tenant_id, "entitlement": book.entitlement.id, **named}
    return [entry_of(row) for row in await ctx.tx.rows(_CALLED, params)]


async def _about(ctx: Ctx, book: Book, operation_id: UUID) -> list[Entry]:
    """Read an operation and what was done with it since; raises UnknownReferenceError."""
    params = {"tenant": ctx.tenant_id, "entitlement": book.entitlement.id, "operation": operation_id}
    about = [entry_of(row) for row in await ctx.tx.rows(_ABOUT, params)]
    if not any(entry.operation_id == operation_id for entry in about):
        message = f"The ledger has no operation {operation_id}."
        raise UnknownReferenceError(message, pointer="/operation_id")
    return about
