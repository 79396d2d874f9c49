"""Price lists: prices in one currency, for everybody, for some clients, or for the contracts that name them.

What costs how much is said by their items (`agreements.price_items`); which list is looked at for what, and in which
order, by `agreements.price_lookup`.
"""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import Boolean, CheckConstraint, Column, Date, Index, Text, UniqueConstraint, Uuid, or_
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.money import decimals_of
from helpdesk_api.domain.prices import Audience
from helpdesk_api.identity.visibility import COMPANIES as OF_COMPANIES
from helpdesk_api.identity.visibility import SHARED, TERRITORY, rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Flag, Input, Label, Line, LocalDate, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.visibility import RowRules

price_lists = tenant_table(
    "price_lists",
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("prices_include_vat", Boolean, nullable=False),
    Column("audience", Text, nullable=False),
    Column("company_id", Uuid),
    Column("categories", ARRAY(Text), nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    UniqueConstraint("tenant_id", "name"),
    CheckConstraint("audience IN ('everybody', 'categories', 'company', 'contracts')", name="audience"),
    CheckConstraint("(audience = 'company') = (company_id IS NOT NULL)", name="company_where_for_one"),
    CheckConstraint("(audience = 'categories') = (cardinality(categories) > 0)", name="categories_where_for_them"),
    CheckConstraint("valid_until >= valid_from", name="valid_in_order"),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "company_id"),
)

_STATED: Final = ("audience", "company_id", "categories", "valid_from", "valid_until")


class InvalidPriceListError(InvalidError):
    """What is said of a price list contradicts itself."""

    code = "invalid_price_list"
    title = "What is said of the price list contradicts itself"


class PriceListCreate(Input):
    """A new price list."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code; it stays what it is.")]
    prices_include_vat: Annotated[Flag, Field(description="Whether VAT is part of the prices, or comes on top.")] = (
        False
    )
    audience: Annotated[
        Audience,
        Field(
            description=(
                "Whom it is for: `everybody`, clients of some `categories`, one `company`, or only the `contracts` "
                "and services that name it. Those may name any list."
            )
        ),
    ] = Audience.EVERYBODY
    company_id: Annotated[UUID | None, Field(description="The client, for `company` only.")] = None
    categories: Annotated[
        list[Label], Field(max_length=100, description="Categories of clients, for `categories` only.")
    ] = Field(default=[])
    valid_from: Annotated[LocalDate | None, Field(description="The first day; null for always.")] = None
    valid_until: Annotated[LocalDate | None, Field(description="The last day; null for good.")] = None


class PriceList(Entity):
    """Prices in one currency, and whom they are for."""

    name: str
    currency: str
    prices_include_vat: bool
    audience: Annotated[str, Field(examples=[audience.value for audience in Audience])]
    company_id: UUID | None
    categories: list[str]
    valid_from: date | None
    valid_until: date | None


def _rows() -> RowRules:
    """Let staff who see some clients only see no list that is for another one."""
    of_client = rows_of(company=price_lists.c.company_id)
    narrow = {kind: or_(price_lists.c.company_id.is_(None), of_client[kind]) for kind in (OF_COMPANIES, TERRITORY)}
    return dict(SHARED) | narrow


PRICE_LISTS = Resource(
    name="price_list",
    plural="price-lists",
    table=price_lists,
    read=PriceList,
    example={
        "name": "Field service 2026",
        "currency": "EUR",
        "prices_include_vat": False,
        "audience": "categories",
        "company_id": None,
        "categories": ["VIP"],
        "valid_from": "2026-01-01",
        "valid_until": "2026-12-31",
    },
    filters=(
        Filter("name", price_lists.c.name, str),
        Filter("currency", price_lists.c.currency, str),
        Filter("audience", price_lists.c.audience, Audience),
        Filter("company_id", price_lists.c.company_id, UUID),
    ),
    sorts=(Sort("name", price_lists.c.name, "text"),),
    includes=(Include("company", "company_id", COMPANIES),),
    rows=_rows(),
)


async def check_price_list(ctx: Ctx, given: dict[str, Any], before: PriceList | None) -> dict[str, Any]:
    """Refuse what contradicts itself; raises InvalidPriceListError and UnknownCurrencyError."""
    del ctx
    if "currency" in given:
        decimals_of(given["currency"])
    stated = {name: given.get(name, getattr(before, name, None)) for name in _STATED}
    if (stated["audience"] == Audience.COMPANY) != (stated["company_id"] is not None):
        message = "A list for a company names it, and no other names one."
        raise InvalidPriceListError(message, pointer="/company_id")
    if (stated["audience"] == Audience.CATEGORIES) != bool(stated["categories"]):
        message = "A list for categories names them, and no other names any."
        raise InvalidPriceListError(message, pointer="/categories")
    check_days(stated["valid_from"], stated["valid_until"])
    return given


def check_days(first: date | None, last: date | None) -> None:
    """Refuse a last day before the first one; raises InvalidPriceListError."""
    if first is not None and last is not None and last < first:
        message = "valid_until must not be before valid_from."
        raise InvalidPriceListError(message, pointer="/valid_until")


router = routes(
    PRICE_LISTS,
    create=PriceListCreate,
    update=patch_model(PriceListCreate, without=("currency",)),
    check=check_price_list,
)
