"""Valid bodies for client cards that are written by the ids of another system, and for those ids."""

from collections.abc import Callable
from uuid import uuid4

from tests.contract.bodies import JSON, company, contact, create, location, unique
from tests.stage import Client, Stage


def external_reference(api: Client) -> JSON:
    """Give an id of a new company in another system."""
    return {
        "source": "crm",
        "external_id": f"C-{uuid4()}",
        "company_id": create(api, "companies", name=unique("Company"))["id"],
        "source_updated_at": "2026-03-01T08:00:00Z",
    }


def reference_of(plural: str) -> Callable[[Stage, Client], dict[str, str]]:
    """Make what gives a new card an id in another system, for a path."""
    column, body = {
        "companies": ("company_id", company),
        "contacts": ("contact_id", contact),
        "locations": ("location_id", location),
    }[plural]

    def make(_: Stage, api: Client) -> dict[str, str]:
        name = {"source": "crm", "external_id": str(uuid4())}
        create(api, "external-references", **name, **{column: create(api, plural, **body(api))["id"]})
        return name

    return make


def reference_to_contact(api: Client) -> JSON:
    """Give an id of a new contact in another system."""
    own = {name: value for name, value in external_reference(api).items() if name != "company_id"}
    return own | {"contact_id": create(api, "contacts", **contact(api))["id"]}


def reference_to_location(api: Client) -> JSON:
    """Give an id of a new location in another system."""
    own = {name: value for name, value in external_reference(api).items() if name != "company_id"}
    return own | {"location_id": create(api, "locations", **location(api))["id"]}


def location_of_pushed_company(api: Client) -> JSON:
    """Give a location of a company that is named as another system does."""
    reference = create(api, "external-references", **external_reference(api))
    own = {name: value for name, value in location(api).items() if name != "company_id"}
    return own | {"company_external_id": reference["external_id"]}


def contact_of_pushed_company(api: Client) -> JSON:
    """Give a contact of a company that is named as another system does."""
    reference = create(api, "external-references", **external_reference(api))
    own = {name: value for name, value in contact(api).items() if name != "company_id"}
    return own | {"company_external_id": reference["external_id"]}


def company_of_pushed_company(api: Client) -> JSON:
    """Give a company that belongs to one which is named as another system does."""
    reference = create(api, "external-references", **external_reference(api))
    own = {name: value for name, value in company(api).items() if name != "parent_company_id"}
    return own | {"parent_company_external_id": reference["external_id"]}


def batch_of(card: Callable[[Client], JSON], *, match_on: str | None = None) -> Callable[[Client], JSON]:
    """Give a batch of one card; all or nothing, so that what is wrong in the card is wrong in the request."""

    def make(api: Client) -> JSON:
        about = {
            "external_id": f"C-{uuid4()}",
            "base_version": None,
            "source_updated_at": "2026-03-01T08:00:00Z",
        }
        items = [{**about, "card": card(api)}]
        way = {} if match_on is None else {"match_on": match_on}
        return {"source": "crm", **way, "atomic": True, "dry_run": False, "items": items}

    return make
