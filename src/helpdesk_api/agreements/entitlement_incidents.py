"""What a ticket draws from the entitlements to incidents of a contract: one is reserved, used, put back or freed.

The ledgers say how it stands, and it is moved to where it should be; so it may be asked for as often as anybody likes.
Without room a ticket draws nothing. Whoever may open or close a ticket may not be shown the ledger it is drawn from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, and_, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from helpdesk_api.agreements.entitlement_books import Book, open_book
from helpdesk_api.agreements.entitlement_posting import Asked, EntitlementExhaustedError, enter_once
from helpdesk_api.agreements.entitlement_schemas import Entitlement
from helpdesk_api.agreements.entitlement_tables import entitlement_entries, entitlements
from helpdesk_api.agreements.entitlements import ENTITLEMENTS
from helpdesk_api.domain.ledger import EntryKind
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement

SOURCE: Final = "ticket"
_ONE: Final = 1

_entry = entitlement_entries.c
_TOLD: Final = ("entitlement_id", "number", "kind", "to_account", "operation_id", "reservation_id")
# What was entered last for a ticket, in each ledger.
_DRAWN = Statement(
    select(*(_entry[name] for name in _TOLD))
    .ext(distinct_on(_entry.entitlement_id))
    .where(_entry.tenant_id == bindparam("tenant"), _entry.ticket_id == bindparam("ticket"), _entry.source == SOURCE)
    .order_by(_entry.entitlement_id, _entry.number.desc())
)
_HOLD = Statement(
    select(*ENTITLEMENTS.columns)
    .where(
        entitlements.c.tenant_id == bindparam("tenant"),
        or_(
            and_(entitlements.c.contract_id == bindparam("contract"), entitlements.c.kind == "incidents"),
            entitlements.c.id == any_(bindparam("drawn", type_=ARRAY(Uuid))),
        ),
    )
    .order_by(entitlements.c.id)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a ticket has drawn: from which ledger, under which reservation, and how that was used."""

    entitlement_id: UUID
    reservation_id: UUID
    used_by: UUID | None


async def draw_incident(ctx: Ctx, ticket_id: UUID, contract_id: UUID | None, *, is_done: bool) -> None:
    """See to it that a ticket holds one incident of a contract, or has used it when it is done; of none, nothing.

    Whoever calls holds the ticket.
    """
    params = {"tenant": ctx.tenant_id, "ticket": ticket_id}
    last = {row["entitlement_id"]: dict(row.items()) for row in await ctx.tx.rows(_DRAWN, params)}
    if contract_id is None and not last:
        return
    held = await ctx.tx.all(Entitlement, _HOLD, {"tenant": ctx.tenant_id, "contract": contract_id, "drawn": list(last)})
    if not held:
        return
    books = {each.id: await open_book(ctx, each) for each in held}
    pen = _Pen(ctx, ticket_id, books)
    drawn = _drawn(last)
    if drawn is not None and books[drawn.entitlement_id].entitlement.contract_id != contract_id:
        await pen.free(drawn)
        drawn = None
    if drawn is None and contract_id is not None:
        mine = [book for book in books.values() if book.entitlement.contract_id == contract_id]
        drawn = await pen.reserve(mine)
    if drawn is None:
        return
    if is_done and drawn.used_by is None:
        await pen.enter(drawn.entitlement_id, EntryKind.POST, drawn.reservation_id)
    elif not is_done and drawn.used_by is not None:
        await pen.enter(drawn.entitlement_id, EntryKind.REVERSE, drawn.used_by)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Enters what one ticket draws."""

    ctx: Ctx
    ticket_id: UUID
    books: Mapping[UUID, Book]

    async def reserve(self, books: Sequence[Book]) -> _Drawn | None:
        """Reserve one where there is room, the oldest entitlement first, and without overage if possible."""
        by_age = sorted(books, key=lambda book: (book.allows_overage, book.entitlement.created_at, book.entitlement.id))
        for book in by_age:
            try:
                reservation_id = await self.enter(book.entitlement.id, EntryKind.RESERVE, None)
            except EntitlementExhaustedError:
                continue
            return _Drawn(book.entitlement.id, reservation_id, None)
        return None

    async def free(self, drawn: _Drawn) -> None:
        """Put back what is used, and free what is reserved."""
        if drawn.used_by is not None:
            await self.enter(drawn.entitlement_id, EntryKind.REVERSE, drawn.used_by)
        await self.enter(drawn.entitlement_id, EntryKind.REVERSE, drawn.reservation_id)

    async def enter(self, entitlement_id: UUID, kind: EntryKind, operation_id: UUID | None) -> UUID:
        """Enter something under a name that says which ticket it is for; gives the operation."""
        book = self.books[entitlement_id]
        number = 0 if book.last is None else book.last.number
        asked = Asked(
            SOURCE,
            f"{self.ticket_id} {number + 1}",
            amount=_ONE if kind is EntryKind.RESERVE else None,
            operation_id=operation_id,
            ticket_id=self.ticket_id,
        )
        return (await enter_once(self.ctx, book, kind, asked))[0].operation_id


def _drawn(last: Mapping[UUID, Mapping[str, Any]]) -> _Drawn | None:
    """Tell from what was entered last for a ticket what it has drawn."""
    for entitlement_id, entry in last.items():
        match EntryKind(entry["kind"]):
            case EntryKind.RESERVE:
                return _Drawn(entitlement_id, entry["operation_id"], None)
            case EntryKind.POST:
                return _Drawn(entitlement_id, entry["reservation_id"], entry["operation_id"])
            case EntryKind.REVERSE if entry["to_account"] == "reserved":
                return _Drawn(entitlement_id, entry["reservation_id"], None)
            case _:
                continue
    return None
