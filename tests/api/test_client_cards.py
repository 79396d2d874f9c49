"""Client cards: how a company is known and served, whom it belongs to, and how a person is reached."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.people import People, people
from tests.contract.rows import contents, events
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]
VAT = {"country": "IT", "kind": "vat", "number": "IT01234567890"}


def refusal(api: Client, method: str, path: str, body: JSON) -> tuple[int, str, str]:
    """Call and give status, code and the pointer of what was refused."""
    answer = api.request(method, f"/v1/{path}", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"]


@pytest.mark.parametrize(
    ("country", "kind", "written", "kept"),
    [
        ("IT", "vat", "it 0123.456-7890", "IT01234567890"),
        ("IT", "vat", "01234567890", "IT01234567890"),
        ("GR", "vat", "094259216", "EL094259216"),
        ("GR", "vat", "EL 094 259 216", "EL094259216"),
        ("CH", "vat", "CHE-123.456.788", "CHE123456788"),
        ("RU", "vat", "77 07 083893", "7707083893"),
        ("DE", "tax", "181/815/08155", "18181508155"),
        ("GB", "registration", "sc 123456", "SC123456"),
    ],
)
def test_a_tax_id_is_kept_in_one_spelling(api: Client, country: str, kind: str, written: str, kept: str) -> None:
    made = a_company(api, tax_ids=[{"country": country, "kind": kind, "number": written}] * 2)

    assert made["tax_ids"] == [{"country": country, "kind": kind, "number": kept}]


@pytest.mark.parametrize("number", ["", "1", "№ 12", "\u0410\u0412123456", "x" * 41, "12\n34"])
def test_what_is_no_number_of_latin_letters_and_digits_is_no_tax_id(api: Client, number: str) -> None:
    body = {"name": "Alpine", "tax_ids": [VAT, VAT | {"number": number}]}

    assert refusal(api, "POST", "companies", body) == (422, "validation_failed", "#/tax_ids/1/number")


def test_companies_are_found_by_tax_id_and_by_who_looks_after_them(api: Client) -> None:
    team, ada, observer = create(api, "teams", name="North")["id"], a_user(api)["id"], a_user(api)["id"]
    parent = a_company(api)
    made = a_company(
        api,
        tax_ids=[VAT, {"country": "IT", "kind": "registration", "number": "RM 99"}],
        category="VIP",
        parent_company_id=parent["id"],
        default_team_id=team,
        responsible_user_id=ada,
        observer_ids=[observer, ada, observer],
        is_active=False,
    )

    assert made["observer_ids"] == [observer, ada]
    for query in (
        *("tax_id=IT 0123 4567890", "tax_id=rm99", "category=VIP", "is_active=false", f"observer_id={ada}"),
        *(f"parent_company_id={parent['id']}", f"default_team_id={team}", f"responsible_user_id={ada}"),
    ):
        assert [item["id"] for item in get(api, f"companies?{query}")["data"]] == [made["id"]], query
    assert get(api, "companies?tax_id=IT01234567891")["data"] == []
    included = get(api, f"companies/{made['id']}?include=default_team,responsible_user")["included"]
    assert (list(included["teams"]), list(included["users"])) == ([team], [ada])


def test_a_company_never_belongs_to_itself(api: Client, stage: Stage) -> None:
    top = a_company(api)
    middle = a_company(api, parent_company_id=top["id"])
    leaf = a_company(api, parent_company_id=middle["id"])
    before = contents(stage, api.tenant.id)

    told = [
        refusal(api, "PATCH", f"companies/{top['id']}", {"parent_company_id": below["id"]})
        for below in (top, middle, leaf)
    ]

    assert told == [(422, "parent_cycle", "#/parent_company_id")] * 3
    assert contents(stage, api.tenant.id) == before
    assert patch(api, f"companies/{leaf['id']}", parent_company_id=top["id"])["version"] == 2


def test_two_who_make_each_other_the_parent_at_once_do_not_both_succeed(api: Client) -> None:
    one, other = a_company(api)["id"], a_company(api)["id"]

    def set_parent(pair: tuple[str, str]) -> int:
        return api.patch(f"/v1/companies/{pair[0]}", json={"parent_company_id": pair[1]}).status_code

    with ThreadPoolExecutor(2) as both:
        told = list(both.map(set_parent, [(one, other), (other, one)]))

    assert sorted(told) == [200, 422]


def test_who_is_on_a_card_cannot_be_deleted_before_taken_off_it(api: Client) -> None:
    observer, main, other = a_user(api), a_company(api), a_company(api)
    watched = a_company(api, observer_ids=[observer["id"]])
    person = a_contact(api, company_id=main["id"], memberships=[{"company_id": other["id"], "role": "Buyer"}])

    held = (f"/v1/users/{observer['id']}", f"/v1/companies/{other['id']}")
    assert [api.delete(path).json()["code"] for path in held] == ["still_referenced"] * 2

    patch(api, f"companies/{watched['id']}", observer_ids=[])
    patch(api, f"contacts/{person['id']}", memberships=[])

    assert [api.delete(path).status_code for path in held] == [204, 204]


def test_a_list_that_stays_the_same_changes_nothing(api: Client, stage: Stage) -> None:
    body: JSON = {
        "tax_ids": [VAT | {"number": "it 01234567890"}],
        "observer_ids": [a_user(api)["id"]],
    }
    made = a_company(api, **body)

    same = patch(api, f"companies/{made['id']}", **body)
    changed = patch(api, f"companies/{made['id']}", observer_ids=[])

    assert same == made
    assert changed["version"] == 2
    assert [event["changes"] for event in events(stage, api.tenant.id, made["id"])[1:]] == [
        {"observer_ids": [made["observer_ids"], []]}
    ]


def test_people_are_found_by_messenger_language_and_every_company_they_work_for(api: Client) -> None:
    main, other = a_company(api)["id"], a_company(api)["id"]
    made = a_contact(
        api,
        company_id=main,
        messengers=[{"service": "telegram", "address": " @luca "}] * 2,
        language="it",
        memberships=[{"company_id": other, "role": "Buyer"}, {"company_id": main}],
    )
    a_contact(api, company_id=main)

    assert made["messengers"] == [{"service": "telegram", "address": "@luca"}]
    assert made["memberships"] == [{"company_id": other, "role": "Buyer"}, {"company_id": main, "role": None}]
    for query in ("messenger=@luca", "language=it", f"member_of_company_id={other}"):
        assert [item["id"] for item in get(api, f"contacts?{query}")["data"]] == [made["id"]], query


def test_a_company_or_a_purpose_is_named_once(api: Client) -> None:
    company = a_company(api)["id"]
    consent = {"purpose": "sms", "is_granted": True, "decided_at": "2026-03-01T08:00:00Z"}

    for field, value in (("memberships", {"company_id": company}), ("consents", consent)):
        told = refusal(api, "POST", "contacts", {"name": "Luca", field: [value, value]})

        assert told == (422, "validation_failed", f"#/{field}")


def test_a_ticket_may_be_for_any_company_that_its_contact_works_for(api: Client) -> None:
    main, other, strange = (a_company(api)["id"] for _ in range(3))
    person = a_contact(api, company_id=main, memberships=[{"company_id": other}])["id"]

    assert a_ticket(api, contact_id=person)["company_id"] == main
    assert a_ticket(api, contact_id=person, company_id=other)["company_id"] == other
    told = refusal(api, "POST", "tickets", {"subject": "x", "contact_id": person, "company_id": strange})
    assert told == (422, "contact_not_of_company", "#/contact_id")


def test_new_tickets_of_a_company_are_given_to_its_team_unless_they_say_whom_they_are_for(api: Client) -> None:
    north, south = (create(api, "teams", name=name)["id"] for name in ("North", "South"))
    company, ada = a_company(api, default_team_id=north)["id"], a_user(api)["id"]

    given = [
        a_ticket(api, company_id=company, **more)["team_id"] for more in ({}, {"team_id": south}, {"assignee_id": ada})
    ]

    assert given == [north, south, None]


def test_an_archived_company_keeps_its_tickets_and_gets_no_new_ones(api: Client) -> None:
    company, other = a_company(api)["id"], a_company(api)["id"]
    kept, moving = a_ticket(api, company_id=company)["id"], a_ticket(api, company_id=other)["id"]
    patch(api, f"companies/{company}", is_active=False)

    told = [
        refusal(api, "POST", "tickets", {"subject": "x", "company_id": company}),
        refusal(api, "PATCH", f"tickets/{moving}", {"company_id": company}),
    ]

    assert told == [(422, "inactive_company", "#/company_id")] * 2
    assert patch(api, f"tickets/{kept}", priority="high")["company_id"] == company


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


def test_who_may_not_see_contact_details_sees_them_masked(made: People) -> None:
    patch(made.api, f"companies/{made.own['companies']}", tax_ids=[VAT], category="VIP")
    messengers = [{"service": "telegram", "address": "@luca_ferri"}]
    patch(made.api, f"contacts/{made.own['contacts']}", messengers=messengers)

    shown = {name: shown_to(made, name) for name in ("agent", "supervisor", "contact")}

    assert shown == {
        "agent": ("IT•••90", "VIP", "@l•••"),
        "supervisor": ("IT01234567890", "VIP", "@luca_ferri"),
        "contact": ("IT01234567890", None, "@luca_ferri"),
    }


def shown_to(made: People, name: str) -> tuple[str, str | None, str]:
    """Give what somebody is shown of tax id, category and messenger."""
    company = get(made.client(name), f"companies/{made.own['companies']}")
    person = get(made.client(name), f"contacts/{made.own['contacts']}")
    return company["tax_ids"][0]["number"], company["category"], person["messengers"][0]["address"]


def test_staff_of_one_company_see_everybody_who_works_for_it(made: People) -> None:
    narrow, stranger = made.client("of_companies"), made.hidden["contacts"]
    assert narrow.get(f"/v1/contacts/{stranger}").status_code == 404

    patch(made.api, f"contacts/{stranger}", memberships=[{"company_id": made.own["companies"], "role": "Buyer"}])

    assert get(narrow, f"contacts/{stranger}")["memberships"] == []
    assert made.client("contact_manager").get(f"/v1/contacts/{stranger}").status_code == 404


def test_a_company_is_matched_by_tax_id_of_the_same_country_and_kind(api: Client) -> None:
    known = a_company(api, tax_ids=[VAT])

    told = [
        api.put(
            f"/v1/companies/by-ref/{source}/1",
            json={"name": "Alpine", "tax_ids": [tax_id]},
            params={"match_on": "tax_id"},
        ).json()
        for source, tax_id in (
            ("a", VAT | {"number": "01234567890"}),
            ("b", VAT | {"kind": "tax"}),
            ("c", VAT | {"country": "SM"}),
        )
    ]

    assert [(one["outcome"], one["matched_on"], one["card"]["id"] == known["id"]) for one in told] == [
        ("updated", "tax_id", True), ("created", None, False), ("created", None, False)
    ]  # fmt: skip


def test_a_company_names_its_parent_as_its_system_does(api: Client) -> None:
    parent = api.put("/v1/companies/by-ref/crm/1", json={"name": "Group"}).json()["card"]

    told = api.put("/v1/companies/by-ref/crm/2", json={"name": "Daughter", "parent_company_external_id": "1"}).json()
    ring = api.put("/v1/companies/by-ref/crm/1", json={"parent_company_external_id": "2"}).json()

    assert told["card"]["parent_company_id"] == parent["id"]
    assert ring["code"] == "parent_cycle"
