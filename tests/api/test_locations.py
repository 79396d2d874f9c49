"""Locations: the places of clients, the tickets at them, and who is sent there."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.contract.people import People, people
from tests.contract.rows import contents
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


def a_location(api: Client, company: JSON, **values: object) -> JSON:
    """Make a place of a company."""
    return create(api, "locations", **{"company_id": company["id"], "name": "Dock 3"} | values)


def refusal(api: Client, method: str, path: str, body: JSON) -> tuple[int, str, str]:
    """Call and give status, code and the pointer of what was refused."""
    answer = api.request(method, f"/v1/{path}", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], (problem["errors"] or [{"pointer": ""}])[0]["pointer"]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("coordinates", {"latitude": 90.1, "longitude": 0}, "#/coordinates/latitude"),
        ("coordinates", {"latitude": 45}, "#/coordinates/longitude"),
        ("time_zone", "Mars/Olympus", "#/time_zone"),
        ("geofence_radius_meters", 0, "#/geofence_radius_meters"),
        ("address", {"country": "Italy"}, "#/address/country"),
    ],
)
def test_a_place_is_somewhere_on_earth(api: Client, field: str, value: object, pointer: str) -> None:
    body = {"company_id": a_company(api)["id"], "name": "Dock 3", field: value}

    assert refusal(api, "POST", "locations", body) == (422, "validation_failed", pointer)


def test_a_circle_without_a_centre_is_refused(api: Client) -> None:
    company = a_company(api)
    place = a_location(api, company, coordinates={"latitude": 45, "longitude": 10}, geofence_radius_meters=150)

    told = [
        refusal(api, "POST", "locations", {"company_id": company["id"], "name": "x", "geofence_radius_meters": 150}),
        refusal(api, "PATCH", f"locations/{place['id']}", {"coordinates": None}),
    ]

    assert told == [(422, "geofence_without_centre", "#/geofence_radius_meters")] * 2


def test_who_is_asked_for_at_a_place_works_for_its_company(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    ours, member = a_contact(api, company_id=company["id"]), a_contact(api, memberships=[{"company_id": company["id"]}])
    stranger = a_contact(api, company_id=other["id"])
    place = a_location(api, company, contact_ids=[ours["id"], member["id"], ours["id"]])

    told = refusal(api, "PATCH", f"locations/{place['id']}", {"contact_ids": [ours["id"], stranger["id"]]})

    assert place["contact_ids"] == [ours["id"], member["id"]]
    assert told == (422, "contact_not_of_company", "#/contact_ids/1")
    assert [item["id"] for item in get(api, f"locations?contact_id={member['id']}")["data"]] == [place["id"]]
    assert api.delete(f"/v1/contacts/{ours['id']}").json()["code"] == "still_referenced"


def test_a_ticket_at_a_place_is_for_the_company_whose_place_it_is(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    place, elsewhere = a_location(api, company), a_location(api, other)

    found = a_ticket(api, location_id=place["id"])
    later = patch(api, f"tickets/{a_ticket(api)['id']}", location_id=place["id"])
    told = [
        refusal(api, "POST", "tickets", {"subject": "x", "company_id": company["id"], "location_id": elsewhere["id"]}),
        refusal(api, "PATCH", f"tickets/{found['id']}", {"location_id": elsewhere["id"]}),
        refusal(api, "PATCH", f"tickets/{found['id']}", {"company_id": other["id"]}),
        refusal(api, "PATCH", f"tickets/{found['id']}", {"company_id": None}),
    ]

    assert (found["company_id"], later["company_id"]) == (company["id"], company["id"])
    assert told == [(422, "location_not_of_company", "#/location_id")] * 4
    moved = patch(api, f"tickets/{found['id']}", company_id=other["id"], location_id=elsewhere["id"])
    assert moved["version"] == 2
    listed = get(api, f"tickets?location_id={elsewhere['id']}&include=location")
    assert [item["id"] for item in listed["data"]] == [found["id"]]
    assert listed["included"]["locations"] == {elsewhere["id"]: elsewhere}


def test_the_database_itself_refuses_a_ticket_at_the_place_of_another_client(api: Client, stage: Stage) -> None:
    company, place = a_company(api), a_location(api, a_company(api))
    ticket = a_ticket(api, company_id=company["id"])

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        stage.sql(f"UPDATE tickets SET location_id = '{place['id']}' WHERE id = '{ticket['id']}'")  # noqa: S608 - ids.


def test_a_place_with_tickets_stays_with_its_company(api: Client, stage: Stage) -> None:
    company, other = a_company(api), a_company(api)
    place = a_location(api, company)
    assert patch(api, f"locations/{place['id']}", company_id=other["id"])["company_id"] == other["id"]
    a_ticket(api, location_id=place["id"])
    before = contents(stage, api.tenant.id)

    told = [
        refusal(api, "PATCH", f"locations/{place['id']}", {"company_id": company["id"]}),
        refusal(api, "DELETE", f"locations/{place['id']}", {}),
        refusal(api, "DELETE", f"companies/{other['id']}", {}),
    ]

    assert [(status, code) for status, code, _ in told] == [(409, "still_referenced")] * 3
    assert contents(stage, api.tenant.id) == before


def test_new_tickets_go_to_the_team_of_the_place_and_to_none_where_nobody_is_served_any_more(api: Client) -> None:
    of_company, of_place = (create(api, "teams", name=name)["id"] for name in ("Company", "Place"))
    company = a_company(api, default_team_id=of_company)
    plain = a_location(api, company)
    own, closed = a_location(api, company, responsible_team_id=of_place), a_location(api, company, is_active=False)

    given = [a_ticket(api, location_id=place["id"])["team_id"] for place in (plain, own)]

    assert given == [of_company, of_place]
    told = refusal(api, "POST", "tickets", {"subject": "x", "location_id": closed["id"]})
    assert told == (422, "inactive_location", "#/location_id")
    assert a_ticket(api, location_id=own["id"], assignee_id=a_user(api)["id"])["team_id"] is None


def test_other_systems_name_places_by_ids_of_their_own(api: Client) -> None:
    company = api.put("/v1/companies/by-ref/erp/1", json={"name": "Alpine"}).json()["card"]
    card = {"name": "Dock 3", "company_external_id": "1", "coordinates": {"latitude": 45.5, "longitude": 10}}

    told = [api.put("/v1/locations/by-ref/erp/7", json=card).json() for _ in range(2)]
    batch = api.post("/v1/locations/upsert", json={"source": "erp", "items": [{"external_id": "7", "card": card}]})

    assert [one["outcome"] for one in told] == ["created", "unchanged"]
    assert told[0]["card"]["company_id"] == company["id"]
    assert batch.json()["counts"] == {"unchanged": 1}
    assert get(api, "locations/by-ref/erp/7") == told[0]["card"]


def test_a_client_sees_its_own_places_without_what_staff_note_and_opens_tickets_there(made: People) -> None:
    contact, ours, theirs = made.client("contact"), made.own["locations"], made.hidden["locations"]

    shown = get(contact, f"locations/{ours}")
    opened = create(contact, "tickets", subject="Broken", location_id=ours)

    assert (shown["notes"], opened["location_id"]) == (None, ours)
    assert [item["id"] for item in get(contact, "locations")["data"]] == [ours]
    assert contact.get(f"/v1/locations/{theirs}").status_code == 404
    told = refusal(contact, "POST", "tickets", {"subject": "x", "location_id": theirs})
    assert told == (422, "unknown_reference", "#/location_id")
    assert made.client("agent").get("/v1/locations").json()["code"] == "missing_permission"
    assert (
        get(made.client("agent"), f"locations?company_id={made.own['companies']}")["data"][0]["notes"] == "noted of it"
    )
