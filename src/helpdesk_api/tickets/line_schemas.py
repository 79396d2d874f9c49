"""What the API takes and shows of lines: what was done and handed over on a ticket, and who pays for it."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from helpdesk_api.agreements.contract_schemas import Moment
from helpdesk_api.agreements.price_items import ItemKind, Percentage, Price
from helpdesk_api.identity.permissions import TICKET_PRICES
from helpdesk_api.kit.schema import Entity, ExactDecimal, Input, Label, Line, Output
from helpdesk_api.kit.visibility import FieldGroup

_PRICES: Final = FieldGroup(TICKET_PRICES)
_NOTHING: Final = Decimal(0)
_KIND_TEXT: Final = "`labour` is a time entry: minutes of work."


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        message = "must be more than nothing"
        raise ValueError(message)
    return value


Amount = Annotated[ExactDecimal | None, _PRICES]
Quantity = Annotated[ExactDecimal, AfterValidator(_positive)]
Minutes = Annotated[int, Field(strict=True, ge=1, le=100_000)]


class Billing(StrEnum):
    """Who pays: it is part of what the contract covers, or it is billed."""

    COVERED = "covered"
    BILLABLE = "billable"


class TicketLineCreate(Input):
    """Something that was done or handed over: an item in some quantity, or minutes of work."""

    ticket_id: UUID
    code: Annotated[
        Label | None,
        Field(description="The item of the price list. Of minutes null: the rate by role and time of day is found."),
    ] = None
    quantity: Annotated[Quantity | None, Field(description="Of a service or a part.")] = None
    minutes: Annotated[Minutes | None, Field(description="Of work, which makes the line a time entry.")] = None
    worked_at: Annotated[
        Moment | None, Field(description="When it was done, or begun; null for now. It says which price holds.")
    ] = None
    performer_id: Annotated[
        UUID | None, Field(description="The user who did it; null for who asks. Integrations name one for minutes.")
    ] = None
    billing: Annotated[
        Billing | None, Field(description="Null: covered where a contract covers the ticket, else billable.")
    ] = None
    price: Annotated[Price | None, Field(description="In place of that of the list.")] = None
    discount_percent: Annotated[Percentage | None, Field(description="Taken off first.")] = None
    discount_amount: Annotated[Price | None, Field(description="Taken off after that.")] = None
    note: Annotated[Line | None, Field(description="What was done.")] = None


class TicketLineReverse(Input):
    """Why a line is taken back."""

    note: Annotated[Line | None, Field(description="Stands on the line that takes it back.")] = None


class TicketLine(Entity):
    """What was done or handed over on a ticket. It is never changed; a mistake is taken back by another line."""

    ticket_id: UUID
    kind: Annotated[str, Field(description=_KIND_TEXT, examples=[kind.value for kind in ItemKind])]
    price_item_id: Annotated[UUID | None, Field(description="What the price came from; null: no list has a rate.")]
    code: str | None
    name: str | None
    unit: str | None
    quantity: ExactDecimal | None
    minutes: int | None
    worked_at: AwareDatetime
    performer_id: UUID | None
    note: str | None
    billing: Annotated[str, Field(examples=[billing.value for billing in Billing])]
    contract_id: Annotated[UUID | None, Field(description="The contract of the ticket when the line was made.")]
    entitlement_id: Annotated[UUID | None, Field(description="What it was drawn from.")]
    operation_id: Annotated[UUID | None, Field(description="The operation in its ledger.")]
    drawn_amount: Annotated[int | None, Field(description="What was drawn, after rounding: minutes, visits, cents.")]
    currency: str | None
    price: Annotated[Amount, Field(description="For one unit, of labour for an hour.")]
    is_price_manual: Annotated[bool, Field(description="Whether the price was given instead of looked up.")]
    prices_include_vat: bool | None
    vat_rate: ExactDecimal | None
    discount_percent: Amount
    discount_amount: Amount
    discount: Annotated[Amount, Field(description="All that was taken off.")]
    net: Amount
    vat: Amount
    gross: Amount
    reverses_id: Annotated[UUID | None, Field(description="The line that is taken back.")]


class RateTotal(Output):
    """What the billable lines of one rate of VAT come to."""

    vat_rate: ExactDecimal
    net: ExactDecimal
    vat: ExactDecimal
    gross: ExactDecimal


class CurrencyTotal(Output):
    """What lines in one currency come to."""

    currency: str
    net: Annotated[ExactDecimal, Field(description="Of what is billed.")]
    vat: ExactDecimal
    gross: ExactDecimal
    by_rate: list[RateTotal]
    covered_net: Annotated[ExactDecimal, Field(description="What would have been billed if it were not covered.")]


class TicketTotals(Output):
    """What the lines of a ticket come to."""

    billable_minutes: int
    covered_minutes: int
    totals: Annotated[list[CurrencyTotal], _PRICES]


TICKET_LINE_EXAMPLE: Final[dict[str, Any]] = {
    "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "kind": "part",
    "price_item_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e91",
    "code": "TONER-A",
    "name": "Toner, black",
    "unit": "piece",
    "quantity": "2",
    "minutes": None,
    "worked_at": "2026-11-23T09:30:00Z",
    "performer_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
    "note": "Replaced both.",
    "billing": "billable",
    "contract_id": None,
    "entitlement_id": None,
    "operation_id": None,
    "drawn_amount": None,
    "currency": "EUR",
    "price": "84.00",
    "is_price_manual": False,
    "prices_include_vat": False,
    "vat_rate": "22",
    "discount_percent": "10",
    "discount_amount": "0",
    "discount": "16.80",
    "net": "151.20",
    "vat": "33.26",
    "gross": "184.46",
    "reverses_id": None,
}
LINE_EXAMPLES: Final[dict[str, Any]] = {
    "TicketLineReverse": {"note": "It was the wrong ticket."},
    "TicketTotals": {
        "billable_minutes": 0,
        "covered_minutes": 90,
        "totals": [
            {
                "currency": "EUR",
                "net": "151.20",
                "vat": "33.26",
                "gross": "184.46",
                "by_rate": [{"vat_rate": "22", "net": "151.20", "vat": "33.26", "gross": "184.46"}],
                "covered_net": "127.50",
            }
        ],
    },
}
