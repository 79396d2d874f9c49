"""The service catalogue: what is offered, by whom it is done, and who may ask for it.

A service may be open to all clients, to those of some categories and territories, or only to those with a contract that
offers it; on which terms is said by the contract (`agreements.contracts`), and without one by the service itself.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    any_,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.contract_tables import contract_companies, contract_versions
from helpdesk_api.agreements.price_lists import PRICE_LISTS
from helpdesk_api.agreements.sla_policies import SLA_POLICIES
from helpdesk_api.directory.companies import COMPANIES, Company
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Listing, PageQuery, Sort
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Flag, Input, Label, Line, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError

services = tenant_table(
    "services",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("is_active", Boolean, nullable=False),
    Column("needs_contract", Boolean, nullable=False),
    Column("categories", ARRAY(Text), nullable=False),
    Column("territories", ARRAY(Text), nullable=False),
    Column("team_id", Uuid),
    Column("sla_policy_id", Uuid),
    Column("calendar_id", Uuid),
    Column("price_list_id", Uuid),
    UniqueConstraint("tenant_id", "name"),
    reference("team_id", "teams"),
    reference("sla_policy_id", "sla_policies"),
    reference("calendar_id", "calendars"),
    reference("price_list_id", "price_lists"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "team_id"),
    Index(None, "tenant_id", "sla_policy_id"),
    Index(None, "tenant_id", "calendar_id"),
    Index(None, "tenant_id", "price_list_id"),
)

Labels = Annotated[list[Label], Field(max_length=100)]


class ServiceCreate(Input):
    """A new service."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    is_active: Annotated[Flag, Field(description="Whether it may be asked for.")] = True
    needs_contract: Annotated[
        Flag, Field(description="Only for clients with a contract in force that offers it, or that offers all.")
    ] = False
    categories: Annotated[Labels, Field(description="Categories of the clients it is for; empty for all.")] = Field(
        default=[]
    )
    territories: Annotated[Labels, Field(description="Territories it is offered in; empty for all.")] = Field(
        default=[]
    )
    team_id: Annotated[UUID | None, Field(description="Who does it.")] = None
    sla_policy_id: Annotated[UUID | None, Field(description="What is promised, unless a contract says so.")] = None
    calendar_id: Annotated[UUID | None, Field(description="When it is done, unless a contract says so.")] = None
    price_list_id: Annotated[
        UUID | None, Field(description="What it costs, unless a contract says so, or a list for the client.")
    ] = None


class Service(Entity):
    """Something that is offered to clients."""

    name: str
    description: str | None
    is_active: bool
    needs_contract: bool
    categories: list[str]
    territories: list[str]
    team_id: UUID | None
    sla_policy_id: UUID | None
    calendar_id: UUID | None
    price_list_id: UUID | None


class ServiceQuery(PageQuery):
    """The query parameters of the list of services, beside its filters."""

    for_contact: Annotated[
        UUID | None,
        Field(description="What this contact may ask for now, for any of the companies that he or she works for."),
    ] = None


async def refine(
    ctx: Ctx, listing: Listing, query: PageQuery, narrowing: Narrowing | None
) -> tuple[Listing, Narrowing | None]:
    """Narrow a list to what a contact may ask for; raises UnknownReferenceError."""
    contact_id: UUID | None = getattr(query, "for_contact", None)
    if contact_id is None:
        return listing, narrowing
    contact = (await crud.fetch_many(ctx, CONTACTS, [contact_id])).get(contact_id)
    if contact is None:
        message = f"There is no contact {contact_id}."
        raise UnknownReferenceError(message, pointer="/for_contact", location="query")
    worked_for = {UUID(str(each["company_id"])) for each in contact.memberships}
    if contact.company_id is not None:
        worked_for.add(contact.company_id)
    clients = await crud.fetch_many(ctx, COMPANIES, sorted(worked_for))
    return listing, Narrowing(_may_be_asked(ctx, list(clients.values())), said=["for_contact", str(contact_id)])


def _may_be_asked(ctx: Ctx, clients: Sequence[Company]) -> ColumnElement[bool]:
    of_clients = [
        and_(
            _is_for(services.c.categories, client.category),
            _is_for(services.c.territories, client.territory),
            or_(~services.c.needs_contract, _is_offered(ctx, client)),
        )
        for client in clients
        if client.is_active
    ]
    of_anybody = and_(
        _is_for(services.c.categories, None), _is_for(services.c.territories, None), ~services.c.needs_contract
    )
    return and_(services.c.is_active, or_(of_anybody, *of_clients))


def _is_for(column: Column[Any], value: str | None) -> ColumnElement[bool]:
    open_to_all = func.cardinality(column) == 0
    return open_to_all if value is None else or_(open_to_all, any_(column) == value)


def _is_offered(ctx: Ctx, client: Company) -> ColumnElement[bool]:
    version = contract_versions.c
    in_force = (
        version.tenant_id == services.c.tenant_id,
        version.superseded_at.is_(None),
        or_(version.effective_from.is_(None), version.effective_from <= ctx.now),
        or_(version.effective_until.is_(None), version.effective_until > ctx.now),
        version.starts_at <= ctx.now,
        or_(version.renewal == "tacit", version.ends_at.is_(None), version.ends_at > ctx.now),
        ~version.is_suspended,
        or_(
            version.services == text("'[]'::jsonb"),
            version.services.contains(
                func.jsonb_build_array(func.jsonb_build_object(literal_column("'service_id'"), services.c.id))
            ),
        ),
    )
    named = select(contract_companies.c.contract_id).where(
        contract_companies.c.tenant_id == services.c.tenant_id, contract_companies.c.company_id == client.id
    )
    of_client = and_(version.contract_id.in_(named), any_(version.company_ids) == client.id)
    return or_(
        exists().where(*in_force, of_client),
        exists().where(*in_force, version.company_ids == text("'{}'")),
    )


SERVICES = Resource(
    name="service",
    plural="services",
    table=services,
    read=Service,
    example={
        "name": "Printer repair on site",
        "description": "A technician comes with parts.",
        "is_active": True,
        "needs_contract": True,
        "categories": ["VIP"],
        "territories": [],
        "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "sla_policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30",
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
        "price_list_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e90",
    },
    filters=(
        Filter("name", services.c.name, str),
        Filter("is_active", services.c.is_active, bool),
        Filter("needs_contract", services.c.needs_contract, bool),
        Filter("team_id", services.c.team_id, UUID),
    ),
    sorts=(Sort("name", services.c.name, "text"),),
    includes=(
        Include("team", "team_id", TEAMS),
        Include("sla_policy", "sla_policy_id", SLA_POLICIES),
        Include("calendar", "calendar_id", CALENDARS),
        Include("price_list", "price_list_id", PRICE_LISTS),
    ),
    rows=SHARED,
    query_base=ServiceQuery,
    refine=refine,
)

router = routes(SERVICES, create=ServiceCreate, update=patch_model(ServiceCreate))
