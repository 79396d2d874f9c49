"""Who and what a ticket may be for and who may work on it: company, contact, place, asset and assignee have to fit."""

from collections.abc import Collection
from uuid import UUID

from helpdesk_api.agreements.services import Service
from helpdesk_api.assets.assets import ASSETS, Asset
from helpdesk_api.assets.placements import AssetNotOfCompanyError
from helpdesk_api.directory.companies import COMPANIES, Company
from helpdesk_api.directory.contacts import CONTACTS, check_works_for
from helpdesk_api.directory.locations import LOCATIONS, Location, location_of, own_company
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sqlstate import UnknownReferenceError


class InactiveUserError(InvalidError):
    """Inactive users get no tickets."""

    code = "inactive_user"
    title = "The user is not active"


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
    place = await location_of(ctx, location_id, company_id)
    if not place.is_active:
        message = f"The location {location_id} is not active and gets no tickets."
        raise InactiveLocationError(message, pointer="/location_id")
    return place


async def asset_for(ctx: Ctx, asset_id: UUID | None, company_id: UUID | None) -> Asset | None:
    """Give the asset of a ticket for a company, which may still be open; raises AssetNotOfCompanyError."""
    if asset_id is None:
        return None
    asset = (await crud.fetch_many(ctx, ASSETS, [asset_id])).get(asset_id)
    if asset is None:
        message = f"There is no asset {asset_id}."
        raise UnknownReferenceError(message, pointer="/asset_id")
    if asset.company_id is None or company_id not in {None, asset.company_id}:
        message = f"The asset {asset_id} is not one of the company {company_id}."
        raise AssetNotOfCompanyError(message, pointer="/asset_id")
    return asset


async def company_of_subject(
    ctx: Ctx, *, company_id: UUID | None, location_id: UUID | None, asset_id: UUID | None, given: Collection[str]
) -> UUID | None:
    """Give the company of a ticket that is changed: the one it has, else that of the place or asset that it gets.

    Looked at is what is given, beside what the ticket has; raises what `place_for` and `asset_for` raise.
    """
    place = await place_for(ctx, location_id, company_id) if {"company_id", "location_id"} & set(given) else None
    asset = await asset_for(ctx, asset_id, company_id) if {"company_id", "asset_id"} & set(given) else None
    if company_id is not None:
        return company_id
    if place is not None:
        return own_company(place, given)
    if asset is not None and "asset_id" not in given:
        message = f"The ticket is about the asset {asset.id}, which is one of the company {asset.company_id}."
        raise AssetNotOfCompanyError(message, pointer="/asset_id")
    return None if asset is None else asset.company_id


async def where_it_is(ctx: Ctx, asset: Asset | None) -> Location | None:
    """Give the place of an asset, where tickets about it are that name none; a closed one gets no tickets."""
    if asset is None or asset.location_id is None:
        return None
    place = (await crud.fetch_many(ctx, LOCATIONS, [asset.location_id])).get(asset.location_id)
    return place if place is not None and place.is_active else None


def default_team(service: Service | None, place: Location | None, company: Company | None) -> UUID | None:
    """Give the team of a new ticket that names nobody: of the service, else of the place, else of the company."""
    if service is not None and service.team_id is not None:
        return service.team_id
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
