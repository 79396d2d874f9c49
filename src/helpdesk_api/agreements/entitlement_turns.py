"""What time does to entitlements: periods are granted, what is over expires, the rest is rolled over.

Each entitlement has one deadline, at the next instant at which something of this may happen. Whoever enters something
first lets the book follow the time, so that no posting finds a period that has not been granted yet, and what was
missed while nobody looked is entered as of when it was due, in order, once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.contract_versions import spells_of_many
from helpdesk_api.agreements.entitlement_books import (
    Book,
    Operation,
    add_grant,
    enter,
    keep_reached,
    move_grants,
    open_book,
)
from helpdesk_api.agreements.entitlement_schemas import Entitlement
from helpdesk_api.agreements.entitlement_tables import entitlements
from helpdesk_api.agreements.entitlements import ENTITLEMENTS
from helpdesk_api.domain.contracts import ContractStatus, Spell, next_turn, notice_at, status_at, terms_at
from helpdesk_api.domain.ledger import Account, EntryKind, Rollover, Transfer, turned
from helpdesk_api.kit.context import Cause, Ctx
from helpdesk_api.kit.deadlines import Deadline, DueDeadline, Unfired, arrange, cancel
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement

TURN_KIND: Final = "entitlement.turn"
SOURCE: Final = "period"
_IN_FORCE: Final = (ContractStatus.ACTIVE, ContractStatus.SUSPENDED)

_some = (
    entitlements.c.tenant_id == bindparam("tenant"),
    entitlements.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
)
_HOLD_FREE = Statement(
    select(*ENTITLEMENTS.columns).where(*_some).order_by(entitlements.c.id).with_for_update(skip_locked=True)
)
_KNOWN = Statement(select(entitlements.c.id).where(*_some))
_HOLD_OF_CONTRACT = Statement(
    select(*ENTITLEMENTS.columns)
    .where(entitlements.c.tenant_id == bindparam("tenant"), entitlements.c.contract_id == bindparam("contract"))
    .order_by(entitlements.c.id)
    .with_for_update()
)


async def begin_book(ctx: Ctx, entitlement: Entitlement) -> None:
    """Let a new entitlement begin with the period that is now, or with the first one if that is still to come."""
    book = await open_book(ctx, entitlement)
    book.next_period = book.periods.number_at(ctx.now)
    await _turn(ctx, book, await _known(ctx, book))
    await _arrange(ctx, book)


async def follow_time(ctx: Ctx, book: Book) -> None:
    """Enter everything that has come about by now, and set the deadline for what comes next."""
    if book.turns_at is not None and book.turns_at <= ctx.now:
        await _catch_up(ctx, book, await _known(ctx, book))
        await _arrange(ctx, book)


async def expect(ctx: Ctx, book: Book, at: datetime | None) -> None:
    """Let the book follow the time at an instant, if not before."""
    if at is not None and (book.turns_at is None or at < book.turns_at):
        book.turns_at = at
        await _arrange(ctx, book)


async def follow_contract(ctx: Ctx, contract_id: UUID) -> None:
    """Let the entitlements of a contract that was amended follow what is known of it now."""
    params = {"tenant": ctx.tenant_id, "contract": contract_id}
    for entitlement in await ctx.tx.all(Entitlement, _HOLD_OF_CONTRACT, params):
        book = await open_book(ctx, entitlement)
        known = await _known(ctx, book)
        await _catch_up(ctx, book, known)
        await _turn(ctx, book, known)
        await _arrange(ctx, book)


async def turn(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
    """Let entitlements follow the time; one that somebody is at is left for later."""
    params = {"tenant": ctx.tenant_id, "ids": [deadline.object_id for deadline in due]}
    held = {each.id: each for each in await ctx.tx.all(Entitlement, _HOLD_FREE, params)}
    for deadline in due:
        if deadline.object_id in held:
            at = max(ctx.now, deadline.due_at)
            caused = replace(ctx, now=at, cause=Cause("deadline", str(deadline.id)))
            book = await open_book(caused, held[deadline.object_id])
            book.turn = deadline.instance + 1
            await _catch_up(caused, book, await _known(caused, book))
            await _arrange(caused, book)
    waiting = {deadline.id for deadline in due if deadline.object_id not in held}
    if not waiting:
        return Unfired()
    known = {row["id"] for row in await ctx.tx.rows(_KNOWN, params)}
    orphans = {deadline.id for deadline in due if deadline.object_id not in known}
    return Unfired(waiting=waiting - orphans, orphans=orphans)


async def _catch_up(ctx: Ctx, book: Book, known: Sequence[Spell]) -> None:
    while book.turns_at is not None and book.turns_at <= ctx.now:
        await _turn(replace(ctx, now=book.turns_at), book, known)


async def _turn(ctx: Ctx, book: Book, known: Sequence[Spell]) -> None:
    """Enter what the very instant brings about: first what is over, then what is rolled over, then what is granted."""
    rules, at = book.entitlement, ctx.now
    status = status_at(terms_at(known, at), at)
    begins_at = book.periods.begin(book.next_period)
    begins_period = begins_at is not None and begins_at <= at
    result = turned(
        list(book.grants.values()),
        at,
        begins_period=begins_period,
        limit=rules.rollover_limit if rules.rollover == Rollover.LIMITED else None,
        is_over=status is ContractStatus.EXPIRED,
    )
    for kind in (EntryKind.EXPIRE, EntryKind.ROLL_OVER):
        moves = [move for moved, move in result.moves if moved is kind]
        if moves:
            await enter(ctx, book, Operation(kind, SOURCE, _reference(kind, book)), moves)
    await move_grants(ctx, book, result.accounts)
    if begins_period:
        if status in _IN_FORCE:
            await _grant_period(ctx, book)
        book.next_period += 1
    notice = notice_at(known, at)
    if notice is not None:
        data = {"ends_at": notice.ends_at.isoformat(), "left": book.left}
        record(ctx, "entitlement.contract_ending", object_id=rules.id, version=rules.version, data=data)
    book.turns_at = _next(book, known, at)


async def _grant_period(ctx: Ctx, book: Book) -> None:
    rules, period = book.entitlement, book.next_period
    expires_at = book.periods.expiry(period, Rollover(rules.rollover), rules.rollover_periods)
    grant = await add_grant(ctx, book, period=period, expires_at=expires_at)
    granted = Transfer(Account.GRANTED, Account.AVAILABLE, rules.quantity, grant.number)
    await enter(ctx, book, Operation(EntryKind.GRANT, SOURCE, f"{period}"), [granted])


def _next(book: Book, known: Sequence[Spell], after: datetime) -> datetime | None:
    ends = [grant.expires_at for grant in book.grants.values() if grant.account is not Account.EXPIRED]
    candidates = [book.periods.begin(book.next_period), next_turn(known, after), *ends]
    return min((at for at in candidates if at is not None and at > after), default=None)


async def _arrange(ctx: Ctx, book: Book) -> None:
    await keep_reached(ctx, book)
    if book.turns_at is None:
        await cancel(ctx, [Deadline(TURN_KIND, book.entitlement.id, book.turn, ctx.now)])
    else:
        await arrange(ctx, [Deadline(TURN_KIND, book.entitlement.id, book.turn, book.turns_at)])


async def _known(ctx: Ctx, book: Book) -> list[Spell]:
    contract_id = book.entitlement.contract_id
    return (await spells_of_many(ctx, [contract_id]))[contract_id]


def _reference(kind: EntryKind, book: Book) -> str:
    """Name what time brought about once: by the number of the entry, which no other will have."""
    return f"{kind.value} {1 if book.last is None else book.last.number + 1}"
