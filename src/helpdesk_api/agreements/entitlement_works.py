"""What work on a ticket draws from the entitlements of the contract that covers it: used at once, put back by reversal.

A ledger is drawn on under a name that no other work has, so that nothing is ever drawn twice. Whoever notes work may
not be shown the ledger it is drawn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select

from helpdesk_api.agreements.entitlement_books import Book, open_book
from helpdesk_api.agreements.entitlement_posting import WORK_SOURCE, Asked, EntitlementExhaustedError, enter_once
from helpdesk_api.agreements.entitlement_schemas import Entitlement
from helpdesk_api.agreements.entitlement_tables import entitlements
from helpdesk_api.agreements.entitlements import ENTITLEMENTS
from helpdesk_api.domain.ledger import EntryKind
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement

_HOLD: Final = Statement(
    select(*ENTITLEMENTS.columns)
    .where(
        entitlements.c.tenant_id == bindparam("tenant"),
        entitlements.c.contract_id == bindparam("contract"),
        or_(
            entitlements.c.kind == bindparam("kind"),
            and_(entitlements.c.kind == "money", entitlements.c.currency == bindparam("currency")),
        ),
    )
    .order_by(entitlements.c.id)
    .with_for_update()
)
_HOLD_ONE: Final = Statement(
    select(*ENTITLEMENTS.columns)
    .where(entitlements.c.tenant_id == bindparam("tenant"), entitlements.c.id == bindparam("entitlement"))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Draw:
    """What work may be drawn as: so many minutes or visits, or else so much money; what is None is not."""

    kind: str | None
    amount: int
    currency: str | None
    money: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn: from which entitlement, by which operation, and how much after rounding."""

    entitlement_id: UUID
    operation_id: UUID
    amount: int


async def draw_work(ctx: Ctx, contract_id: UUID, ticket_id: UUID, reference: UUID, draw: Draw) -> Drawn | None:
    """Use what work is drawn as; of a contract that entitles to none of it nothing is drawn.

    The oldest entitlement with room is drawn on, one that allows overage after those that do not, and one to money
    after those to minutes and visits. Raises EntitlementExhaustedError when there is no room.
    """
    params = {"tenant": ctx.tenant_id, "contract": contract_id, "kind": draw.kind, "currency": draw.currency}
    held = await ctx.tx.all(Entitlement, _HOLD, params)
    counted = [each for each in held if each.kind != "money" and draw.amount > 0]
    paid = [each for each in held if each.kind == "money" and draw.money > 0]
    books = [await open_book(ctx, each) for each in counted or paid]
    if not books:
        return None
    amount = draw.amount if counted else draw.money
    for book in sorted(books, key=_by_age):
        asked = Asked(WORK_SOURCE, str(reference), amount=amount, ticket_id=ticket_id)
        try:
            entries = await enter_once(ctx, book, EntryKind.POST, asked)
        except EntitlementExhaustedError:
            continue
        return Drawn(book.entitlement.id, entries[0].operation_id, sum(entry.amount for entry in entries))
    left = max(book.left for book in books)
    message = f"{amount} is to be drawn, and {left} is left; say that it is billed, or allow overage."
    raise EntitlementExhaustedError(message, pointer="/billing", params={"asked": amount, "left": left})


async def put_back(ctx: Ctx, ticket_id: UUID, reference: UUID, drawn: Sequence[UUID]) -> None:
    """Undo what was drawn: `drawn` names the entitlement and the operation."""
    entitlement_id, operation_id = drawn
    (held,) = await ctx.tx.all(Entitlement, _HOLD_ONE, {"tenant": ctx.tenant_id, "entitlement": entitlement_id})
    asked = Asked(WORK_SOURCE, str(reference), operation_id=operation_id, ticket_id=ticket_id)
    await enter_once(ctx, await open_book(ctx, held), EntryKind.REVERSE, asked)


def _by_age(book: Book) -> tuple[bool, object, UUID]:
    return book.allows_overage, book.entitlement.created_at, book.entitlement.id
