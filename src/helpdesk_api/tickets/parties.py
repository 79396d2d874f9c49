"""Who a ticket may be for and who may work on it: its company, contact and assignee have to fit one another."""

from uuid import UUID

from helpdesk_api.directory.companies import COMPANIES, Company
from helpdesk_api.directory.contacts import CONTACTS, Contact
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sqlstate import UnknownReferenceError


class ContactNotOfCompanyError(InvalidError):
    """The contact works for another company than the one the ticket is for."""

    code = "contact_not_of_company"
    title = "The contact does not work for this company"


class InactiveUserError(InvalidError):
    """Inactive users get no tickets."""

    code = "inactive_user"
    title = "The user is not active"


class InactiveCompanyError(InvalidError):
    """Companies that are archived get no tickets."""

    code = "inactive_company"
    title = "The company is not active"


async def company_for(
    ctx: Ctx, company_id: UUID | None, contact_id: UUID | None, *, field: str = "contact_id"
) -> UUID | None:
    """Give the company of a ticket: the one named, else the contact's; refuses a contact who works elsewhere."""
    if contact_id is None:
        return company_id
    contact = (await crud.fetch_many(ctx, CONTACTS, [contact_id])).get(contact_id)
    if contact is None:
        message = f"There is no contact {contact_id}."
        raise UnknownReferenceError(message, pointer=f"/{field}")
    if company_id is not None and contact.company_id not in {None, company_id} and not _is_member(contact, company_id):
        message = f"The contact {contact_id} does not work for the company {company_id}."
        raise ContactNotOfCompanyError(message, pointer=f"/{field}")
    return company_id or contact.company_id


async def served_company(ctx: Ctx, company_id: UUID | None) -> Company | None:
    """Give the company that a ticket is to be for; refuses one that is archived.

    One that is not there, or not to be seen, is refused where the ticket is stored.
    """
    if company_id is None:
        return None
    company = (await crud.fetch_many(ctx, COMPANIES, [company_id])).get(company_id)
    if company is not None and not company.is_active:
        message = f"The company {company_id} is not active and gets no tickets."
        raise InactiveCompanyError(message, pointer="/company_id")
    return company


def _is_member(contact: Contact, company_id: UUID) -> bool:
    return any(each["company_id"] == str(company_id) for each in contact.memberships)


async def check_assignee(ctx: Ctx, user_id: UUID | None) -> None:
    """Refuse somebody who is not there, or gets no tickets."""
    if user_id is None:
        return
    user = (await crud.fetch_many(ctx, USERS, [user_id])).get(user_id)
    if user is None:
        message = f"There is no user {user_id}."
        raise UnknownReferenceError(message, pointer="/assignee_id")
    if not user.is_active:
        message = f"The user {user_id} is not active and gets no tickets."
        raise InactiveUserError(message, pointer="/assignee_id")
