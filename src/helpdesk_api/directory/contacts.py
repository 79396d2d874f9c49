"""Contacts: the people who ask for help, with several addresses and phones each, and what they may do in a portal.

A contact has one main company, which decides what is seen of it in a portal, and may work for others too. Which tickets
may be for whom is decided in `tickets.parties`.
"""

from typing import Annotated, Any
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import CheckConstraint, Column, Index, Text, UniqueConstraint, Uuid, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.directory.card_fields import (
    MESSENGERS_OF_CONTACT,
    Consent,
    Consents,
    Language,
    Membership,
    Memberships,
    Messenger,
    Messengers,
    PreferredChannel,
)
from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.directory.card_redirects import successor_of
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.crm.ownership import guarded, noted
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput, CustomFieldsShown
from helpdesk_api.directory.custom_fields.models import custom_fields_column, custom_fields_index
from helpdesk_api.directory.custom_fields.narrowing import CustomFieldQuery, refine
from helpdesk_api.directory.custom_fields.values import with_custom_fields
from helpdesk_api.directory.ticket_summaries import TICKETS_IN_NUMBERS
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.masks import EMAILS_OF_CONTACT, PHONES_OF_CONTACT
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.roles import ROLES, check_role
from helpdesk_api.identity.visibility import COMPANIES as OF_COMPANIES
from helpdesk_api.identity.visibility import TERRITORY, rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, ReferenceList, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import EmailAddress, Entity, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.visibility import FieldGroup, RowRules

contacts = tenant_table(
    "contacts",
    Column("name", Text, nullable=False),
    Column("company_id", Uuid),
    Column("emails", ARRAY(Text), nullable=False),
    Column("phones", ARRAY(Text), nullable=False),
    Column("notes", Text),
    Column("portal_role_id", Uuid),
    Column("messengers", JSONB, nullable=False, server_default="[]"),
    Column("preferred_channel", Text),
    Column("language", Text),
    Column("memberships", JSONB, nullable=False, server_default="[]"),
    Column("consents", JSONB, nullable=False, server_default="[]"),
    custom_fields_column(),
    custom_fields_index(),
    CheckConstraint("preferred_channel IN ('email', 'phone', 'messenger', 'portal')", name="preferred_channel"),
    reference("company_id", "companies"),
    reference("portal_role_id", "roles"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "portal_role_id"),
    Index(None, "emails", postgresql_using="gin"),
    Index(None, "phones", postgresql_using="gin"),
    Index(None, "messengers", postgresql_using="gin", postgresql_ops={"messengers": "jsonb_path_ops"}),
    Index(None, "memberships", postgresql_using="gin", postgresql_ops={"memberships": "jsonb_path_ops"}),
)

