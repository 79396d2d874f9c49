"""Assets: what is told apart by its numbers, what is part of what, where it has been, and the tickets about it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.contract.people import People, people
from tests.contract.rows import contents
from tests.factories import a_company, a_contact, a_ticket, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


def a_type(api: Client, **values: object) -> str:
    """Make a kind of equipment."""
    return str(create(api, "asset-types", **{"name": f"Type {uuid4()}"} | values)["id"])


def an_asset(api: Client, **values: object) -> JSON:
    """Make an asset."""
    if "asset_type_id" not in values:
        values["asset_type_id"] = a_type(api)
    return create(api, "assets", **{"name": "Label printer"} | values)


def a_place(api: Client, company: JSON, **values: object) -> str:
    """Make a place of a company."""
    return str(create(api, "locations", company_id=company["id"], **{"name": "Dock 3"} | values)["id"])


def refusal(api: Client, method: str, path: str, **body: object) -> tuple[int, str, str]:
    """Call and give status, code and the pointer of what was refused."""
    answer = api.request(method, f"/v1/{path}", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], (problem["errors"] or [{"pointer": ""}])[0]["pointer"]


def told_of(api: Client, asset: JSON, what: str, sort: str) -> list[JSON]:
    """Read a list of an asset's own in one page, which is what its pages of one come to."""
    path = f"assets/{asset['id']}/{what}?sort={sort}"
    whole: list[JSON] = get(api, path)["data"]
    found: list[JSON] = []
    cursor = ""
    while len(found) < len(whole):
        page = get(api, f"{path}&limit=1{cursor}")
        found += page["data"]
        cursor = f"&cursor={page['page']['next_cursor']}"
    assert (found, cursor) == (whole, "&cursor=None")
    return whole


def stays(api: Client, asset: JSON) -> list[tuple[str | None, str | None, bool]]:
    """Give where an asset has been, the first stay first, and whether it is there still."""
    told = told_of(api, asset, "placements", "since_at")
    return [(stay["company_id"], stay["location_id"], stay["until_at"] is None) for stay in told]


def test_a_number_is_unique_where_the_type_says_so(api: Client) -> None:
    strict, lax = a_type(api, serial_is_unique=True), a_type(api)
    an_asset(api, asset_type_id=strict, serial_number="S-1", inventory_number="I-1")

    taken = refusal(api, "POST", "assets", asset_type_id=strict, name="x", serial_number="S-1")
    twins = [an_asset(api, asset_type_id=lax, serial_number="S-1") for _ in range(2)]
    other = an_asset(api, asset_type_id=strict, serial_number="S-2", inventory_number="I-1")

    assert taken == (409, "already_exists", "#/serial_number")
    assert refusal(api, "PATCH", f"assets/{other['id']}", serial_number="S-1")[1] == "already_exists"
    assert refusal(api, "PATCH", f"assets/{twins[0]['id']}", asset_type_id=strict)[1] == "already_exists"
    told = refusal(api, "PATCH", f"asset-types/{lax}", serial_is_unique=True)
    assert told == (409, "repeated_number", "#/serial_is_unique")
    patch(api, f"assets/{twins[1]['id']}", serial_number="S-3")
    patch(api, f"asset-types/{lax}", serial_is_unique=True)
    assert refusal(api, "PATCH", f"assets/{twins[1]['id']}", serial_number="S-1")[1] == "already_exists"


def test_an_asset_is_where_its_company_has_a_place_and_part_of_what_is_of_the_same_company(
    api: Client, stage: Stage
) -> None:
    company, other = a_company(api), a_company(api)
    place, elsewhere = a_place(api, company), a_place(api, other)
    asset = an_asset(api, location_id=place, contact_id=a_contact(api, company_id=company["id"])["id"])
    strange = an_asset(api, company_id=other["id"])
    path = f"assets/{asset['id']}"
    before = contents(stage, api.tenant.id)

    told = [
        refusal(api, "PATCH", path, location_id=elsewhere),
        refusal(api, "PATCH", path, company_id=None),
        refusal(api, "PATCH", path, company_id=other["id"], location_id=elsewhere),
        refusal(api, "PATCH", path, parent_asset_id=strange["id"]),
        refusal(api, "PATCH", path, parent_asset_id=asset["id"]),
    ]

    assert asset["company_id"] == company["id"]
    assert told == [
        (422, "location_not_of_company", "#/location_id"),
        (422, "location_not_of_company", "#/location_id"),
        (422, "contact_not_of_company", "#/contact_id"),
        (422, "parent_not_of_company", "#/parent_asset_id"),
        (422, "parent_cycle", "#/parent_asset_id"),
    ]
    assert contents(stage, api.tenant.id) == before


