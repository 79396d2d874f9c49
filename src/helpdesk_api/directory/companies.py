"""Companies: the clients of the service company. A plain resource; the client card grows with its own issue."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Column, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Entity, Input, Label, Line, Prose, patch_model
from helpdesk_api.kit.sql import tenant_table
from helpdesk_api.kit.visibility import FieldGroup

companies = tenant_table(
    "companies",
    Column("name", Text, nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("notes", Text),
    Column("territory", Text),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "territory"),
    Index(None, "domains", postgresql_using="gin"),
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


CompanyUpdate = patch_model(CompanyCreate)


class Company(Entity):
    """A client of the service company."""

    name: str
    domains: list[str]
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    territory: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]


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
    },
    filters=(
        Filter("name", companies.c.name, str, is_lookup=True),
        Filter("domain", companies.c.domains, str, "contains", is_lookup=True),
        Filter("territory", companies.c.territory, str),
    ),
    sorts=(Sort("name", companies.c.name, "text"),),
    rows=rows_of(company=companies.c.id),
    guards_lists=True,
    watch=watch_reading,
)

router = ResourceRouter(COMPANIES)
add_reading(router, COMPANIES)
add_create(router, COMPANIES, CompanyCreate)
add_update(router, COMPANIES, CompanyUpdate)
add_delete(router, COMPANIES)
