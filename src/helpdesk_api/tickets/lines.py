"""Lines of tickets: noting what was done and handed over, drawing it from what is agreed, and taking it back.

Who holds the ticket is alone with its lines. What a covered line is drawn as is `agreements.entitlement_works`, what it
costs `tickets.line_pricing`.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select

from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.entitlement_works import Draw, Drawn, draw_work, put_back
from helpdesk_api.agreements.price_items import PRICE_ITEMS, ItemKind
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.domain.money import NOTHING, Amounts, smallest_units, totals
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import CONTACT_REACHES
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.schema import INT4_MAX, Instant
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.line_pricing import (
    AmountTooLargeError,
    InvalidLineError,
    Priced,
    check_line,
    priced,
    stored_price,
)
from helpdesk_api.tickets.line_schemas import (
    TICKET_LINE_EXAMPLE,
    Billing,
    CurrencyTotal,
    RateTotal,
    TicketLine,
    TicketLineCreate,
    TicketTotals,
)
from helpdesk_api.tickets.line_tables import ticket_lines
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket
from helpdesk_api.tickets.service import locked

# Of a service that is priced by the visit, each one is drawn as a visit.
VISIT: Final = "visit"
_MOST: Final = 2_000
_TAKEN_BACK: Final = (
    *("quantity", "minutes", "discount_amount", "discount", "net", "vat", "gross"),
)  # fmt: skip


class NotUnderContractError(ConflictError):
    """A line can be covered only on a ticket that a contract covers."""

    code = "ticket_not_covered"
    title = "No contract covers the ticket"


class LineReversedError(ConflictError):
    """A line is taken back once, and what takes one back stays."""

    code = "line_reversed"
    title = "The line is taken back already, or takes back another one"


class TooManyLinesError(ConflictError):
    """A ticket has a limited number of lines."""

    code = "too_many_lines"
    title = "The ticket has too many lines"


TICKET_LINES = Resource(
    name="ticket_line",
    plural="ticket-lines",
    table=ticket_lines,
    read=TicketLine,
    example=TICKET_LINE_EXAMPLE,
    filters=(
        Filter("ticket_id", ticket_lines.c.ticket_id, UUID),
        Filter("kind", ticket_lines.c.kind, ItemKind),
        Filter("billing", ticket_lines.c.billing, Billing),
        Filter("contract_id", ticket_lines.c.contract_id, UUID),
        Filter("performer_id", ticket_lines.c.performer_id, UUID),
        Filter("worked_at", ticket_lines.c.worked_at, Instant, "range"),
    ),
    sorts=(Sort("worked_at", ticket_lines.c.worked_at, "instant"),),
    includes=(
        Include("ticket", "ticket_id", TICKETS),
        Include("price_item", "price_item_id", PRICE_ITEMS),
        Include("performer", "performer_id", USERS),
        Include("contract", "contract_id", CONTRACTS),
    ),
    # What work costs is between the desk and its books; clients are shown acts.
    rows={
        kind: ticket_lines.c.ticket_id.in_(
            select(tickets.c.id).where(tickets.c.tenant_id == ticket_lines.c.tenant_id, condition)
        )
        for kind, condition in TICKETS.rows.items()
        if kind not in CONTACT_REACHES
    },
)


async def add_line(ctx: Ctx, body: TicketLineCreate) -> TicketLine:
    """Note what was done or handed over.

    Raises what `priced` and `draw_work` raise, and NotUnderContractError and TooManyLinesError.
    """
    check_line(body)
    if body.ticket_id not in await crud.fetch_many(ctx, TICKETS, [body.ticket_id]):
        message = f"There is no ticket {body.ticket_id}."
        raise UnknownReferenceError(message, pointer="/ticket_id")
    ctx, ticket = await locked(ctx, body.ticket_id)
    await _check_room(ctx, ticket)
    is_covered = ticket.coverage == "covered"
    billing = body.billing or (Billing.COVERED if is_covered else Billing.BILLABLE)
    if billing is Billing.COVERED and not is_covered:
        message = f"No contract covers the ticket {ticket.id}."
        raise NotUnderContractError(message, pointer="/billing")
    performer_id = body.performer_id or (ctx.principal.id if ctx.principal.type == "user" else None)
    if performer_id is None and body.minutes is not None:
        message = "Somebody has worked these minutes: say who."
        raise InvalidLineError(message, pointer="/performer_id")
    worked_at = body.worked_at or ctx.now
    found = await priced(ctx, ticket, body, performer_id=performer_id, worked_at=worked_at, billing=billing)
    line_id = new_id()
    drawn = await _draw(ctx, ticket, line_id, body, found) if billing is Billing.COVERED else None
    return await _store(
        ctx,
        line_id,
        {
            "ticket_id": ticket.id,
            "kind": found.kind.value,
            "quantity": body.quantity,
            "minutes": body.minutes,
            "worked_at": worked_at,
            "performer_id": performer_id,
            "note": body.note,
            "billing": billing.value,
            "contract_id": ticket.contract_id if is_covered else None,
            **_stored_draw(drawn),
            "is_price_manual": body.price is not None,
            "discount_percent": body.discount_percent or NOTHING,
            "discount_amount": body.discount_amount or NOTHING,
            "reverses_id": None,
            **stored_price(found),
        },
    )


async def reverse_line(ctx: Ctx, line_id: UUID, note: str | None) -> TicketLine:
    """Take a line back by another one, and put back what it has drawn; raises LineReversedError."""
    seen = await crud.fetch(ctx, TICKET_LINES, line_id)
    ctx, ticket = await locked(ctx, seen.ticket_id)
    is_done = exists().where(ticket_lines.c.tenant_id == ctx.tenant_id, ticket_lines.c.reverses_id == line_id)
    if seen.reverses_id is not None or await ctx.tx.value(select(is_done)):
        message = f"The line {line_id} is taken back already, or takes back another one."
        raise LineReversedError(message)
    reversal_id = new_id()
    if seen.entitlement_id is not None and seen.operation_id is not None:
        await put_back(ctx, ticket.id, reversal_id, (seen.entitlement_id, seen.operation_id))
    values = {name: value for name, value in vars(seen).items() if name in ticket_lines.c}
    for name in ("id", "created_at", "updated_at", "version"):
        values.pop(name)
    values |= {name: None if values[name] is None else -values[name] for name in _TAKEN_BACK}
    values |= {"worked_at": ctx.now, "note": note, "reverses_id": line_id}
    values |= {"entitlement_id": None, "operation_id": None, "drawn_amount": None}
    return await _store(ctx, reversal_id, values)


async def totals_of(ctx: Ctx, ticket_id: UUID) -> TicketTotals:
    """Add up the lines of a ticket, currency by currency."""
    await crud.fetch(ctx, TICKETS, ticket_id)
    line = ticket_lines.c
    query = (
        select(*TICKET_LINES.columns)
        .where(line.tenant_id == ctx.tenant_id, line.ticket_id == ticket_id)
        .order_by(line.id)
        .limit(_MOST)
    )
    lines = await ctx.tx.all(TicketLine, query)
    minutes = {each: sum(line.minutes or 0 for line in lines if line.billing == each) for each in Billing}
    return TicketTotals.trusted(
        {
            "billable_minutes": minutes[Billing.BILLABLE],
            "covered_minutes": minutes[Billing.COVERED],
            "totals": [_total(lines, each) for each in sorted({line.currency for line in lines if line.currency})],
        }
    )


def _total(lines: list[TicketLine], currency: str) -> CurrencyTotal:
    billed = totals(_reckoned(lines, currency, Billing.BILLABLE))
    return CurrencyTotal(
        currency=currency,
        net=billed.net,
        vat=billed.vat,
        gross=billed.gross,
        by_rate=[
            RateTotal(vat_rate=each.vat_rate, net=each.net, vat=each.vat, gross=each.gross) for each in billed.by_rate
        ],
        covered_net=totals(_reckoned(lines, currency, Billing.COVERED)).net,
    )


def _reckoned(lines: list[TicketLine], currency: str, billing: Billing) -> list[tuple[Any, Amounts]]:
    return [
        (
            line.vat_rate,
            Amounts(line.discount or NOTHING, line.net or NOTHING, line.vat or NOTHING, line.gross or NOTHING),
        )
        for line in lines
        if line.currency == currency and line.billing == billing
    ]


async def _check_room(ctx: Ctx, ticket: Ticket) -> None:
    line = ticket_lines.c
    full = (
        select(line.id).where(line.tenant_id == ctx.tenant_id, line.ticket_id == ticket.id).offset(_MOST - 1).limit(1)
    )
    if await ctx.tx.value(full) is not None:
        message = f"The ticket {ticket.id} has {_MOST} lines, which is the most."
        raise TooManyLinesError(message)


async def _draw(ctx: Ctx, ticket: Ticket, line_id: UUID, body: TicketLineCreate, found: Priced) -> Drawn | None:
    if ticket.contract_id is None:
        return None
    currency = None if found.quote is None else found.quote.currency
    money = 0 if found.amounts is None or currency is None else smallest_units(found.amounts.net, currency)
    counted: tuple[str | None, int] = (None, 0)
    if body.minutes is not None:
        counted = ("hours", body.minutes)
    elif found.quote is not None and found.quote.item.unit.lower() == VISIT and body.quantity is not None:
        counted = ("visits", -int(-body.quantity // 1))
    if max(money, counted[1]) > INT4_MAX:
        message = "The line comes to more than can be drawn."
        raise AmountTooLargeError(message, pointer="/quantity")
    return await draw_work(ctx, ticket.contract_id, ticket.id, line_id, Draw(*counted, currency, money))


def _stored_draw(drawn: Drawn | None) -> dict[str, Any]:
    if drawn is None:
        return dict.fromkeys(("entitlement_id", "operation_id", "drawn_amount"))
    return {
        "entitlement_id": drawn.entitlement_id,
        "operation_id": drawn.operation_id,
        "drawn_amount": drawn.amount,
    }


async def _store(ctx: Ctx, line_id: UUID, values: dict[str, Any]) -> TicketLine:
    # What the product has decided may be more than the caller is shown.
    decided = ("contract_id", "price_item_id")
    return await crud.add(ctx, TICKET_LINES, values, object_id=line_id, decided=decided)
