"""Valid bodies for price lists and their items."""

from tests.contract.bodies import JSON, create, role, unique
from tests.contract.contract_bodies import contract, service
from tests.stage import Client


def price_list(api: Client) -> JSON:
    """Give a price list for one client."""
    return {
        "name": unique("Prices"),
        "currency": "EUR",
        "prices_include_vat": True,
        "audience": "company",
        "company_id": create(api, "companies", name=unique("Client"))["id"],
        "categories": [],
        "valid_from": "2026-01-01",
        "valid_until": "2098-12-31",
    }


def price_item(api: Client) -> JSON:
    """Give the price of labour on a list of its own."""
    return {
        "price_list_id": create(api, "price-lists", **price_list(api))["id"],
        "code": unique("LAB"),
        "name": unique("Labour"),
        "kind": "labour",
        "unit": "hour",
        "price": "12.50",
        "vat_rate": "22",
        "role_id": create(api, "roles", **role(api))["id"],
        "time_of_day": "closed",
        "valid_from": "2026-01-01",
        "valid_until": "2098-12-31",
    }


def price_question(api: Client) -> JSON:
    """Ask for a price with everything that may be named."""
    return {
        "code": "LAB-1",
        "company_id": create(api, "companies", name=unique("Client"))["id"],
        "contract_id": create(api, "contracts", **contract(api))["id"],
        "service_id": create(api, "services", **service(api))["id"],
        "on": "2026-05-01",
    }
