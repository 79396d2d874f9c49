"""Who a ticket may be for and who may work on it: its company, contact and assignee have to fit one another."""

from collections.abc import Mapping
from uuid import UUID

from helpdesk_api.directory.companies import COMPANIES, Company
from helpdesk_api.directory.contacts import CONTACTS, check_works_for
from helpdesk_api.directory.locations import LOCATIONS, Location
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sqlstate import UnknownReferenceError


class InactiveUserError(InvalidError):
    """Inactive users get no tickets."""

    code = "inactive_user"
    title = "The user is not active"


class LocationNotOfCompanyError(InvalidError):
    """The location is one of another company than the one the ticket is for."""

    code = "location_not_of_company"
    title = "The location is not one of this company"


class InactiveLocationError(InvalidError):
    """Locations that are not served any more get no tickets."""

    code = "inactive_location"
    title = "The location is not active"


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
    if company_id is not None:
        check_works_for(contact, company_id, pointer=f"/{field}")
    return company_id or contact.company_id


async def served_company(ctx: Ctx, company_id: UUID | None) -> Company | None:
    """Give the company that a ticket is to be for; refuses one that is archived, not there, or not to be seen."""
    if company_id is None:
        return None
    company = (await crud.fetch_many(ctx, COMPANIES, [company_id])).get(company_id)
    if company is None:
        message = f"There is no company {company_id}."
        raise UnknownReferenceError(message, pointer="/company_id")
    if not company.is_active:
        message = f"The company {company_id} is not active and gets no tickets."
        raise InactiveCompanyError(message, pointer="/company_id")
    return company


async def place_for(ctx: Ctx, location_id: UUID | None, company_id: UUID | None) -> Location | None:
    """Give the location of a ticket for a company, which may still be open; refuses a place of others or a closed one.

    Raises UnknownReferenceError, LocationNotOfCompanyError, and InactiveLocationError.
    """
    if location_id is None:
        return None
    place = (await crud.fetch_many(ctx, LOCATIONS, [location_id])).get(location_id)
    if place is None:
        message = f"There is no location {location_id}."
        raise UnknownReferenceError(message, pointer="/location_id")
    if company_id is not None and place.company_id != company_id:
        message = f"The location {location_id} is not one of the company {company_id}."
        raise LocationNotOfCompanyError(message, pointer="/location_id")
    if not place.is_active:
        message = f"The location {location_id} is not active and gets no tickets."
        raise InactiveLocationError(message, pointer="/location_id")
    return place


def own_company(place: Location, wanted: Mapping[str, object]) -> UUID:
    """Give the company of a ticket that gets a place and has none; refuses to take it from one that has a place."""
    if "location_id" not in wanted:
        message = f"The ticket is at the location {place.id}, which is one of the company {place.company_id}."
        raise LocationNotOfCompanyError(message, pointer="/location_id")
    return place.company_id


def default_team(place: Location | None, company: Company | None) -> UUID | None:
    """Give the team that a new ticket is given to which names nobody: that of the place, else of the company."""
    if place is not None and place.responsible_team_id is not None:
        return place.responsible_team_id
    return None if company is None else company.default_team_id


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
