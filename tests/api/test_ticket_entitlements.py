"""Tickets draw incidents from the contract that covers them: reserved, used, put back, and never twice."""

from concurrent.futures import ThreadPoolExecutor

from tests.api.test_contracts import a_contract, amend
from tests.factories import a_company, a_reply, a_ticket, get, patch
from tests.ledgers import JSON, OPEN, an_entitlement, balance, ledger
from tests.stage import Client


def incidents(api: Client, contract: JSON, quantity: int, **values: object) -> JSON:
    """Make an entitlement to incidents."""
    return an_entitlement(api, contract_id=contract["id"], kind="incidents", quantity=quantity, **values)


def test_an_incident_is_reserved_used_and_put_back_as_the_ticket_goes(api: Client) -> None:
    client = a_company(api)["id"]
    contract = a_contract(api, **OPEN, company_ids=[client])
    entitlement = incidents(api, contract, 5)

    ticket = a_ticket(api, company_id=client)
    path = f"tickets/{ticket['id']}"
    assert balance(api, entitlement) == {"granted": 5, "available": 4, "reserved": 1}
    patch(api, path, status="solved")
    patch(api, path, status="closed")
    assert balance(api, entitlement) == {"granted": 5, "available": 4, "used": 1}
    patch(api, path, status="open")
    assert balance(api, entitlement) == {"granted": 5, "available": 4, "reserved": 1}
    patch(api, path, status="closed", priority="urgent")
    assert balance(api, entitlement) == {"granted": 5, "available": 4, "used": 1}

    entries = [each for each in ledger(api, entitlement) if each["source"] == "ticket"]
    assert [(each["kind"], each["ticket_id"]) for each in entries] == [
        (kind, ticket["id"]) for kind in ("reserve", "post", "reverse", "post")
    ]


def test_what_is_drawn_follows_a_ticket_to_another_contract(api: Client) -> None:
    one, other = a_company(api)["id"], a_company(api)["id"]
    contracts = [a_contract(api, **OPEN, company_ids=[client]) for client in (one, other)]
    first, second = (incidents(api, contract, 3) for contract in contracts)
    ticket = a_ticket(api, company_id=one)
    uncovered = a_ticket(api, company_id=a_company(api)["id"])

    patch(api, f"tickets/{ticket['id']}", company_id=other, status="closed")
    assert balance(api, first) == {"granted": 3, "available": 3}
    assert balance(api, second) == {"granted": 3, "available": 2, "used": 1}
    patch(api, f"tickets/{ticket['id']}", company_id=uncovered["company_id"])

    assert balance(api, second) == {"granted": 3, "available": 3}
    assert [each["kind"] for each in ledger(api, second)] == ["grant", "reserve", "post", "reverse", "reverse"]


def test_a_ticket_draws_from_where_there_is_room_and_is_opened_without(api: Client) -> None:
    client = a_company(api)["id"]
    contract = a_contract(api, **OPEN, company_ids=[client])
    lenient = incidents(api, contract, 1, overage="allow")
    strict = incidents(api, contract, 1)
    tickets = [a_ticket(api, company_id=client) for _ in range(3)]
    amend(api, contract, terms={"company_ids": []})
    patch(api, f"entitlements/{lenient['id']}", overage="refuse")

    late = a_ticket(api, company_id=client)
    for ticket in (*tickets, late):
        patch(api, f"tickets/{ticket['id']}", status="closed")

    assert get(api, f"tickets/{late['id']}")["coverage"] == "covered"
    assert balance(api, strict) == {"granted": 1, "used": 1}
    assert balance(api, lenient) == {"granted": 1, "overage": 1, "used": 2}


def test_of_many_who_open_close_and_reopen_each_draws_one(api: Client) -> None:
    client = a_company(api)["id"]
    entitlement = incidents(api, a_contract(api, **OPEN, company_ids=[client]), 100)

    def lead(number: int) -> None:
        ticket = a_ticket(api, company_id=client)
        if number % 3:
            patch(api, f"tickets/{ticket['id']}", status="closed")
        if number % 3 == 2:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda _: patch(api, f"tickets/{ticket['id']}", status="open"), range(2)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lead, range(12)))

    assert balance(api, entitlement) == {"granted": 100, "available": 88, "reserved": 8, "used": 4}


def test_a_client_who_answers_a_closed_ticket_has_its_incident_reserved_again(api: Client) -> None:
    client = a_company(api)["id"]
    entitlement = incidents(api, a_contract(api, **OPEN, company_ids=[client]), 2)
    ticket = a_ticket(api, company_id=client, status="closed")
    contact = api.post("/v1/contacts", json={"name": "Luca Ferri", "company_id": client}).json()["id"]
    before = balance(api, entitlement)

    a_reply(api, ticket, author_contact_id=contact)

    assert (before, balance(api, entitlement)) == (
        {"granted": 2, "available": 1, "used": 1},
        {"granted": 2, "available": 1, "reserved": 1},
    )
