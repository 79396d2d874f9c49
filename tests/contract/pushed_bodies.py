"""Valid bodies for client cards that are written by the ids of another system, and for those ids."""

from collections.abc import Callable
from uuid import uuid4

from tests.contract.bodies import JSON, asset, company, contact, create, location, unique
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
        "assets": ("asset_id", asset),
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


def reference_to_asset(api: Client) -> JSON:
    """Give an id of a new asset in another system."""
    own = {name: value for name, value in external_reference(api).items() if name != "company_id"}
    return own | {"asset_id": create(api, "assets", **asset(api))["id"]}


def asset_of_pushed_cards(api: Client) -> JSON:
    """Give an asset whose company, place and whole are named as another system does."""
    whole = asset(api)
    names = {"company_id": "company", "location_id": "location", "parent_asset_id": "asset"}
    named = {}
    for field, card in names.items():
        about = {"source": "crm", "external_id": f"C-{uuid4()}", f"{card}_id": whole.pop(field)}
        member = f"{field.removesuffix('_id')}_external_id"
        named[member] = create(api, "external-references", **about)["external_id"]
    return whole | named


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
