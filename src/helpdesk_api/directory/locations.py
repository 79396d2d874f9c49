"""Locations: the places of a client that are served, such as an office, a shop or a vehicle, with hours of their own.

A location belongs to one company, and what is at a location belongs to that company too: the database holds the pair
together. Whether deadlines are counted by the hours of a place is for a policy to say.
"""

from collections.abc import Collection
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, Strict
from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from typing_extensions import TypedDict

from helpdesk_api.directory.card_fields import Country, each_once
from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.directory.card_redirects import successor_of
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS, check_works_for
from helpdesk_api.directory.crm.ownership import guarded, noted
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput, CustomFieldsShown
from helpdesk_api.directory.custom_fields.models import custom_fields_column, custom_fields_index
from helpdesk_api.directory.custom_fields.narrowing import CustomFieldQuery, refine
from helpdesk_api.directory.custom_fields.values import with_custom_fields
from helpdesk_api.directory.ticket_summaries import TICKETS_IN_NUMBERS
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, ReferenceList, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Entity, Flag, Input, Label, Line, Prose, TimeZone, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import FieldGroup

locations = tenant_table(
    "locations",
    Column("company_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text),
    Column("address", JSONB),
    Column("coordinates", JSONB),
    Column("geofence_radius_meters", Integer),
    Column("time_zone", Text),
    Column("calendar_id", Uuid),
    Column("responsible_team_id", Uuid),
    Column("contact_ids", ARRAY(Uuid), nullable=False),
    Column("notes", Text),
    Column("is_active", Boolean, nullable=False),
    custom_fields_column(),
    custom_fields_index(),
    # What else belongs to a company and is at one of its locations refers to both at once.
    UniqueConstraint("tenant_id", "company_id", "id"),
    CheckConstraint("geofence_radius_meters IS NULL OR coordinates IS NOT NULL", name="geofence_has_a_centre"),
    reference("company_id", "companies"),
    reference("calendar_id", "calendars"),
    reference("responsible_team_id", "teams"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "calendar_id"),
    Index(None, "tenant_id", "responsible_team_id"),
)

# Holds the contacts of a location to people who are there.
location_contacts = tenant_table(
    "location_contacts",
    Column("location_id", Uuid, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "location_id", "contact_id"),
    reference("location_id", "locations", ondelete="CASCADE"),
    reference("contact_id", "contacts"),
    Index(None, "tenant_id", "contact_id"),
    versioned=False,
)


class AddressInput(Input):
    """Where a place is, as one writes it on a letter."""

    street: Annotated[Line | None, Field(description="Street and number.")] = None
    postal_code: Label | None = None
    city: Line | None = None
    region: Line | None = None
    country: Country | None = None


class Address(TypedDict):
    """Where a place is, as one writes it on a letter."""

    street: str | None
    postal_code: str | None
    city: str | None
    region: str | None
    country: str | None


class CoordinatesInput(Input):
    """Where a place is on the map (WGS 84)."""

    latitude: Annotated[float, Strict(), Field(ge=-90, le=90)]
    longitude: Annotated[float, Strict(), Field(ge=-180, le=180)]


class Coordinates(TypedDict):
    """Where a place is on the map (WGS 84)."""

    latitude: float
    longitude: float


class LocationCreate(Input):
    """A new location."""

    company_id: Annotated[UUID, Field(description="Whose place it is.")]
    name: Line
    kind: Annotated[Label | None, Field(description="What sort of place, by a name of your own.")] = None
    address: AddressInput | None = None
    coordinates: CoordinatesInput | None = None
    geofence_radius_meters: Annotated[
        int | None,
        Strict(),
        Field(ge=1, le=100_000, description="How near to the coordinates somebody is there; needs them."),
    ] = None
    time_zone: Annotated[TimeZone | None, Field(description="IANA name; null: that of the calendar.")] = None
    calendar_id: Annotated[UUID | None, Field(description="When the place is open.")] = None
    responsible_team_id: Annotated[
        UUID | None, Field(description="Its new tickets are given to this team rather than to that of the company.")
    ] = None
    contact_ids: Annotated[
        list[UUID],
        Field(max_length=50, description="Whom to ask for there, in order; each works for the company."),
        each_once,
    ] = Field(default=[])
    notes: Annotated[Prose | None, Field(description="For staff only.")] = None
    is_active: Annotated[Flag, Field(description="Inactive locations get no new tickets.")] = True
    custom_fields: CustomFieldsInput = Field(default={})


LocationUpdate = patch_model(LocationCreate)


class Location(Entity):
    """A place of a client."""

    company_id: UUID
    name: str
    kind: str | None
    address: Address | None
    coordinates: Coordinates | None
    geofence_radius_meters: int | None
    time_zone: str | None
    calendar_id: UUID | None
    responsible_team_id: Annotated[UUID | None, FieldGroup(CLIENT_INTERNAL)]
    contact_ids: list[UUID]
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    is_active: bool
    custom_fields: CustomFieldsShown


LOCATIONS = Resource(
    name="location",
    plural="locations",
    table=locations,
    read=Location,
    example={
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "name": "Dock 3, Mantua",
        "kind": "warehouse",
        "address": {
            "street": "Via del Porto 3",
            "postal_code": "46100",
            "city": "Mantua",
            "region": "MN",
            "country": "IT",
        },
        "coordinates": {"latitude": 45.1564, "longitude": 10.7914},
        "geofence_radius_meters": 150,
        "time_zone": "Europe/Rome",
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
        "responsible_team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "contact_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11"],
        "notes": "Ring at the gate.",
        "is_active": True,
        "custom_fields": {"gate_code": "4711"},
    },
    filters=(
        Filter("company_id", locations.c.company_id, UUID, is_lookup=True),
        Filter("name", locations.c.name, str, is_lookup=True),
        Filter("kind", locations.c.kind, str),
        Filter("calendar_id", locations.c.calendar_id, UUID),
        Filter("responsible_team_id", locations.c.responsible_team_id, UUID),
        Filter("contact_id", locations.c.contact_ids, UUID, "contains"),
        Filter("is_active", locations.c.is_active, bool),
    ),
    sorts=(Sort("name", locations.c.name, "text"),),
    includes=(
        Include("company", "company_id", COMPANIES),
        Include("responsible_team", "responsible_team_id", TEAMS),
        TICKETS_IN_NUMBERS,
    ),
    reference_lists=(ReferenceList("contact_ids", CONTACTS, location_contacts, "location_id", "contact_id"),),
    rows=rows_of(company=locations.c.company_id),
    guards_lists=True,
    query_base=CustomFieldQuery,
    refine=refine,
    watch=watch_reading,
    successor=successor_of("location"),
)


class GeofenceWithoutCentreError(InvalidError):
    """How near somebody is can only be told where the place is on the map."""

    code = "geofence_without_centre"
    title = "The geofence has no centre"


class LocationNotOfCompanyError(InvalidError):
    """The location is one of another company than the one that is meant."""

    code = "location_not_of_company"
    title = "The location is not one of this company"


async def location_of(ctx: Ctx, location_id: UUID, company_id: UUID | None) -> Location:
    """Give a location of a company, which may still be open.

    Raises UnknownReferenceError and LocationNotOfCompanyError.
    """
    place = (await crud.fetch_many(ctx, LOCATIONS, [location_id])).get(location_id)
    if place is None:
        message = f"There is no location {location_id}."
        raise UnknownReferenceError(message, pointer="/location_id")
    if company_id is not None and place.company_id != company_id:
        message = f"The location {location_id} is not one of the company {company_id}."
        raise LocationNotOfCompanyError(message, pointer="/location_id")
    return place


def own_company(place: Location, given: Collection[str]) -> UUID:
    """Give the company of what gets a place and has none; refuses to take it from what has a place."""
    if "location_id" not in given:
        message = f"The location {place.id} is one of the company {place.company_id}, which cannot be taken away alone."
        raise LocationNotOfCompanyError(message, pointer="/location_id")
    return place.company_id


async def check_location(ctx: Ctx, given: dict[str, Any], before: Location | None) -> dict[str, Any]:
    """Check that a geofence has a centre, who is asked for at a place of which company, and the custom fields."""
    whole = (vars(before) if before is not None else {}) | given
    if whole["geofence_radius_meters"] is not None and whole["coordinates"] is None:
        message = "A geofence needs the coordinates of the place."
        raise GeofenceWithoutCentreError(message, pointer="/geofence_radius_meters")
    if "contact_ids" in given or "company_id" in given:
        people = await crud.fetch_many(ctx, CONTACTS, whole["contact_ids"])
        for index, contact_id in enumerate(whole["contact_ids"]):
            if contact_id in people:
                check_works_for(people[contact_id], whole["company_id"], pointer=f"/contact_ids/{index}")
    return await with_custom_fields(ctx, LOCATIONS, given, before)


router = ResourceRouter(LOCATIONS)
add_reading(router, LOCATIONS)
add_create(router, LOCATIONS, LocationCreate, check=check_location)
add_update(router, LOCATIONS, LocationUpdate, check=guarded(LOCATIONS, check_location), follow=noted(LOCATIONS))
add_delete(router, LOCATIONS)
