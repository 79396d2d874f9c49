"""Contacts: the people who ask for help, with several addresses and phones each. A plain resource."""

from typing import Annotated
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.kit.crud import Include, Resource
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import routes
from helpdesk_api.kit.schema import EmailAddress, Entity, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table

contacts = tenant_table(
    "contacts",
    Column("name", Text, nullable=False),
    Column("company_id", Uuid),
    Column("emails", ARRAY(Text), nullable=False),
    Column("phones", ARRAY(Text), nullable=False),
    Column("notes", Text),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "company_id"),
)


def _e164(value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        message = "must be a phone number in international form, such as +39 06 6982"
        raise ValueError(message) from None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_e164)]


class ContactCreate(Input):
    """A new contact."""

    name: Line
    company_id: Annotated[UUID | None, Field(description="The company the person works for.")] = None
    emails: Annotated[
        list[EmailAddress], Field(max_length=20, description="In order of preference."), AfterValidator(_unique)
    ] = Field(default=[])
    phones: Annotated[
        list[Phone],
        Field(max_length=20, description="In order of preference; kept in E.164 form."),
        AfterValidator(_unique),
    ] = Field(default=[])
    notes: Annotated[Prose | None, Field(description="For staff only.")] = None


class Contact(Entity):
    """A person at a client company."""

    name: str
    company_id: UUID | None
    emails: list[str]
    phones: list[str]
    notes: str | None


CONTACTS = Resource(
    name="contact",
    plural="contacts",
    table=contacts,
    read=Contact,
    example={
        "name": "Luca Ferri",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "emails": ["luca.ferri@alpine-dairy.example"],
        "phones": ["+390669821234"],
        "notes": None,
    },
    filters=(
        Filter("company_id", contacts.c.company_id, UUID),
        Filter("email", contacts.c.emails, str, "contains"),
        Filter("phone", contacts.c.phones, str, "contains"),
    ),
    sorts=(Sort("name", contacts.c.name, "text"),),
    includes=(Include("company", "company_id", COMPANIES),),
)

router = routes(CONTACTS, create=ContactCreate, update=patch_model(ContactCreate))
