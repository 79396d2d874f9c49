"""Assets: the equipment that is served, with what it is, whose and where it is, and what it is part of.

An asset is where its company has a place, and part of an asset of the same company: the database holds these pairs
together. By which numbers assets are told apart is a rule of their type. Moving them is `assets.moving`, where they
have been is `assets.placements`.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from helpdesk_api.assets.asset_types import ASSET_TYPES
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.schema import Entity, Input, Line, LocalDate, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.visibility import FieldGroup

# Checked at the end of a move rather than amid it: the parts of an asset follow it one after the other.
PARENT_OF_COMPANY = "fk_assets_parent_of_company"

assets = tenant_table(
    "assets",
    Column("asset_type_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("manufacturer", Text),
    Column("model", Text),
    Column("serial_number", Text),
    Column("inventory_number", Text),
    Column("company_id", Uuid),
    Column("location_id", Uuid),
    Column("contact_id", Uuid),
    Column("parent_asset_id", Uuid),
    Column("status", Text, nullable=False),
    Column("installed_on", Date),
    Column("warranty_until_on", Date),
    Column("notes", Text),
    # The rules of the type: a trigger takes them over, and the foreign key keeps them in step.
    Column("serial_is_unique", Boolean, FetchedValue(), nullable=False),
    Column("inventory_is_unique", Boolean, FetchedValue(), nullable=False),
    CheckConstraint("status IN ('in_stock', 'in_use', 'in_repair', 'retired')", name="status"),
    CheckConstraint("location_id IS NULL OR company_id IS NOT NULL", name="location_of_company"),
    # What is part of this one belongs to the same company.
    UniqueConstraint("tenant_id", "company_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "serial_is_unique", "inventory_is_unique", "asset_type_id"],
        [f"asset_types.{name}" for name in ("tenant_id", "serial_is_unique", "inventory_is_unique", "id")],
        name="fk_assets_rules_of_type",
        onupdate="CASCADE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "location_id"],
        ["locations.tenant_id", "locations.company_id", "locations.id"],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "parent_asset_id"],
        ["assets.tenant_id", "assets.company_id", "assets.id"],
        name=PARENT_OF_COMPANY,
        deferrable=True,
        initially="IMMEDIATE",
    ),
    reference("company_id", "companies"),
    reference("contact_id", "contacts"),
    reference("parent_asset_id", "assets"),
    Index(
        "uq_assets_serial_number",
        *("tenant_id", "asset_type_id", "serial_number"),
        unique=True,
        postgresql_where=text("serial_is_unique"),
    ),
    Index(
        "uq_assets_inventory_number",
        *("tenant_id", "asset_type_id", "inventory_number"),
        unique=True,
        postgresql_where=text("inventory_is_unique"),
    ),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "company_id", "location_id"),
    Index(None, "tenant_id", "location_id"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "parent_asset_id"),
    Index(None, "tenant_id", "asset_type_id"),
    Index(None, "tenant_id", "serial_number"),
    Index(None, "tenant_id", "inventory_number"),
)

AssetStatus = Literal["in_stock", "in_use", "in_repair", "retired"]


class AssetCreate(Input):
    """A new asset."""

    asset_type_id: UUID
    name: Line
    manufacturer: Line | None = None
    model: Line | None = None
    serial_number: Annotated[Line | None, Field(description="Unique when the type says so.")] = None
    inventory_number: Annotated[Line | None, Field(description="Unique when the type says so.")] = None
    company_id: Annotated[
        UUID | None, Field(description="Whose it is; null: that of the location, or the service company's own.")
    ] = None
    location_id: Annotated[UUID | None, Field(description="Where it is; one of the company's locations.")] = None
    contact_id: Annotated[UUID | None, Field(description="Who is in charge of it; works for the company.")] = None
    parent_asset_id: Annotated[
        UUID | None, Field(description="What it is part of: an asset of the same company, never itself.")
    ] = None
    status: AssetStatus = "in_use"
    installed_on: LocalDate | None = None
    warranty_until_on: Annotated[LocalDate | None, Field(description="The last day of the warranty.")] = None
    notes: Annotated[Prose | None, Field(description="For staff only.")] = None


AssetUpdate = patch_model(AssetCreate)


class Asset(Entity):
    """A piece of equipment."""

    asset_type_id: UUID
    name: str
    manufacturer: str | None
    model: str | None
    serial_number: str | None
    inventory_number: str | None
    company_id: UUID | None
    location_id: UUID | None
    contact_id: UUID | None
    parent_asset_id: UUID | None
    status: Annotated[str, Field(examples=["in_stock", "in_use", "in_repair", "retired"])]
    installed_on: LocalDate | None
    warranty_until_on: LocalDate | None
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]


ASSETS = Resource(
    name="asset",
    plural="assets",
    table=assets,
    read=Asset,
    example={
        "asset_type_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e13",
        "name": "Label printer dock 3",
        "manufacturer": "Thermoprint",
        "model": "TP 400",
        "serial_number": "TP4-0098211",
        "inventory_number": "AD-0173",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "location_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e12",
        "contact_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11",
        "parent_asset_id": None,
        "status": "in_use",
        "installed_on": "2025-04-02",
        "warranty_until_on": "2027-04-01",
        "notes": "Ribbon on the second shelf.",
    },
    filters=(
        Filter("asset_type_id", assets.c.asset_type_id, UUID),
        Filter("name", assets.c.name, str, is_lookup=True),
        Filter("manufacturer", assets.c.manufacturer, str),
        Filter("model", assets.c.model, str),
        Filter("serial_number", assets.c.serial_number, str, is_lookup=True),
        Filter("inventory_number", assets.c.inventory_number, str, is_lookup=True),
        Filter("company_id", assets.c.company_id, UUID, is_lookup=True),
        Filter("location_id", assets.c.location_id, UUID, is_lookup=True),
        Filter("contact_id", assets.c.contact_id, UUID),
        Filter("parent_asset_id", assets.c.parent_asset_id, UUID, is_lookup=True),
        Filter("status", assets.c.status, AssetStatus),
        Filter("warranty_until_on", assets.c.warranty_until_on, LocalDate, "range"),
    ),
    sorts=(Sort("name", assets.c.name, "text"),),
    includes=(
        Include("asset_type", "asset_type_id", ASSET_TYPES),
        Include("company", "company_id", COMPANIES),
        Include("location", "location_id", LOCATIONS),
        Include("contact", "contact_id", CONTACTS),
    ),
    rows=rows_of(company=assets.c.company_id),
    guards_lists=True,
)