# Holds the memberships of a contact to companies that are there.
company_members = tenant_table(
    "company_members",
    Column("contact_id", Uuid, nullable=False),
    Column("company_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "contact_id", "company_id"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "company_id"),
    versioned=False,
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
    messengers: Messengers = Field(default=[])
    preferred_channel: Annotated[PreferredChannel | None, Field(description="How the person likes to be reached.")] = (
        None
    )
    language: Annotated[Language | None, Field(description="What the person likes to be written in.")] = None
    memberships: Memberships = Field(default=[])
    consents: Consents = Field(default=[])
    custom_fields: CustomFieldsInput = Field(default={})


ContactUpdate = patch_model(ContactCreate)


class Contact(Entity):
    """A person at a client company."""

    name: str
    company_id: UUID | None
    emails: Annotated[list[str], EMAILS_OF_CONTACT]
    phones: Annotated[list[str], PHONES_OF_CONTACT]
    notes: Annotated[str | None, FieldGroup(CLIENT_INTERNAL)]
    portal_role_id: UUID | None
    messengers: Annotated[list[Messenger], MESSENGERS_OF_CONTACT]
    preferred_channel: Annotated[str | None, Field(examples=["email", "phone", "messenger", "portal"])]
    language: str | None
    memberships: Annotated[list[Membership], FieldGroup(CLIENT_INTERNAL)]
    consents: Annotated[list[Consent], FieldGroup(CLIENT_INTERNAL)]
    custom_fields: CustomFieldsShown


def _rows() -> RowRules:
    """Give who sees which contacts: whoever sees a company on the staff sees all who work for it."""
    rules = dict(rows_of(company=contacts.c.company_id, contact=contacts.c.id))
    members = rows_of(company=company_members.c.company_id)
    for kind in (OF_COMPANIES, TERRITORY):
        also = select(company_members.c.contact_id).where(
            company_members.c.tenant_id == contacts.c.tenant_id, members[kind]
        )
        rules[kind] = or_(rules[kind], contacts.c.id.in_(also))
    return rules


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
        "messengers": [{"service": "telegram", "address": "@luca_ferri"}],
        "preferred_channel": "phone",
        "language": "it",
        "memberships": [{"company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10", "role": "Plant manager"}],
        "consents": [
            {
                "purpose": "newsletter",
                "is_granted": False,
                "decided_at": "2026-11-02T10:15:00Z",
                "source": "Order form 17",
            }
        ],
        "custom_fields": {"shift": "night"},
    },
    filters=(
        Filter("company_id", contacts.c.company_id, UUID, is_lookup=True),
        Filter("email", contacts.c.emails, str, "contains", is_lookup=True),
        Filter("phone", contacts.c.phones, str, "contains", is_lookup=True),
        Filter("messenger", contacts.c.messengers, str, "contains", member="address", is_lookup=True),
        Filter("member_of_company_id", contacts.c.memberships, UUID, "contains", member="company_id"),
        Filter("language", contacts.c.language, str),
    ),
    sorts=(Sort("name", contacts.c.name, "text"),),
    includes=(
        Include("company", "company_id", COMPANIES),
        Include("portal_role", "portal_role_id", ROLES),
        TICKETS_IN_NUMBERS,
    ),
    reference_lists=(
        ReferenceList("memberships", COMPANIES, company_members, "contact_id", "company_id", member="company_id"),
    ),
    rows=_rows(),
    guards_lists=True,
    query_base=CustomFieldQuery,
    refine=refine,
    watch=watch_reading,
    successor=successor_of("contact"),
)


class ContactNotOfCompanyError(InvalidError):
    """The contact works for another company than the one that is meant."""

    code = "contact_not_of_company"
    title = "The contact does not work for this company"


def check_works_for(contact: Contact, company_id: UUID, *, pointer: str) -> None:
    """Raise ContactNotOfCompanyError for somebody who works for others only; who works for nobody may be anybody's."""
    if contact.company_id in {None, company_id}:
        return
    if not any(each["company_id"] == str(company_id) for each in contact.memberships):
        message = f"The contact {contact.id} does not work for the company {company_id}."
        raise ContactNotOfCompanyError(message, pointer=pointer)


async def check_contact(ctx: Ctx, given: dict[str, Any], before: Contact | None) -> dict[str, Any]:
    """Check the portal role that is given, for whom somebody at a client adds colleagues, and the custom fields."""
    if "portal_role_id" in given:
        current = before.portal_role_id if before else None
        await check_role(ctx, given, field="portal_role_id", audience="contact", current=current)
    if ctx.principal.type == "contact":
        # Somebody at a client adds colleagues, and nobody else.
        ours = ctx.principal.reach.values["seen_companies"]
        if given["company_id"] is None:
            given = given | {"company_id": ours[0] if ours else None}
    return await with_custom_fields(ctx, CONTACTS, given, before)


router = ResourceRouter(CONTACTS)
add_reading(router, CONTACTS)
add_create(router, CONTACTS, ContactCreate, verb="create", check=check_contact)
add_update(router, CONTACTS, ContactUpdate, check=guarded(CONTACTS, check_contact), follow=noted(CONTACTS))
add_delete(router, CONTACTS)
