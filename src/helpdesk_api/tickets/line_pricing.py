"""What a line costs: the price that holds for its item, or the rate for its minutes, and what that comes to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from helpdesk_api.agreements.calendar_versions import hours_of, latest_version
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.price_items import ItemKind, TimeOfDay
from helpdesk_api.agreements.price_lookup import Quote, Wanted, quotes
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.domain.money import NOTHING, Amounts, Line, amounts_of
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.line_schemas import Billing, TicketLineCreate
from helpdesk_api.tickets.schemas import Ticket

_MINUTES: Final = 60
_LARGEST: Final = Decimal(10) ** 12


class InvalidLineError(InvalidError):
    """A line lacks something, or says too much."""

    code = "invalid_line"
    title = "What is said of the line contradicts itself"


class NoPriceError(ConflictError):
    """No price list says what it costs."""

    code = "no_price"
    title = "No price list says what this costs"


class AmountTooLargeError(InvalidError):
    """A line comes to more than any bill holds."""

    code = "amount_too_large"
    title = "The line comes to too much"


@dataclass(frozen=True, slots=True)
class Priced:
    """A line with its price: from a list, given, or none at all for work that is covered."""

    kind: ItemKind
    quote: Quote | None
    price: Decimal | None
    amounts: Amounts | None


async def priced(
    ctx: Ctx,
    ticket: Ticket,
    body: TicketLineCreate,
    *,
    performer_id: UUID | None,
    worked_at: datetime,
    billing: Billing,
) -> Priced:
    """Find what a line costs.

    Raises InvalidLineError, NoPriceError, DiscountTooLargeError, AmountTooLargeError and UnknownReferenceError.
    """
    wanted = Wanted(
        body.code,
        worked_at.date(),
        ticket.company_id,
        ticket.contract_id if ticket.coverage == "covered" else None,
        ticket.service_id,
    )
    if body.code is None:
        wanted = await _of_labour(ctx, ticket, wanted, performer_id, worked_at)
    quote, _ = await quotes(ctx, wanted)
    if quote is None:
        if body.code is None and billing is Billing.COVERED:
            return Priced(ItemKind.LABOUR, None, None, None)
        message = (
            "No price list has a rate for this work." if body.code is None else f"No list says what {body.code} costs."
        )
        raise NoPriceError(message, pointer="/code")
    kind = ItemKind(quote.item.kind)
    if (kind is ItemKind.LABOUR) != (body.minutes is not None):
        message = f"{quote.item.code} is {kind.value}: labour has minutes, and everything else a quantity."
        raise InvalidLineError(message, pointer="/minutes" if body.minutes is not None else "/quantity")
    price = quote.item.price if body.price is None else body.price
    return Priced(kind, quote, price, _amounts(body, quote, price))


def check_line(body: TicketLineCreate) -> None:
    """Refuse a line that lacks something, or says too much; raises InvalidLineError."""
    if (body.quantity is None) == (body.minutes is None):
        message = "A line has a quantity, or minutes."
        raise InvalidLineError(message, pointer="/quantity")
    if body.code is None and body.minutes is None:
        message = "It is not said what of."
        raise InvalidLineError(message, pointer="/code")


def _amounts(body: TicketLineCreate, quote: Quote, price: Decimal) -> Amounts:
    quantity = Fraction(body.minutes, _MINUTES) if body.minutes is not None else Fraction(body.quantity or 0)
    line = Line(quantity, price, quote.item.vat_rate, body.discount_percent or NOTHING, body.discount_amount or NOTHING)
    if quantity * Fraction(price) >= _LARGEST:
        message = "The line comes to more than can be billed."
        raise AmountTooLargeError(message, pointer="/price" if body.price is not None else "/quantity")
    return amounts_of(line, quote.currency, prices_include_vat=quote.prices_include_vat)


async def _of_labour(
    ctx: Ctx, ticket: Ticket, wanted: Wanted, performer_id: UUID | None, worked_at: datetime
) -> Wanted:
    """Ask for the rate of who did it, at the time of day at which it was begun."""
    role_id = None
    if performer_id is not None:
        performer = (await crud.fetch_many(ctx, USERS, [performer_id])).get(performer_id)
        if performer is None:
            message = f"There is no user {performer_id}."
            raise UnknownReferenceError(message, pointer="/performer_id")
        role_id = performer.role_id
    is_open = await _is_open(ctx, ticket.calendar_id, worked_at)
    return Wanted(
        None, wanted.on, wanted.company_id, wanted.contract_id, wanted.service_id,
        role_id=role_id, time_of_day=TimeOfDay.OPEN if is_open else TimeOfDay.CLOSED,
    )  # fmt: skip


async def _is_open(ctx: Ctx, calendar_id: UUID | None, at: datetime) -> bool:
    """Tell whether an instant is within hours; where no calendar was agreed, or it is gone, all hours are."""
    if calendar_id is None or calendar_id not in await crud.fetch_many(ctx, CALENDARS, [calendar_id]):
        return True
    version, _ = await latest_version(ctx, calendar_id)
    return (await hours_of(ctx, calendar_id, version)).is_open(at)


def stored_price(found: Priced) -> dict[str, Any]:
    """Give what a line keeps of its price, as it is charged, whatever becomes of the list."""
    quote, amounts = found.quote, found.amounts
    if quote is None or amounts is None:
        empty = ("price_item_id", "code", "name", "unit", "currency", "prices_include_vat", "vat_rate", "price")
        return dict.fromkeys((*empty, "discount", "net", "vat", "gross"))
    item = quote.item
    return {
        "price_item_id": item.id,
        "code": item.code,
        "name": item.name,
        "unit": item.unit,
        "currency": quote.currency,
        "prices_include_vat": quote.prices_include_vat,
        "vat_rate": item.vat_rate,
        "price": found.price,
        "discount": amounts.discount,
        "net": amounts.net,
        "vat": amounts.vat,
        "gross": amounts.gross,
    }
