"""External references: by which id a client card goes in another system, a CRM or an ERP.

A card may have many, also several in one system; within a system an id belongs to one card of a kind at most.
Writing cards by their references is `directory.upserting`. Who does not see every client sees no references: what is
taken, and by which card, would tell of the others.
"""

from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints
from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text, Uuid, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input, Instant
from helpdesk_api.kit.sql import Statement, reference, tenant_table

external_references = tenant_table(
    "external_references",
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("company_id", Uuid),
    Column("contact_id", Uuid),
    Column("location_id", Uuid),
    Column("asset_id", Uuid),
    Column("source_updated_at", DateTime(timezone=True)),
    reference("company_id", "companies", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    reference("location_id", "locations", ondelete="CASCADE"),
    reference("asset_id", "assets", ondelete="CASCADE"),
    CheckConstraint("num_nonnulls(company_id, contact_id, location_id, asset_id) = 1", name="of_one_card"),
    *(
        Index(
            f"uq_external_references_{plural}",
            *("tenant_id", "source", "external_id"),
            unique=True,
            postgresql_where=text(f"{column} IS NOT NULL"),
        )
        for plural, column in (
            ("companies", "company_id"),
            ("contacts", "contact_id"),
            ("locations", "location_id"),
            ("assets", "asset_id"),
        )
    ),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "location_id"),
    Index(None, "tenant_id", "asset_id"),
)

CardColumn = Literal["company_id", "contact_id", "location_id", "asset_id"]
CARD_COLUMNS: Final[tuple[CardColumn, ...]] = get_args(CardColumn)

Source = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$"),
    Field(description="The other system, by a name of your own.", examples=["crm"]),
]
ExternalId = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f-\x9f\ufffd/\\?#%]{1,200}$"),
    Field(
        description="The id there, exactly as it is: no white space, and none of `/ \\ ? # %`.",
        examples=["0015g00000A"],
    ),
]


class OneCardError(InvalidError):
    """A reference is to a company, a contact, a location or an asset: to one of them."""

    code = "one_card"
    title = "A reference is to one card"


class ExternalReferenceCreate(Input):
    """A new reference to a company, a contact, a location or an asset."""

    source: Source
    external_id: ExternalId
    company_id: Annotated[UUID | None, Field(description="The company, if it is one.")] = None
    contact_id: Annotated[UUID | None, Field(description="The contact, if it is one.")] = None
    location_id: Annotated[UUID | None, Field(description="The location, if it is one.")] = None
    asset_id: Annotated[UUID | None, Field(description="The asset, if it is one.")] = None
    source_updated_at: Annotated[
        Instant | None, Field(description="When the card last changed there; an older card is refused from then on.")
    ] = None


class ExternalReference(Entity):
    """By which id a card goes in another system."""

    source: str
    external_id: str
    company_id: UUID | None
    contact_id: UUID | None
    location_id: UUID | None
    asset_id: UUID | None
    source_updated_at: AwareDatetime | None


EXTERNAL_REFERENCES = Resource(
    name="external_reference",
    plural="external-references",
    table=external_references,
    read=ExternalReference,
    example={
        "source": "crm",
        "external_id": "0015g00000A",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "contact_id": None,
        "location_id": None,
        "asset_id": None,
        "source_updated_at": "2026-11-23T08:59:12Z",
    },
    filters=(
        Filter("source", external_references.c.source, str),
        Filter("external_id", external_references.c.external_id, str),
        Filter("company_id", external_references.c.company_id, UUID),
        Filter("contact_id", external_references.c.contact_id, UUID),
        Filter("location_id", external_references.c.location_id, UUID),
        Filter("asset_id", external_references.c.asset_id, UUID),
    ),
    sorts=(Sort("external_id", external_references.c.external_id, "text"),),
    includes=(
        Include("company", "company_id", COMPANIES),
        Include("contact", "contact_id", CONTACTS),
        Include("location", "location_id", LOCATIONS),
    ),
)

_KEY = (
    external_references.c.tenant_id == bindparam("tenant"),
    external_references.c.source == bindparam("source"),
)
_COLUMNS = tuple(external_references.c[name] for name in ExternalReference.model_fields)


def _by_name(column: Column[Any], *, is_locked: bool) -> Statement:
    of_id = external_references.c.external_id == bindparam("external_id")
    found = select(*_COLUMNS).where(*_KEY, of_id, column.is_not(None))
    return Statement(found.with_for_update() if is_locked else found)


def _linked(column: Column[Any]) -> Statement:
    cards = bindparam("cards", type_=ARRAY(Uuid()))
    return Statement(select(column).where(*_KEY, column == func.any(cards)))


_BY_NAME = {
    (name, is_locked): _by_name(external_references.c[name], is_locked=is_locked)
    for name in CARD_COLUMNS
    for is_locked in (False, True)
}
_LINKED = {name: _linked(external_references.c[name]) for name in CARD_COLUMNS}


async def find_reference(
    ctx: Ctx, column: CardColumn, source: str, external_id: str, *, is_locked: bool = False
) -> ExternalReference | None:
    """Give the reference to a company or contact, by its `column`, that goes by this id in a system."""
    key = {"tenant": ctx.tenant_id, "source": source, "external_id": external_id}
    row = await ctx.tx.row(_BY_NAME[column, is_locked], key)
    return None if row is None else ExternalReference.from_record(row)


async def linked_cards(ctx: Ctx, column: CardColumn, source: str, cards: list[UUID]) -> set[UUID]:
    """Tell which of these cards go by some id in a system already."""
    rows = await ctx.tx.rows(_LINKED[column], {"tenant": ctx.tenant_id, "source": source, "cards": cards})
    return {row[0] for row in rows}


async def _checked(ctx: Ctx, given: dict[str, Any], before: ExternalReference | None) -> dict[str, Any]:
    del ctx
    if before is None and sum(given[column] is not None for column in CARD_COLUMNS) != 1:
        message = f"Give one of {', '.join(CARD_COLUMNS)}."
        raise OneCardError(message, pointer="/company_id")
    return given


router = routes(EXTERNAL_REFERENCES, create=ExternalReferenceCreate, check=_checked)
