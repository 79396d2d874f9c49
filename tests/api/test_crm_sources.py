"""Which fields of a card a source owns: what is not written is told, listed with both values, and decided."""

from itertools import permutations
from typing import Any

import httpx2

from tests.contract.bodies import create
from tests.contract.rows import contents, events
from tests.stage import Client, Stage

JSON = dict[str, Any]


def declare(api: Client, source: str = "crm", **rules: Any) -> JSON:  # noqa: ANN401 - rules by kind of card.
    """Declare what a source owns."""
    return create(api, "crm-sources", source=source, **rules)


def push(api: Client, card: JSON, name: str = "companies/by-ref/crm/42", **query: str) -> httpx2.Response:
    """Write a card as a source has it."""
    return api.put(f"/v1/{name}", json=card, params=query)


def told(answer: httpx2.Response) -> tuple[str, list[tuple[str, str]]]:
    """Give the outcome of a push, and what of it was not written."""
    body = answer.json()
    return body["outcome"], [(each["pointer"], each["code"]) for each in body["warnings"]]


def refused(answer: httpx2.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Give a refusal with its places."""
    body = answer.json()
    return answer.status_code, body["code"], [(each["pointer"], each["code"]) for each in body["errors"]]


def provenance(api: Client, card_id: str) -> dict[str, Any]:
    """Give who wrote the fields of a company, and who owns them."""
    fields = api.get(f"/v1/companies/{card_id}/provenance").json()["fields"]
    return {name: (each["source"], each["version"], each["rules"]) for name, each in fields.items()}


def conflicts(api: Client, **query: str) -> list[JSON]:
    """List conflicts."""
    found: list[JSON] = api.get("/v1/sync-conflicts", params=query).json()["data"]
    return found


def test_what_belongs_to_the_desk_is_not_taken_from_a_source_and_told(api: Client) -> None:
    declare(api, companies={"category": "helpdesk"})
    made = push(api, {"name": "Alpine", "category": "Standard"})
    card = made.json()["card"]
    api.patch(f"/v1/companies/{card['id']}", json={"category": "VIP"})

    changed = push(api, {"name": "Alpine Dairy", "category": "Standard"})
    same = push(api, {"name": "Alpine Dairy", "category": "VIP"})

    assert (told(made), card["category"]) == (("created", [("#/category", "owned_by_helpdesk")]), None)
    assert told(changed) == ("updated", [("#/category", "owned_by_helpdesk")])
    assert (changed.json()["card"]["name"], changed.json()["card"]["category"]) == ("Alpine Dairy", "VIP")
    assert told(same) == ("unchanged", [])
    assert provenance(api, card["id"]) == {
        "category": (None, 2, {"crm": "helpdesk"}), "name": ("crm", 3, {})
    }  # fmt: skip


def test_what_belongs_to_a_source_nobody_else_writes(api: Client, stage: Stage) -> None:
    declare(api, companies={"name": "source", "custom_fields.segment": "source"})
    create(api, "custom-fields", resource="companies", key="segment", type="text", label="Segment")
    card = push(api, {"name": "Alpine", "custom_fields": {"segment": "A"}}).json()["card"]
    reference = {"source": "erp", "external_id": "7", "company_id": card["id"]}
    create(api, "external-references", **reference)
    before = contents(stage, api.tenant.id)

    by_people = api.patch(f"/v1/companies/{card['id']}", json={"name": "Other", "custom_fields": {"segment": "B"}})

    assert refused(by_people) == (
        409, "field_owned_elsewhere",
        [("#/name", "owned_by_source"), ("#/custom_fields/segment", "owned_by_source")],
    )  # fmt: skip
    assert contents(stage, api.tenant.id) == before
    saved = api.patch(f"/v1/companies/{card['id']}", json={"name": "Alpine", "notes": "Ring twice."})
    assert (saved.status_code, saved.json()["notes"]) == (200, "Ring twice.")
    by_another = push(api, {"name": "Other", "territory": "north"}, "companies/by-ref/erp/7")
    assert told(by_another) == ("updated", [("#/name", "owned_by_source")])
    by_owner = push(api, {"name": "Alpine Dairy", "custom_fields": {"segment": "C"}})
    assert told(by_owner) == ("updated", [])
    unknown = create(api, "companies", name="No client of the CRM")
    assert api.patch(f"/v1/companies/{unknown['id']}", json={"name": "Renamed"}).status_code == 200


def test_a_strict_source_is_refused_whole_and_a_batch_tells_of_each_card(api: Client) -> None:
    source = declare(api, companies={"category": "helpdesk"}, is_strict=True)
    push(api, {"name": "Alpine"})
    card = {"name": "Alpine Dairy", "category": "Gold"}
    items = [{"external_id": "42", "card": card}]

    strict = push(api, card)
    in_batch = api.post("/v1/companies/upsert", json={"source": "crm", "items": items}).json()["items"][0]
    api.patch(f"/v1/crm-sources/{source['id']}", json={"is_strict": False})
    rehearsed = api.post("/v1/companies/upsert", json={"source": "crm", "dry_run": True, "items": items}).json()
    none_yet = conflicts(api)
    written = api.post("/v1/companies/upsert", json={"source": "crm", "items": items}).json()

    assert refused(strict) == (409, "field_owned_elsewhere", [("#/category", "owned_by_helpdesk")])
    assert (in_batch["outcome"], in_batch["problem"]["code"], in_batch["warnings"]) == (
        "conflict", "field_owned_elsewhere", []
    )  # fmt: skip
    assert none_yet == []
    assert rehearsed["items"] == written["items"]
    assert [(each["pointer"], each["code"]) for each in written["items"][0]["warnings"]] == [
        ("#/items/0/card/category", "owned_by_helpdesk")
    ]  # fmt: skip


def test_two_sources_end_in_one_state_in_whatever_order_they_push(stage: Stage) -> None:
    pushes = [
        ("a", {"name": "Alpine", "territory": "north"}, "2026-03-01T08:00:00Z"),
        ("b", {"name": "Alpine Dairy", "territory": "south"}, "2026-03-01T09:00:00Z"),
        ("a", {"name": "Alpine", "territory": "west"}, "2026-03-01T10:00:00Z"),
        ("b", {"name": "Alpine", "territory": "south"}, "2026-03-01T10:00:00Z"),
    ]
    ends = set()
    for order in list(permutations(pushes))[::5]:
        with stage.tenant() as api:
            declare(api, "a")
            declare(api, "b", companies={"name": "latest"})
            card = create(api, "companies", name="Known before")
            for source in ("a", "b"):
                create(api, "external-references", source=source, external_id="1", company_id=card["id"])
            for source, given, at in (*order, order[0]):
                push(api, given, f"companies/by-ref/{source}/1", source_updated_at=at)
            end = api.get(f"/v1/companies/{card['id']}").json()
            ends.add((end["name"], end["territory"]))

    assert ends == {("Alpine", "south")}


def test_an_older_state_takes_nothing_back_that_people_have_written_since(api: Client) -> None:
    declare(api)
    card = push(api, {"name": "Alpine", "notes": "Old."}, source_updated_at="2026-03-01T08:00:00Z").json()["card"]
    api.patch(f"/v1/companies/{card['id']}", json={"notes": "From the desk."})

    answer = push(api, {"name": "Alpine Dairy", "notes": "New?"}, source_updated_at="2026-03-01T09:00:00Z")

    assert told(answer) == ("updated", [("#/notes", "newer_known")])
    assert answer.json()["card"]["notes"] == "From the desk."
    assert conflicts(api) == []


def test_a_conflict_shows_both_values_until_somebody_decides(api: Client, stage: Stage) -> None:
    declare(api, companies={"category": "helpdesk", "territory": "helpdesk"})
    card = push(api, {"name": "Alpine"}).json()["card"]
    api.patch(f"/v1/companies/{card['id']}", json={"category": "VIP", "territory": "north"})
    for _ in range(2):
        push(api, {"category": "Standard", "territory": "south"})
    by_field = {each["field"]: each for each in conflicts(api, company_id=card["id"], state="open")}

    kept, taken = (
        api.post(f"/v1/sync-conflicts/{by_field[field]['id']}/resolve", json={"keep": keep})
        for field, keep in (("category", "ours"), ("territory", "theirs"))
    )

    assert {field: (each["ours"], each["theirs"]) for field, each in by_field.items()} == {
        "category": ("VIP", "Standard"), "territory": ("north", "south")
    }  # fmt: skip
    assert [(each.status_code, each.json()["resolution"]) for each in (kept, taken)] == [(200, "ours"), (200, "theirs")]
    now = api.get(f"/v1/companies/{card['id']}").json()
    assert (now["category"], now["territory"]) == ("VIP", "south")
    again = api.post(f"/v1/sync-conflicts/{kept.json()['id']}/resolve", json={"keep": "theirs"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict_resolved")
    push(api, {"category": "Standard"})
    assert conflicts(api, state="open") == []
    push(api, {"category": "Gold"})
    assert [each["theirs"] for each in conflicts(api, state="open")] == ["Gold"]
    push(api, {"category": "VIP"})
    assert {each["field"]: each["resolution"] for each in conflicts(api)} == {
        "category": "agreed", "territory": "theirs"
    }  # fmt: skip
    recorded = events(stage, api.tenant.id, kept.json()["id"])
    assert [event["type"].partition(".")[2] for event in recorded] == ["created", "resolved", "updated", "resolved"]
    assert "Standard" not in str(recorded)


def test_a_conflict_shows_no_value_that_the_reader_is_not_shown(api: Client, stage: Stage) -> None:
    declare(api, contacts={"emails": "helpdesk"})
    push(api, {"name": "Luca", "emails": ["luca@a.example"]}, "contacts/by-ref/crm/1")
    push(api, {"emails": ["other@a.example"]}, "contacts/by-ref/crm/1")
    key = create(api, "api-keys", name="Auditor", scopes=["sync-conflicts:read", "contacts:read"], field_groups=[])

    with Client(stage.base_url, api.tenant, key["key"]) as auditor:
        (shown,), (hidden,) = conflicts(api), conflicts(auditor)

    assert (shown["ours"], shown["theirs"]) == ([], ["other@a.example"])
    assert (hidden["field"], hidden["ours"], hidden["theirs"]) == ("emails", None, None)


def test_a_field_has_one_owner_and_rules_are_for_fields_there_are(api: Client) -> None:
    declare(api, companies={"name": "source"})

    second = api.post("/v1/crm-sources", json={"source": "erp", "companies": {"name": "source"}})
    unknown = api.post("/v1/crm-sources", json={"source": "erp", "contacts": {"colour": "latest"}})

    assert refused(second) == (409, "field_already_owned", [("#/companies/name", "field_already_owned")])
    assert refused(unknown) == (422, "unknown_card_field", [("#/contacts/colour", "unknown_card_field")])
    assert [row["source"] for row in api.get("/v1/crm-sources").json()["data"]] == ["crm"]
