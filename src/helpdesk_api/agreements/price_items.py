"""What costs how much: the items of price lists, each one price of one thing for a span of days.

A price that changes is another item of the same code from a day on; the database keeps a list from saying two prices of
one thing for one day. Labour is priced by the hour, perhaps for one role and for one time of day only.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    Numeric,
    Text,
    Uuid,
    exists,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from helpdesk_api.agreements.price_lists import PRICE_LISTS, check_days, price_lists
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.identity.roles import ROLES
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, ExactDecimal, Input, Label, Line, LocalDate, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import RowRules


class ItemKind(StrEnum):
    """What is sold: something that is done, something that is handed over, or time."""

    SERVICE = "service"
    PART = "part"
    LABOUR = "labour"


class TimeOfDay(StrEnum):
    """When labour has its price: at any time, within the hours of the calendar that counts, or outside of them."""

    ANY = "any"
    OPEN = "open"
    CLOSED = "closed"


_days = func.daterange(text("valid_from"), text("valid_until"), text("'[]'"))
price_items = tenant_table(
    "price_items",
    Column("price_list_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("price", Numeric, nullable=False),
    Column("vat_rate", Numeric, nullable=False),
    Column("role_id", Uuid),
    Column("time_of_day", Text, nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    CheckConstraint("kind IN ('service', 'part', 'labour')", name="kind"),
    CheckConstraint("time_of_day IN ('any', 'open', 'closed')", name="time_of_day"),
    CheckConstraint("kind = 'labour' OR (role_id IS NULL AND time_of_day = 'any')", name="rates_of_labour_only"),
    CheckConstraint("price >= 0 AND vat_rate >= 0 AND vat_rate <= 100", name="amounts"),
    CheckConstraint("valid_until >= valid_from", name="valid_in_order"),
    ExcludeConstraint(
        (text("tenant_id"), "="),
        (text("price_list_id"), "="),
        (text("code"), "="),
        (_days, "&&"),
        name="ex_price_items_one_price_a_day",
        using="gist",
    ),
    reference("price_list_id", "price_lists"),
    reference("role_id", "roles"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "code", "id"),
    Index(None, "tenant_id", "price_list_id"),
    Index(None, "tenant_id", "role_id"),
)

_RATES: Final = ("kind", "role_id", "time_of_day", "price_list_id", "code", "valid_from", "valid_until")
_HUNDRED: Final = 100


class InvalidPriceItemError(InvalidError):
    """What is said of an item contradicts itself."""

    code = "invalid_price_item"
    title = "What is said of the item contradicts itself"


class PriceTakenError(ConflictError):
    """The list says a price of this code for some of these days already."""

    code = "price_taken"
    title = "The list has a price of this for some of the days"


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        message = "must not be negative"
        raise ValueError(message)
    return value


def _percentage(value: Decimal) -> Decimal:
    if not 0 <= value <= _HUNDRED:
        message = "must be a percentage from 0 to 100"
        raise ValueError(message)
    return value


Price = Annotated[ExactDecimal, AfterValidator(_not_negative)]
Percentage = Annotated[ExactDecimal, AfterValidator(_percentage)]


class PriceItemCreate(Input):
    """A new item of a price list."""

    price_list_id: UUID
    code: Annotated[Label, Field(description="What it goes by; with other days, or on other lists, there may be more.")]
    name: Line
    kind: Annotated[ItemKind, Field(description="`labour` is priced by the hour.")]
    unit: Annotated[Label, Field(description="What the price is for one of, such as `piece` or `hour`.")]
    price: Annotated[Price, Field(description="In the currency of the list, with as many decimals as it needs.")]
    vat_rate: Annotated[Percentage, Field(description="Percent.")]
    role_id: Annotated[UUID | None, Field(description="Whose labour; null for everybody's.")] = None
    time_of_day: Annotated[
        TimeOfDay,
        Field(description="Labour within the hours of the calendar that counts, or outside of them, or at any time."),
    ] = TimeOfDay.ANY
    valid_from: Annotated[LocalDate | None, Field(description="The first day; null for always.")] = None
    valid_until: Annotated[LocalDate | None, Field(description="The last day; null for good.")] = None


class PriceItem(Entity):
    """The price of one thing on a list, for a span of days."""

    price_list_id: UUID
    code: str
    name: str
    kind: Annotated[str, Field(examples=[kind.value for kind in ItemKind])]
    unit: str
    price: ExactDecimal
    vat_rate: ExactDecimal
    role_id: UUID | None
    time_of_day: Annotated[str, Field(examples=[time.value for time in TimeOfDay])]
    valid_from: date | None
    valid_until: date | None


def _rows() -> RowRules:
    of_lists = select(price_lists.c.id).where(price_lists.c.tenant_id == price_items.c.tenant_id)
    narrow = {kind: seen for kind, seen in PRICE_LISTS.rows.items() if seen is not SHARED.get(kind)}
    return dict(SHARED) | {kind: price_items.c.price_list_id.in_(of_lists.where(seen)) for kind, seen in narrow.items()}


PRICE_ITEMS = Resource(
    name="price_item",
    plural="price-items",
    table=price_items,
    read=PriceItem,
    example={
        "price_list_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e90",
        "code": "LAB-1",
        "name": "Technician, outside of hours",
        "kind": "labour",
        "unit": "hour",
        "price": "95.00",
        "vat_rate": "22",
        "role_id": None,
        "time_of_day": "closed",
        "valid_from": "2026-01-01",
        "valid_until": None,
    },
    filters=(
        Filter("price_list_id", price_items.c.price_list_id, UUID),
        Filter("code", price_items.c.code, str),
        Filter("kind", price_items.c.kind, ItemKind),
    ),
    sorts=(Sort("code", price_items.c.code, "text"),),
    includes=(Include("price_list", "price_list_id", PRICE_LISTS), Include("role", "role_id", ROLES)),
    rows=_rows(),
)


async def check_price_item(ctx: Ctx, given: dict[str, Any], before: PriceItem | None) -> dict[str, Any]:
    """Refuse what contradicts itself, and a second price for a day.

    Raises InvalidPriceItemError, InvalidPriceListError, PriceTakenError and UnknownReferenceError.
    """
    stated = {name: given.get(name, getattr(before, name, None)) for name in _RATES}
    has_rate = stated["role_id"] is not None or stated["time_of_day"] != TimeOfDay.ANY
    if has_rate and stated["kind"] != ItemKind.LABOUR:
        message = "Only labour has prices by role and time of day."
        raise InvalidPriceItemError(message, pointer="/kind")
    check_days(stated["valid_from"], stated["valid_until"])
    if given:
        await _check_alone(ctx, stated, before)
    return given


async def _check_alone(ctx: Ctx, stated: dict[str, Any], before: PriceItem | None) -> None:
    list_id: UUID = stated["price_list_id"]
    if list_id not in await crud.fetch_many(ctx, PRICE_LISTS, [list_id]):
        message = f"There is no price list {list_id}."
        raise UnknownReferenceError(message, pointer="/price_list_id")
    # Those who write prices of one list take turns, so that none of them runs into the constraint.
    await crud.fetch_locked(ctx, PRICE_LISTS, list_id)
    item = price_items.c
    days = (
        or_(literal(stated["valid_until"], Date).is_(None), item.valid_from.is_(None),
            item.valid_from <= literal(stated["valid_until"], Date)),
        or_(literal(stated["valid_from"], Date).is_(None), item.valid_until.is_(None),
            item.valid_until >= literal(stated["valid_from"], Date)),
    )  # fmt: skip
    same = (item.tenant_id == ctx.tenant_id, item.price_list_id == list_id, item.code == stated["code"])
    other = () if before is None else (item.id != before.id,)
    if await ctx.tx.value(select(exists().where(*same, *other, *days))):
        message = f"The list has a price of {stated['code']} for some of these days."
        raise PriceTakenError(message, pointer="/code", params={"code": stated["code"]})


router = routes(
    PRICE_ITEMS,
    create=PriceItemCreate,
    update=patch_model(PriceItemCreate, without=("price_list_id",)),
    check=check_price_item,
)
