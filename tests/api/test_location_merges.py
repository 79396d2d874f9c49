"""Places that turn out to be one: what follows a merge and goes back, what is refused, and who is a candidate."""

from typing import Any
from uuid import UUID, uuid4

from tests.api.test_duplicates import candidates
from tests.api.test_merges import amend, merged, refused, stored, undone
from tests.factories import a_calendar, a_company, a_contact, a_ticket, create, get
from tests.stage import Client, Stage

Json = dict[str, Any]


def a_place(api: Client, company: Json, name: str = "Dock 3", **values: object) -> Json:
    """Make a place of a company."""
    return create(api, "locations", company_id=company["id"], name=name, **values)


def test_what_is_at_a_place_follows_it_and_goes_back_byte_by_byte(stage: Stage, api: Client) -> None:
    create(api, "custom-fields", resource="tickets", key="seen_at", type="location", label="Seen at")
    company = a_company(api)
    person, other = a_contact(api, company_id=company["id"]), a_contact(api, company_id=company["id"])
    centre = {"latitude": 45.1564, "longitude": 10.7914}
    hours = a_calendar(api)
    winner = a_place(api, company, coordinates=centre, contact_ids=[person["id"]], calendar_id=hours["id"])
    loser = a_place(
        api, company, "Dock III", kind="warehouse", coordinates=centre | {"latitude": 45.2}, notes="Ring at the gate.",
        geofence_radius_meters=150, time_zone="Europe/London", contact_ids=[other["id"], person["id"]],
    )  # fmt: skip
    press = create(api, "asset-types", name=f"Press {company['id']}")
    machine = create(
        api, "assets", asset_type_id=press["id"], name="Press", company_id=company["id"], location_id=loser["id"]
    )
    here = a_ticket(api, company_id=company["id"], location_id=loser["id"], asset_id=machine["id"])
    named = a_ticket(api, custom_fields={"seen_at": loser["id"]})
    create(api, "external-references", source="crm", external_id="dock-3", location_id=loser["id"])
    for number, place in enumerate((winner, loser)):
        amend(api, create(api, "contracts", number=f"SC {number}", name="Care"), [company], place)
    before = stored(stage, api)

    merge = merged(api, "location", winner, loser)

    assert merge["moved_counts"] == {
        "asset-placements": 1, "assets": 1, "contract-references": 1, "contract-versions": 1,
        "external-references": 1, "tickets": 2,
    }  # fmt: skip
    card = get(api, f"locations/{winner['id']}")
    assert (card["kind"], card["notes"], card["contact_ids"]) == (
        "warehouse", "Ring at the gate.", [person["id"], other["id"]],
    )  # fmt: skip
    # How far it reaches goes with the point, and the zone with the hours.
    assert (card["coordinates"], card["geofence_radius_meters"], card["time_zone"]) == (centre, None, None)
    assert get(api, f"tickets/{here['id']}")["location_id"] == winner["id"]
    assert get(api, f"tickets/{named['id']}")["custom_fields"] == {"seen_at": winner["id"]}
    assert get(api, "locations/by-ref/crm/dock-3")["id"] == winner["id"]
    moved = api.get(f"/v1/locations/{loser['id']}")
    assert refused(moved, 308, "moved") == {"id": loser["id"], "merged_into": winner["id"]}
    assert refused(api.delete(f"/v1/locations/{loser['id']}"), 409, "merged")["merged_into"] == winner["id"]

    undone(api, merge)

    assert stored(stage, api) == before
    assert get(api, f"locations/{loser['id']}")["version"] == loser["version"] + 2


def test_a_contract_that_was_amended_since_names_both_places_once_they_are_parted(stage: Stage, api: Client) -> None:
    company = a_company(api)
    winner, loser = a_place(api, company), a_place(api, company)
    contract = create(api, "contracts", number="SC 1", name="Care")
    amend(api, contract, [company], loser)
    merge = merged(api, "location", winner, loser)
    amend(api, contract, [company], a_place(api, company))
    amend(api, contract, [company], winner)

    undone(api, merge)

    held = stage.sql(
        "SELECT location_id FROM contract_references WHERE tenant_id = $1 AND contract_id = $2",
        *(api.tenant.id, UUID(contract["id"])),
    )
    assert {row["location_id"] for row in held} > {UUID(winner["id"]), UUID(loser["id"])}


