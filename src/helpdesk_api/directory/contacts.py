"""Contacts: the people who ask for help, with several addresses and phones each, and what they may do in a portal."""

from typing import Annotated, Any
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.identity.masks import EMAILS_OF_CONTACT, PHONES_OF_CONTACT
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.roles import ROLES, check_role
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import EmailAddress, Entity, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.visibility import FieldGroup

contacts = tenant_table(
    "contacts",
    Column("name", Text, nullable=False),
    Column("company_id", Uuid),
    Column("emails", ARRAY(Text), nullable=False),
    Column("phones", ARRAY(Text), nullable=False),
    Column("notes", Text),
    Column("portal_role_id", Uuid),
    reference("company_id", "companies"),
    reference("portal_role_id", "roles"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "portal_role_id"),
    Index(None, "emails", postgresql_using="gin"),
    Index(None, "phones", postgresql_using="gin"),
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


def _lower_unique(values: list[str]) -> list[str]:
    return _unique([value.lower() for value in values])


Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_e164)]


class ContactCreate(Input):
    """A new contact."""

    name: Line
    company_id: Annotated[UUID | None, Field(description="The company the person works for.")] = None
    emails: Annotated[
        list[EmailAddress],
        Field(max_length=20, description="In order of preference; kept in lower case."),
        AfterValidator(_lower_unique),
    ] = Field(default=[])
    phones: Annotated[
        list[Phone],
        Field(max_length=20, description="In order of preference; kept in E.164 form."),
        AfterValidator(_unique),
    ] = Field(default=[])
    notes: Annotated[Prose | None, Field(description="For staff only.")] = None
    portal_role_id: Annotated[
        UUID | None, Field(description="What the person may do and see in a portal; without a role nothing.")
    ] = None


ContactUpdate = patch_model(ContactCreate)


class Contact(Entity):
    """A person at a client company."""

    name: str
    company_id: UUID | None
    emails: Annotated[list[str], EMAILS_OF_CONTACT]
    phones: Annotated[list[str], PHONES_OF_CONTACT]
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    portal_role_id: UUID | None


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
        "portal_role_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e04",
    },
    filters=(
        Filter("company_id", contacts.c.company_id, UUID, is_lookup=True),
        Filter("email", contacts.c.emails, str, "contains", is_lookup=True),
        Filter("phone", contacts.c.phones, str, "contains", is_lookup=True),
    ),
    sorts=(Sort("name", contacts.c.name, "text"),),
    includes=(Include("company", "company_id", COMPANIES), Include("portal_role", "portal_role_id", ROLES)),
    rows=rows_of(company=contacts.c.company_id, contact=contacts.c.id),
    guards_lists=True,
    watch=watch_reading,
)


async def check_contact(ctx: Ctx, given: dict[str, Any], before: Contact | None) -> dict[str, Any]:
    """Check the portal role that is given, and for whom somebody at a client adds colleagues."""
    if "portal_role_id" in given:
        current = before.portal_role_id if before else None
        await check_role(ctx, given, field="portal_role_id", audience="contact", current=current)
    if ctx.principal.type == "contact":
        # Somebody at a client adds colleagues, and nobody else.
        ours = ctx.principal.reach.values["seen_companies"]
        if given["company_id"] is None:
            return given | {"company_id": ours[0] if ours else None}
    return given


router = ResourceRouter(CONTACTS)
add_reading(router, CONTACTS)
add_create(router, CONTACTS, ContactCreate, verb="create", check=check_contact)
add_update(router, CONTACTS, ContactUpdate, check=check_contact)
add_delete(router, CONTACTS)