def test_nothing_is_part_of_itself_however_long_the_way(api: Client) -> None:
    kind, company = a_type(api), a_company(api)["id"]
    rack = an_asset(api, asset_type_id=kind, company_id=company)
    server = an_asset(api, asset_type_id=kind, company_id=company, parent_asset_id=rack["id"])
    disk = an_asset(api, asset_type_id=kind, company_id=company, parent_asset_id=server["id"])

    told = refusal(api, "PATCH", f"assets/{rack['id']}", parent_asset_id=disk["id"])

    assert told == (422, "parent_cycle", "#/parent_asset_id")
    assert [each["id"] for each in get(api, f"assets?parent_asset_id={rack['id']}")["data"]] == [server["id"]]
    assert refusal(api, "DELETE", f"assets/{server['id']}")[:2] == (409, "still_referenced")


def test_the_database_itself_refuses_what_is_across_clients_or_in_two_places(api: Client, stage: Stage) -> None:
    company, other = a_company(api), a_company(api)
    asset, strange = (an_asset(api, company_id=each["id"])["id"] for each in (company, other))
    ticket, elsewhere = a_ticket(api, company_id=company["id"])["id"], a_place(api, other)

    for change, value, row in (
        ("UPDATE assets SET location_id = $1 WHERE id = $2", elsewhere, asset),
        ("UPDATE assets SET parent_asset_id = $1 WHERE id = $2", strange, asset),
        ("UPDATE tickets SET asset_id = $1 WHERE id = $2", strange, ticket),
    ):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            stage.sql(change, UUID(value), UUID(row))
    second = """
    INSERT INTO asset_placements (tenant_id, id, asset_id, since_at)
    SELECT tenant_id, $1, id, now() FROM assets WHERE id = $2
    """
    with pytest.raises(asyncpg.ExclusionViolationError):
        stage.sql(second, uuid4(), UUID(asset))