def test_places_of_two_companies_are_not_merged_before_these_are(stage: Stage, api: Client) -> None:
    first, second = a_company(api), a_company(api)
    winner, loser = a_place(api, first), a_place(api, second)
    body = {"card_type": "location", "winner_id": winner["id"], "loser_ids": [loser["id"]]}
    before = stored(stage, api)

    answer = api.post("/v1/merges", json=body)

    refused(answer, 422, "location_not_of_company")
    assert answer.json()["errors"][0]["pointer"] == "#/loser_ids/0"
    assert stored(stage, api) == before
    merged(api, "company", first, second)
    assert merged(api, "location", winner, loser)["state"] == "merged"


def test_whoever_names_what_was_merged_is_told_where_it_went(api: Client) -> None:
    winner, loser = a_company(api), a_company(api)
    person, twin = a_contact(api, company_id=winner["id"]), a_contact(api, company_id=winner["id"])
    merged(api, "company", winner, loser)
    merged(api, "contact", person, twin)
    pushed = {"external_id": "c-1", "card": {"name": "Luca", "company_id": loser["id"]}}

    by_key = api.post("/v1/contacts", json={"name": "Luca", "company_id": loser["id"]})
    in_list = api.post("/v1/locations", json={"name": "D", "company_id": winner["id"], "contact_ids": [twin["id"]]})
    in_batch = api.post("/v1/contacts/upsert", json={"source": "crm", "items": [pushed]}).json()["items"][0]["problem"]
    unknown = api.post("/v1/contacts", json={"name": "Luca", "company_id": str(uuid4())})

    assert refused(by_key, 422, "unknown_reference") == {"merged_into": winner["id"]}
    assert refused(in_list, 422, "unknown_reference") == {"merged_into": person["id"]}
    assert (in_batch["code"], in_batch["params"]) == ("unknown_reference", {"merged_into": winner["id"]})
    assert refused(unknown, 422, "unknown_reference") == {}


def test_a_choice_that_does_not_go_with_what_the_winner_has_is_not_filled_in(api: Client) -> None:
    def choice(name: str, *only_for: str) -> Json:
        return {"id": name, "label": name, "only_for": list(only_for)}

    create(api, "custom-fields", resource="companies", key="line", type="select", label="Line",
           choices=[choice("milk"), choice("wine")])  # fmt: skip
    create(api, "custom-fields", resource="companies", key="plant", type="select", label="Plant", depends_on="line",
           choices=[choice("dairy", "milk"), choice("cellar", "wine")])  # fmt: skip
    winner = a_company(api, custom_fields={"line": "milk"})
    other = a_company(api, custom_fields={"line": "wine", "plant": "cellar"})
    like = a_company(api, custom_fields={"line": "milk", "plant": "dairy"})

    merge = merged(api, "company", winner, other)

    assert get(api, f"companies/{winner['id']}")["custom_fields"] == {"line": "milk"}
    undone(api, merge)
    merged(api, "company", winner, like)
    assert get(api, f"companies/{winner['id']}")["custom_fields"] == {"line": "milk", "plant": "dairy"}


def test_places_are_candidates_by_address_and_by_name_within_a_company_only(api: Client) -> None:
    company, other = a_company(api), a_company(api)
    address = {"street": "Via del Porto 3", "city": "Mantua"}
    card = a_place(api, company, "Dock 3, Mantua", address=address)
    a_place(api, company, "Gate", address={"street": "VIA DEL PORTO, 3", "city": "mantua", "postal_code": "46100"})
    a_place(api, company, "DOCK 3 MANTUA")
    a_place(api, company, "Far away", address={"street": "Via del Porto 3", "city": "Rome"})
    a_place(api, other, "Dock 3, Mantua, of others", address=address)

    assert candidates(api, "locations", card) == {"Gate": {"address": 0.85}, "DOCK 3 MANTUA": {"name": 0.8}}
