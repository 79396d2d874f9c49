"""Companies: the clients of the service company, with who looks after each and how it is known elsewhere.

A company may belong to another one, but never to itself, however long the way is. What its fields hold is described in
`directory.card_fields`; the people who work for it are `directory.contacts`.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Boolean, Column, Index, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.directory.card_fields import TAX_IDS_OF_COMPANY, ObserverIds, TaxId, TaxIds, TaxNumber
from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.directory.card_redirects import successor_of
from helpdesk_api.directory.crm.ownership import guarded, noted
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput, CustomFieldsShown
from helpdesk_api.directory.custom_fields.models import custom_fields_column, custom_fields_index
from helpdesk_api.directory.custom_fields.narrowing import CustomFieldQuery, refine
from helpdesk_api.directory.custom_fields.values import with_custom_fields
from helpdesk_api.directory.ticket_summaries import TICKETS_IN_NUMBERS
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.hierarchy import check_parent
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, ReferenceList, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Entity, Flag, Input, Label, Line, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.visibility import FieldGroup

companies = tenant_table(
    "companies",
    Column("name", Text, nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("notes", Text),
    Column("territory", Text),
    Column("tax_ids", JSONB, nullable=False, server_default="[]"),
    Column("category", Text),
    Column("parent_company_id", Uuid),
    Column("default_team_id", Uuid),
    Column("responsible_user_id", Uuid),
    Column("observer_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    custom_fields_column(),
    custom_fields_index(),
    reference("parent_company_id", "companies"),
    reference("default_team_id", "teams"),
    reference("responsible_user_id", "users"),
    Index(None, "tenant_id", "parent_company_id"),
    Index(None, "tenant_id", "default_team_id"),
    Index(None, "tenant_id", "responsible_user_id"),
    Index(None, "tax_ids", postgresql_using="gin", postgresql_ops={"tax_ids": "jsonb_path_ops"}),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "territory"),
    Index(None, "domains", postgresql_using="gin"),
)

# Holds the observers of a company to users who are there.
company_observers = tenant_table(
    "company_observers",
    Column("company_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "company_id", "user_id"),
    reference("company_id", "companies", ondelete="CASCADE"),
    reference("user_id", "users"),
    Index(None, "tenant_id", "user_id"),
    versioned=False,
)


def _lower_unique(domains: list[str]) -> list[str]:
    return sorted({domain.lower() for domain in domains})


Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=253,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    ),
]


class CompanyCreate(Input):
    """A new client company."""

    name: Line
    domains: Annotated[
        list[Domain],
        Field(max_length=50, description="Mail domains of the company; kept in lower case, sorted, each once."),
        AfterValidator(_lower_unique),
    ] = Field(default=[])
    notes: Annotated[Prose | None, Field(description="For staff only.")] = None
    territory: Annotated[
        Label | None, Field(description="The area it is served in; roles can be narrowed to territories.")
    ] = None
    tax_ids: TaxIds = Field(default=[])
    category: Annotated[Label | None, Field(description="How it is served, by a name of your own.")] = None
    parent_company_id: Annotated[
        UUID | None, Field(description="The company it belongs to; no company belongs to itself.")
    ] = None
    default_team_id: Annotated[
        UUID | None, Field(description="Its new tickets are given to this team, unless they name a team or assignee.")
    ] = None
    responsible_user_id: Annotated[UUID | None, Field(description="Who on the staff answers for this client.")] = None
    observer_ids: ObserverIds = Field(default=[])
    is_active: Annotated[Flag, Field(description="Inactive companies are archived: they get no new tickets.")] = True
    custom_fields: CustomFieldsInput = Field(default={})


CompanyUpdate = patch_model(CompanyCreate)


class Company(Entity):
    """A client of the service company."""

    name: str
    domains: list[str]
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    territory: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    tax_ids: Annotated[list[TaxId], TAX_IDS_OF_COMPANY]
    category: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    parent_company_id: Annotated[UUID | None, FieldGroup(CLIENT_INTERNAL)]
    default_team_id: Annotated[UUID | None, FieldGroup(CLIENT_INTERNAL)]
    responsible_user_id: Annotated[UUID | None, FieldGroup(CLIENT_INTERNAL)]
    observer_ids: Annotated[list[UUID], FieldGroup(CLIENT_INTERNAL)]
    is_active: bool
    custom_fields: CustomFieldsShown


COMPANIES = Resource(
    name="company",
    plural="companies",
    table=companies,
    read=Company,
    example={
        "name": "Alpine Dairy",
        "domains": ["alpine-dairy.example"],
        "notes": "Deliveries before 06:00 only.",
        "territory": "north",
        "tax_ids": [{"country": "IT", "kind": "vat", "number": "IT01234567890"}],
        "category": "VIP",
        "parent_company_id": None,
        "default_team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "responsible_user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "observer_ids": [],
        "is_active": True,
        "custom_fields": {"service_tier": "gold"},
    },
    filters=(
        Filter("name", companies.c.name, str, is_lookup=True),
        Filter("domain", companies.c.domains, str, "contains", is_lookup=True),
        Filter("tax_id", companies.c.tax_ids, TaxNumber, "contains", member="number", is_lookup=True),
        Filter("territory", companies.c.territory, str),
        Filter("category", companies.c.category, str),
        Filter("parent_company_id", companies.c.parent_company_id, UUID),
        Filter("default_team_id", companies.c.default_team_id, UUID),
        Filter("responsible_user_id", companies.c.responsible_user_id, UUID),
        Filter("observer_id", companies.c.observer_ids, UUID, "contains"),
        Filter("is_active", companies.c.is_active, bool),
    ),
    sorts=(Sort("name", companies.c.name, "text"),),
    includes=(
        Include("default_team", "default_team_id", TEAMS),
        Include("responsible_user", "responsible_user_id", USERS),
        TICKETS_IN_NUMBERS,
    ),
    reference_lists=(ReferenceList("observer_ids", USERS, company_observers, "company_id", "user_id"),),
    rows=rows_of(company=companies.c.id),
    guards_lists=True,
    query_base=CustomFieldQuery,
    refine=refine,
    watch=watch_reading,
    successor=successor_of("company"),
)


async def check_company(ctx: Ctx, given: dict[str, Any], before: Company | None) -> dict[str, Any]:
    """Check that the company it is to belong to is there and does not belong to it, and the custom fields."""
    await check_parent(ctx, COMPANIES, given, before, "parent_company_id")
    return await with_custom_fields(ctx, COMPANIES, given, before)


router = ResourceRouter(COMPANIES)
add_reading(router, COMPANIES)
add_create(router, COMPANIES, CompanyCreate, check=check_company)
add_update(router, COMPANIES, CompanyUpdate, check=guarded(COMPANIES, check_company), follow=noted(COMPANIES))
add_delete(router, COMPANIES)