def test_what_is_part_of_an_asset_moves_along_and_every_stay_is_kept(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    dock, hall, abroad = a_place(api, company), a_place(api, company), a_place(api, other)
    kind = a_type(api)
    rack = an_asset(api, asset_type_id=kind, location_id=dock)
    server = an_asset(api, asset_type_id=kind, location_id=dock, parent_asset_id=rack["id"])
    spare = an_asset(api, asset_type_id=kind, company_id=company["id"], parent_asset_id=server["id"])
    path = f"assets/{rack['id']}"

    patch(api, path, location_id=hall)
    patch(api, path, company_id=other["id"], location_id=abroad)
    patch(api, path, name="Rack 7")

    first, at, there = company["id"], other["id"], (other["id"], abroad, True)
    assert stays(api, rack) == [(first, dock, False), (first, hall, False), there]
    assert stays(api, server) == [(first, dock, False), (first, hall, False), there]
    assert stays(api, spare) == [(first, None, False), there]
    assert get(api, f"assets/{spare['id']}")["version"] == 2
    assert [each["id"] for each in get(api, f"assets?location_id={abroad}&sort=created_at")["data"]] == [
        *(rack["id"], server["id"], spare["id"]),
    ]
    assert refusal(api, "PATCH", f"assets/{server['id']}", company_id=first, location_id=None) == (
        *(422, "parent_not_of_company", "#/parent_asset_id"),
    )
    assert get(api, path)["company_id"] == at


def test_a_ticket_about_an_asset_is_for_its_company_and_where_it_is(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    place = a_place(api, company)
    asset, strange = an_asset(api, location_id=place), an_asset(api, company_id=other["id"])
    stock = an_asset(api)

    opened = a_ticket(api, asset_id=asset["id"])
    later = patch(api, f"tickets/{a_ticket(api)['id']}", asset_id=strange["id"])
    told = [
        refusal(api, "POST", "tickets", subject="x", company_id=company["id"], asset_id=strange["id"]),
        refusal(api, "POST", "tickets", subject="x", asset_id=stock["id"]),
        refusal(api, "PATCH", f"tickets/{opened['id']}", asset_id=strange["id"]),
        refusal(api, "PATCH", f"tickets/{opened['id']}", company_id=other["id"], location_id=None),
        refusal(api, "PATCH", f"tickets/{later['id']}", company_id=None),
    ]

    assert (opened["company_id"], opened["location_id"]) == (company["id"], place)
    assert (later["company_id"], later["location_id"]) == (other["id"], None)
    assert told == [(422, "asset_not_of_company", "#/asset_id")] * 5
    listed = get(api, f"tickets?asset_id={asset['id']}&include=asset")
    assert [each["id"] for each in listed["data"]] == [opened["id"]]
    assert listed["included"]["assets"] == {asset["id"]: asset}
    assert refusal(api, "DELETE", f"assets/{asset['id']}")[:2] == (409, "still_referenced")


def test_tickets_of_the_client_before_keep_an_asset_that_has_moved_on(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    asset = an_asset(api, company_id=company["id"])
    old = a_ticket(api, asset_id=asset["id"])

    patch(api, f"assets/{asset['id']}", company_id=other["id"])
    new = a_ticket(api, asset_id=asset["id"])

    assert patch(api, f"tickets/{old['id']}", priority="urgent")["asset_id"] == asset["id"]
    assert (old["company_id"], new["company_id"]) == (company["id"], other["id"])
    assert refusal(api, "POST", "tickets", subject="x", company_id=company["id"], asset_id=asset["id"]) == (
        *(422, "asset_not_of_company", "#/asset_id"),
    )
    told = told_of(api, asset, "timeline", "at")
    assert [(each["type"], each["company_id"]) for each in told] == [
        ("placement", company["id"]),
        ("ticket", company["id"]),
        ("placement", other["id"]),
        ("ticket", other["id"]),
    ]
    assert [each["ticket"] and each["ticket"]["number"] for each in told] == [None, old["number"], None, new["number"]]


def test_tickets_are_found_by_what_stands_on_the_card_of_their_asset(api: Client) -> None:
    company = a_company(api)["id"]
    asset = an_asset(api, company_id=company, model="TP 400", serial_number="TP4-1", status="in_repair")
    found = a_ticket(api, asset_id=asset["id"])
    a_ticket(api, asset_id=an_asset(api, company_id=company, model="TP 500")["id"])
    conditions = {
        "asset_id": asset["id"],
        "asset.model": "tp 400",
        "asset.serial_number": "TP4-1",
        "asset.status": "in_repair",
        "asset.asset_type_id": asset["asset_type_id"],
    }

    for field, value in conditions.items():
        answer = api.post("/v1/tickets/search", json={"condition": {"field": field, "op": "eq", "value": value}})

        assert [each["id"] for each in answer.json()["data"]] == [found["id"]], field


def test_other_systems_name_assets_by_ids_of_their_own(api: Client) -> None:
    api.put("/v1/companies/by-ref/erp/1", json={"name": "Alpine"})
    api.put("/v1/locations/by-ref/erp/2", json={"name": "Dock", "company_external_id": "1"})
    card = {"name": "Printer", "asset_type_id": a_type(api), "location_external_id": "2"}

    told = [api.put("/v1/assets/by-ref/erp/7", json=card).json() for _ in range(2)]
    items = [{"external_id": "8", "card": card | {"name": "Tray", "parent_asset_external_id": "7"}}]
    batch = api.post("/v1/assets/upsert", json={"source": "erp", "items": items}).json()

    assert [one["outcome"] for one in told] == ["created", "unchanged"]
    assert batch["counts"] == {"created": 1}
    tray = get(api, "assets/by-ref/erp/8")
    assert (tray["parent_asset_id"], tray["company_id"]) == (told[0]["card"]["id"], told[0]["card"]["company_id"])
    assert len(stays(api, tray)) == 1
    api.put("/v1/locations/by-ref/erp/3", json={"name": "Hall", "company_external_id": "1"})
    api.put("/v1/assets/by-ref/erp/7", json={"location_external_id": "3"})
    assert len(stays(api, tray)) == 2


def test_a_client_sees_its_own_assets_and_not_who_had_them_before(made: People) -> None:
    contact, ours, theirs = made.client("contact"), made.own["assets"], made.hidden["assets"]
    moved = an_asset(made.api, company_id=made.hidden["companies"])
    a_ticket(made.api, asset_id=moved["id"], subject="Of others")
    patch(made.api, f"assets/{moved['id']}", company_id=made.own["companies"])

    shown = get(contact, f"assets/{ours}")
    opened = create(contact, "tickets", subject="Broken", asset_id=ours)

    assert (shown["notes"], opened["asset_id"]) == (None, ours)
    assert {each["id"] for each in get(contact, "assets")["data"]} == {ours, moved["id"]}
    for path in (f"assets/{theirs}", f"assets/{theirs}/placements", f"assets/{theirs}/timeline"):
        assert contact.get(f"/v1/{path}").status_code == 404
    assert stays(contact, moved) == [(made.own["companies"], None, True)]
    told = get(contact, f"assets/{moved['id']}/timeline")["data"]
    assert [(each["type"], each["company_id"]) for each in told] == [("placement", made.own["companies"])]
    assert len(get(made.api, f"assets/{moved['id']}/timeline")["data"]) == 3
    assert refusal(contact, "POST", "tickets", subject="x", asset_id=theirs) == (
        *(422, "unknown_reference", "#/asset_id"),
    )
    assert made.client("agent").get("/v1/assets").json()["code"] == "missing_permission"
    assert (
        get(made.client("agent"), f"assets?company_id={made.own['companies']}")["data"][0]["company_id"]
        == (made.own["companies"])
    )
