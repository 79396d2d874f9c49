"""Valid bodies for price lists, their items, and lines of tickets."""

from tests.contract.bodies import JSON, create, role, unique, user
from tests.contract.contract_bodies import contract, service
from tests.stage import Client, Stage


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


def ticket_line(api: Client) -> JSON:
    """Give a line with a price and discounts of its own, of an item on a list for everybody."""
    listed = create(api, "price-lists", name=unique("Prices"), currency="EUR")["id"]
    item = {"kind": "part", "unit": "piece", "price": "12.50", "vat_rate": "22", "name": unique("Part")}
    return {
        "ticket_id": create(api, "tickets", subject=unique("Ticket"))["id"],
        "code": create(api, "price-items", price_list_id=listed, code=unique("P"), **item)["code"],
        "quantity": "2",
        "minutes": None,
        "worked_at": "2026-05-01T00:00:00Z",
        "performer_id": create(api, "users", **user(api))["id"],
        "billing": "billable",
        "price": "11.00",
        "discount_percent": "10",
        "discount_amount": "1.50",
        "note": "Replaced both.",
    }


def a_ticket_to_add_up(stage: Stage, api: Client) -> dict[str, str]:
    """Make a ticket with a line; gives its id."""
    del stage
    return {"id": create(api, "ticket-lines", **ticket_line(api))["ticket_id"]}


def act(api: Client) -> JSON:
    """Ask for an act of a ticket with a line."""
    return {
        "ticket_id": create(api, "ticket-lines", **ticket_line(api))["ticket_id"],
        "contract_id": None,
        "starts_on": None,
        "ends_on": None,
        "currency": "EUR",
    }


def act_of_contract(api: Client) -> JSON:
    """Ask for an act of a contract under which a line was noted."""
    client = create(api, "companies", name=unique("Client"))["id"]
    made = create(api, "contracts", **contract(api))["id"]
    terms = {"starts_at": "2026-01-01T00:00:00Z", "company_ids": [client]}
    answer = api.post(f"/v1/contracts/{made}/amend", json={"terms": terms})
    assert answer.is_success, answer.text
    ticket = create(api, "tickets", subject=unique("Ticket"), company_id=client)["id"]
    create(api, "ticket-lines", **ticket_line(api) | {"ticket_id": ticket})
    return {
        "ticket_id": None,
        "contract_id": made,
        "starts_on": "2026-05-01",
        "ends_on": "2026-05-31",
        "currency": "EUR",
    }
