"""Asking what something costs: which price holds for a client on a day, why, and why none of the others.

One statement finds what the lists say that may be looked at; which of that holds is decided by `domain.prices`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Date, Text, Uuid, and_, any_, bindparam, case, func, or_, select

from helpdesk_api.agreements.contract_versions import spells_of_many
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.price_items import PRICE_ITEMS, ItemKind, PriceItem, TimeOfDay, price_items
from helpdesk_api.agreements.price_lists import PRICE_LISTS, price_lists
from helpdesk_api.agreements.services import SERVICES
from helpdesk_api.directory.companies import COMPANIES, companies
from helpdesk_api.domain.contracts import terms_at
from helpdesk_api.domain.prices import Ground, Offer, Outranked, chosen
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Input, Label, LocalDate, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

router = APIRouter(prefix="/v1/price-items", tags=["price-items"], route_class=UnitOfWorkRoute)

_GROUNDS: Final = {
    Ground.CONTRACT: "The contract names the list.",
    Ground.COMPANY: "The list is for this client.",
    Ground.CATEGORY: "The list is for clients of this category.",
    Ground.SERVICE: "The service names the list.",
    Ground.EVERYBODY: "The list is for everybody.",
}
_OUTRANKED: Final = {
    Outranked.LESS_SPECIFIC: "The chosen price is from a list that is nearer.",
    Outranked.LESS_EXACT: "The chosen rate, from a list as near, is for the role or the time of day.",
    Outranked.HELD_EARLIER: "The chosen price, from a list as near, holds since later.",
    Outranked.NAME_COMES_LATER: "The list of the chosen price, equal otherwise, comes first by its name.",
}
_MOST: Final = 100

_list, _item = price_lists.c, price_items.c
_on = bindparam("on", type_=Date())
_company = bindparam("company", type_=Uuid())
_category = (
    select(companies.c.category)
    .where(companies.c.tenant_id == bindparam("tenant"), companies.c.id == _company)
    .scalar_subquery()
)
_grounds = (
    (_list.id == bindparam("of_contract", type_=Uuid()), Ground.CONTRACT),
    (and_(_list.audience == "company", _list.company_id == _company), Ground.COMPANY),
    (and_(_list.audience == "categories", _category == any_(_list.categories)), Ground.CATEGORY),
    (_list.id == bindparam("of_service", type_=Uuid()), Ground.SERVICE),
    (_list.audience == "everybody", Ground.EVERYBODY),
)
_ground = case(*((condition, ground.value) for condition, ground in _grounds), else_=None)
_OFFERS: Final = Statement(
    select(
        *PRICE_ITEMS.columns,
        _list.name.label("list_name"),
        _list.currency,
        _list.prices_include_vat,
        func.greatest(_list.valid_from, _item.valid_from).label("holds_since"),
        _ground.label("ground"),
    )
    .select_from(price_items)
    .join(price_lists, and_(_list.tenant_id == _item.tenant_id, _list.id == _item.price_list_id))
    .where(
        _item.tenant_id == bindparam("tenant"),
        or_(
            _item.code == bindparam("code", type_=Text()),
            and_(
                bindparam("code", type_=Text()).is_(None),
                _item.kind == ItemKind.LABOUR,
                or_(_item.role_id.is_(None), _item.role_id == bindparam("role", type_=Uuid())),
                or_(_item.time_of_day == TimeOfDay.ANY, _item.time_of_day == bindparam("time_of_day", type_=Text())),
            ),
        ),
        *(or_(column.is_(None), column <= _on) for column in (_item.valid_from, _list.valid_from)),
        *(or_(column.is_(None), column >= _on) for column in (_item.valid_until, _list.valid_until)),
        _ground.is_not(None),
    )
    .order_by(_list.name)
    .limit(_MOST)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: the price of a code on a day, for a client, perhaps under a contract or for a service.

    Without a code it is the rate of labour, of a role and at a time of day.
    """

    code: str | None
    on: date
    company_id: UUID | None
    contract_id: UUID | None = None
    service_id: UUID | None = None
    role_id: UUID | None = None
    time_of_day: TimeOfDay = TimeOfDay.ANY


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that a list says, with what is needed to reckon with it."""

    item: PriceItem
    list_name: str
    currency: str
    prices_include_vat: bool
    offer: Offer


async def quotes(ctx: Ctx, wanted: Wanted) -> tuple[Quote | None, list[tuple[Quote, Outranked]]]:
    """Find the price that holds, and those that do not, the nearest of them first."""
    params = {
        "tenant": ctx.tenant_id,
        "code": wanted.code,
        "role": wanted.role_id,
        "time_of_day": wanted.time_of_day,
        "on": wanted.on,
        "company": wanted.company_id,
        "of_contract": await _of_contract(ctx, wanted),
        "of_service": await _of_service(ctx, wanted.service_id),
    }
    found = {quote.item.id: quote for quote in map(_quote, await ctx.tx.rows(_OFFERS, params))}
    best, others = chosen([quote.offer for quote in found.values()])
    return (
        None if best is None else found[best.item_id],
        [(found[offer.item_id], reason) for offer, reason in others],
    )


async def _of_contract(ctx: Ctx, wanted: Wanted) -> UUID | None:
    """Give the list that a contract names by the terms that hold at the end of the day, as known now."""
    if wanted.contract_id is None:
        return None
    at = datetime.combine(wanted.on, time.max, UTC)
    terms = terms_at((await spells_of_many(ctx, [wanted.contract_id]))[wanted.contract_id], at)
    return None if terms is None else terms.price_list_id


async def _of_service(ctx: Ctx, service_id: UUID | None) -> UUID | None:
    if service_id is None:
        return None
    found = (await crud.fetch_many(ctx, SERVICES, [service_id])).get(service_id)
    return None if found is None else found.price_list_id


def _quote(row: Record) -> Quote:
    item = PriceItem.trusted({name: row[name] for name in PriceItem.model_fields})
    offer = Offer(
        item.id,
        row["list_name"],
        Ground(row["ground"]),
        row["holds_since"],
        item.code,
        is_of_role=item.kind == ItemKind.LABOUR and item.role_id is not None,
        is_of_time=item.kind == ItemKind.LABOUR and item.time_of_day != TimeOfDay.ANY,
    )
    return Quote(item, row["list_name"], row["currency"], row["prices_include_vat"], offer)


class PriceLookup(Input):
    """What is to be bought, by whom and when."""

    code: Label
    company_id: Annotated[UUID | None, Field(description="The client; null for what everybody pays.")] = None
    contract_id: Annotated[UUID | None, Field(description="The contract under which it is done.")] = None
    service_id: Annotated[UUID | None, Field(description="The service that is asked for.")] = None
    on: Annotated[LocalDate | None, Field(description="The day; null for today, in UTC.")] = None


class QuotedPrice(Output):
    """A price that a list says, and why that list is looked at."""

    item: PriceItem
    price_list_name: str
    currency: str
    prices_include_vat: bool
    ground: Annotated[str, Field(examples=[ground.value for ground in Ground])]
    text: str


class RejectedPrice(QuotedPrice):
    """A price that is not the one, and why."""

    reason: Annotated[str, Field(examples=[reason.value for reason in Outranked])]
    reason_text: str


class PriceFound(Output):
    """The price that holds, and the others that lists say for that client and day."""

    on: date
    price: Annotated[QuotedPrice | None, Field(description="Null: no list says a price.")]
    rejected: Annotated[list[RejectedPrice], Field(description="The nearest first.")]


@router.post(
    "/lookup",
    operation_id="price_items_look_up",
    summary="Look up a price",
    description=(
        "Tells which price holds for a client on a day, and why none of the others: that of the list which the "
        "contract names, of one for the client, one for its category, that which the service names, one for everybody. "
        "Between two as near, the one that holds since later. Changes nothing."
    ),
)
async def look_up_price(body: PriceLookup, ctx: Annotated[Ctx, allowed("price-items:read")]) -> PriceFound:
    """Look up a price."""
    for name, resource in (("company_id", COMPANIES), ("contract_id", CONTRACTS), ("service_id", SERVICES)):
        await _check_known(ctx, resource, getattr(body, name), name)
    on = body.on or ctx.now.date()
    wanted = Wanted(body.code, on, body.company_id, body.contract_id, body.service_id)
    best, others = await quotes(ctx, wanted)
    seen = await _seen(ctx, [quote for quote, _ in others] + ([] if best is None else [best]))
    return PriceFound(
        on=on,
        price=None if best is None or best.item.price_list_id not in seen else QuotedPrice.trusted(_shown(best)),
        rejected=[
            RejectedPrice.trusted(_shown(quote) | {"reason": reason.value, "reason_text": _OUTRANKED[reason]})
            for quote, reason in others
            if quote.item.price_list_id in seen
        ],
    )


async def _seen(ctx: Ctx, found: Sequence[Quote]) -> frozenset[UUID]:
    """Give the lists that the caller may see."""
    return frozenset(await crud.fetch_many(ctx, PRICE_LISTS, sorted({quote.item.price_list_id for quote in found})))


async def _check_known(ctx: Ctx, resource: Resource[Any], object_id: UUID | None, field: str) -> None:
    if object_id is not None and object_id not in await crud.fetch_many(ctx, resource, [object_id]):
        message = f"There is no {resource.name} {object_id}."
        raise UnknownReferenceError(message, pointer=f"/{field}")


def _shown(quote: Quote) -> dict[str, Any]:
    return {
        "item": quote.item,
        "price_list_name": quote.list_name,
        "currency": quote.currency,
        "prices_include_vat": quote.prices_include_vat,
        "ground": quote.offer.ground.value,
        "text": _GROUNDS[quote.offer.ground],
    }


_QUOTED: Final[dict[str, Any]] = {
    "item": {
        "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e91",
        "created_at": "2026-11-23T09:00:00Z",
        "updated_at": "2026-11-23T09:00:00Z",
        "version": 1,
        **PRICE_ITEMS.example,
    },
    "price_list_name": PRICE_LISTS.example["name"],
    "currency": "EUR",
    "prices_include_vat": False,
    "ground": Ground.CATEGORY.value,
    "text": _GROUNDS[Ground.CATEGORY],
}
PRICE_EXAMPLES: Final[dict[str, Any]] = {
    "PriceLookup": {
        "code": "LAB-1",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "contract_id": None,
        "service_id": None,
        "on": "2026-11-23",
    },
    "PriceFound": {"on": "2026-11-23", "price": _QUOTED, "rejected": []},
}
