"""Companies, contacts, teams and users: what is put in order, what is refused, what holds on to what."""

import pytest

from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.stage import Client


def test_domains_are_kept_in_lower_case_sorted_and_each_once(api: Client) -> None:
    made = a_company(api, domains=["Zeta.example", " alpha.example ", "ZETA.EXAMPLE", "a-b.co.example"])

    assert made["domains"] == ["a-b.co.example", "alpha.example", "zeta.example"]


def test_companies_are_found_by_domain_and_by_name(api: Client) -> None:
    first = a_company(api, name="Alpine Dairy", domains=["alpine.example", "dairy.example"])
    second = a_company(api, name="Alpine Dairy", domains=["other.example"])
    a_company(api)

    by_domain = get(api, "companies?domain=dairy.example&domain=other.example&sort=created_at")["data"]
    by_name = get(api, "companies?name=Alpine+Dairy&domain=alpine.example")["data"]

    assert [item["id"] for item in by_domain] == [first["id"], second["id"]]
    assert [item["id"] for item in by_name] == [first["id"]]


def test_emails_and_phones_keep_their_order_and_lose_repetitions(api: Client) -> None:
    made = a_contact(
        api,
        emails=["luca@B.example", "luca@a.example", "luca@b.example"],
        phones=["+39 06 6982 1234", "+44 20 7946 0958", "+390669821234"],
    )

    assert made["emails"] == ["luca@b.example", "luca@a.example"]
    assert made["phones"] == ["+390669821234", "+442079460958"]


def test_contacts_are_found_by_company_email_and_phone(api: Client) -> None:
    company = a_company(api)
    made = a_contact(api, company_id=company["id"], emails=["luca@a.example"], phones=["+390669821234"])
    a_contact(api)

    for query in (f"company_id={company['id']}", "email=luca@a.example", "phone=%2B390669821234"):
        assert [item["id"] for item in get(api, f"contacts?{query}")["data"]] == [made["id"]]


def test_the_company_of_a_contact_comes_along_when_asked_for(api: Client) -> None:
    company = a_company(api)
    made = a_contact(api, company_id=company["id"])
    a_contact(api)

    one = get(api, f"contacts/{made['id']}?include=company")
    several = get(api, "contacts?include=company")
    without = get(api, "contacts")

    assert one["included"]["companies"] == several["included"]["companies"] == {company["id"]: company}
    assert without["included"]["companies"] == {}


def test_lists_are_replaced_as_a_whole(api: Client) -> None:
    made = a_contact(api, emails=["a@x.example", "b@x.example"])

    changed = patch(api, f"contacts/{made['id']}", emails=["c@x.example"])
    emptied = patch(api, f"contacts/{made['id']}", emails=[])

    assert (changed["emails"], emptied["emails"]) == (["c@x.example"], [])


def test_what_others_refer_to_cannot_be_deleted(api: Client) -> None:
    company = a_company(api)
    contact = a_contact(api, company_id=company["id"])
    team = create(api, "teams", name="Network")
    user = a_user(api, team_id=team["id"])
    a_ticket(api, contact_id=contact["id"], assignee_id=user["id"])

    held = {
        "contacts": f"companies/{company['id']}",
        "tickets": f"contacts/{contact['id']}",
        "users": f"teams/{team['id']}",
    }
    for holder, path in held.items():
        answer = api.delete(f"/v1/{path}")

        assert (answer.status_code, answer.json()["code"]) == (409, "still_referenced"), path
        assert answer.json()["params"]["referenced_by"] in {holder, "tickets"}
        assert get(api, path)["version"] == 1


def test_an_address_is_taken_once_whatever_the_case_of_its_domain(api: Client) -> None:
    a_user(api, email="ada@service.example")

    answer = api.post("/v1/users", json={"name": "Ada", "email": "ada@SERVICE.example"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "#/email")


def test_a_change_to_a_taken_value_is_refused_and_changes_nothing(api: Client) -> None:
    create(api, "teams", name="Network")
    other = create(api, "teams", name="Printers")

    answer = api.patch(f"/v1/teams/{other['id']}", json={"name": "Network", "description": "New"})

    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert get(api, f"teams/{other['id']}") == other


def test_users_are_found_by_team_address_and_whether_they_are_active(api: Client) -> None:
    team = create(api, "teams", name="Network")
    active = a_user(api, team_id=team["id"])
    gone = a_user(api, team_id=team["id"], is_active=False)

    assert [item["id"] for item in get(api, f"users?team_id={team['id']}&is_active=false")["data"]] == [gone["id"]]
    assert [item["id"] for item in get(api, f"users?email={active['email']}")["data"]] == [active["id"]]


@pytest.mark.parametrize(
    "body", [{}, {"name": None}, {"name": " "}, {"name": "x", "domains": None}, {"name": "x", "domains": "x.example"}]
)
def test_a_company_needs_a_name_and_lists_are_never_null(api: Client, body: dict[str, object]) -> None:
    answer = api.post("/v1/companies", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert get(api, "companies")["data"] == []
