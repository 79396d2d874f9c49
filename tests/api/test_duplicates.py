"""Candidates for one card twice: who is one, by which reasons, and who never is."""

from typing import Any

import pytest

from tests.factories import a_company, a_contact, create, get
from tests.stage import Client, Stage

VAT = [{"country": "IT", "kind": "vat", "number": "it 0123.456.7890"}]


def candidates(api: Client, plural: str, of: dict[str, Any], **query: str) -> dict[str, dict[str, float]]:
    """Give the reasons for each candidate, by its name."""
    answer = api.get(f"/v1/{plural}/duplicates", params={"of": of["id"], **query})
    assert answer.status_code == 200, answer.text
    return {
        pair["other"]["name"]: {each["reason"]: each["score"] for each in pair["reasons"]}
        for pair in answer.json()["data"]
    }


def test_companies_are_candidates_by_tax_id_domain_and_name_with_the_likeliest_first(api: Client) -> None:
    card = a_company(api, name="Alpine Dairy", domains=["alpine.example"], tax_ids=VAT)
    a_company(api, name="Baltic Freight", domains=["baltic.example"])
    a_company(api, name="ALPINE DAIRY S.r.l.")
    a_company(api, name="Milk and More", tax_ids=VAT)
    a_company(api, name="Logistics of it", domains=["alpine.example"])

    found = candidates(api, "companies", card)

    assert list(found.items()) == [
        ("Milk and More", {"tax_id": 0.95}),
        ("Logistics of it", {"domain": 0.6}),
        ("ALPINE DAIRY S.r.l.", {"name": 0.55}),
    ]


@pytest.mark.parametrize("other", [
    pytest.param("ромашка".upper(), id="mixed case"),
    pytest.param("Romashka", id="Latin letters"),
    pytest.param("ромашка".replace("\N{CYRILLIC SMALL LETTER A}", "a"), id="homoglyphs"),
    pytest.param("ромашка".replace("м", "м\u200b\u200e"), id="marks that nobody sees"),
    pytest.param("ООО «ромашка»", id="legal form"),  # noqa: RUF001 - Cyrillic is what it is about.
])  # fmt: skip
def test_names_are_compared_in_one_spelling_of_cyrillic_and_latin(api: Client, other: str) -> None:
    card = a_company(api, name="Ромашка")
    twin = a_company(api, name=other)

    found = candidates(api, "companies", card)

    assert found.keys() == {twin["name"]}
    assert get(api, f"companies/{card['id']}")["version"] == get(api, f"companies/{twin['id']}")["version"] == 1


def test_composed_and_decomposed_letters_are_the_same_name(api: Client) -> None:
    card = a_company(api, name="Ch\u00e9rie")
    twin = a_company(api, name="Che\u0301rie")

    assert candidates(api, "companies", card) == {twin["name"]: {"name": 0.8}}


def test_contacts_are_candidates_by_address_phone_and_by_name_within_a_company_only(api: Client) -> None:
    firm = a_company(api)["id"]
    card = a_contact(api, name="Иван Петров", company_id=firm, emails=["ivan@firm.example"], phones=["+390669821234"])
    a_contact(api, name="Ivan Petrov", company_id=firm)
    a_contact(api, name="Ivan Petrov Elsewhere", company_id=a_company(api)["id"])
    a_contact(api, name="By address", emails=["IVAN@firm.example"])
    a_contact(api, name="By phone", phones=["+39 06 6982 1234"])
    a_contact(api, name="Plus", emails=["ivan+crm@firm.example"])

    found = candidates(api, "contacts", card)

    assert found == {"By address": {"email": 0.9}, "Ivan Petrov": {"name": 0.8}, "By phone": {"phone": 0.7}}
    assert candidates(api, "contacts", card, min_score="0.85").keys() == {"By address"}


def test_every_pair_is_told_once_over_all_pages(api: Client) -> None:
    cards = [a_company(api, name=f"Firm {number}", domains=["shared.example"]) for number in "abc"]
    pairs, cursor = [], ""
    while cursor is not None:
        page = get(api, f"companies/duplicates?limit=1{cursor and '&cursor='}{cursor}")
        pairs += [(pair["card"]["id"], pair["other"]["id"]) for pair in page["data"]]
        cursor = page["page"]["next_cursor"]

    first, second, third = (card["id"] for card in cards)
    assert sorted(pairs) == sorted([(second, first), (third, first), (third, second)])


def test_what_a_card_no_longer_has_makes_it_no_candidate(api: Client) -> None:
    card, other = (a_company(api, name=name, domains=["shared.example"]) for name in ("Alpha", "Omega"))
    assert candidates(api, "companies", card).keys() == {"Omega"}

    api.patch(f"/v1/companies/{other['id']}", json={"domains": []})

    assert candidates(api, "companies", card) == {}


def test_candidates_are_for_who_sees_every_client_and_of_the_own_tenant(stage: Stage, api: Client) -> None:
    card = a_company(api, domains=["shared.example"])
    role = create(api, "roles", name="Technician", permissions=["companies:read", "companies:list"], reach="assigned")
    user = create(api, "users", name="Ada", email="ada@service.example", role_id=role["id"])
    key = create(api, "api-keys", name="Ada", user_id=user["id"])["key"]

    with stage.client(api.tenant, key) as narrow, stage.tenant() as foreign:
        a_company(foreign, domains=["shared.example"])
        refused = narrow.get("/v1/companies/duplicates")
        unseen = foreign.get("/v1/companies/duplicates", params={"of": card["id"]})
        damaged = api.get("/v1/companies/duplicates", params={"cursor": "x"})

    assert candidates(api, "companies", card) == {}
    assert (refused.status_code, refused.json()["code"]) == (403, "reach_too_narrow")
    assert unseen.status_code == 404
    assert (damaged.status_code, damaged.json()["code"]) == (400, "cursor_mismatch")
