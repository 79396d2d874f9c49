"""Making one card of several and several of one again: what follows, what is told, and what is refused."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.contract.rows import TENANT_TABLES
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage

Json = dict[str, Any]
# What a merge leaves behind on purpose, and what is no part of a card: the trail of what happened.
_TRAIL = frozenset(
    {
        "api_key_usage",
        "audit_seals",
        "card_redirects",
        "deadlines",
        "events",
        "idempotency_keys",
        "jobs",
        "merges",
        "ticket_summaries",
    }
)
# Rows that follow lists and values are made anew; others are known by their ids.
_MADE_ANEW = frozenset(
    {"card_keys", "company_members", "company_observers", "custom_field_values", "location_contacts"}
)
_MOVES_ON = ("updated_at", "version")


def stored(stage: Stage, api: Client) -> dict[str, set[str]]:
    """Give everything that a tenant has, but for the trail, and for versions, which only go on."""
    found = {}
    for name in TENANT_TABLES:
        if name in _TRAIL:
            continue
        rows = stage.sql(f"SELECT to_jsonb(t)::text FROM {name} AS t WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - names of our tables.
        left_out = {*_MOVES_ON, "last_used_at", *(["id"] if name in _MADE_ANEW else [])}
        if found_rows := [json.loads(row[0]) for row in rows]:
            found[name] = {
                json.dumps({key: value for key, value in row.items() if key not in left_out}, sort_keys=True)
                for row in found_rows
            }
    return found


def merged(api: Client, card_type: str, winner: Json, *losers: Json) -> Json:
    """Merge cards."""
    return create(api, "merges", card_type=card_type, winner_id=winner["id"], loser_ids=[each["id"] for each in losers])


def undone(api: Client, merge: Json) -> Json:
    """Undo a merge."""
    answer = api.post(f"/v1/merges/{merge['id']}/undo")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def events_of(stage: Stage, api: Client) -> int:
    """Count what was recorded in the tenant."""
    count: int = stage.sql("SELECT count(*) FROM events WHERE tenant_id = $1", api.tenant.id)[0][0]
    return count


def refused(answer: httpx2.Response, status: int, code: str) -> Json:
    """Give the parameters of a refusal."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    params: Json = problem["params"]
    return params


def amend(api: Client, contract: Json, clients: list[Json], place: Json) -> None:
    """Agree that a contract is with these clients and covers this place."""
    ids = {"company_ids": [each["id"] for each in clients], "location_ids": [place["id"]]}
    terms = {"starts_at": "2026-01-01T00:00:00Z", "covers_everything": False, **ids}
    amended = api.post(f"/v1/contracts/{contract['id']}/amend", json={"terms": terms, "reason": "As signed."})
    assert amended.is_success, amended.text


def a_client(api: Client, other: Json | None = None) -> tuple[Json, Json]:
    """Make a company to which everything points that can; gives it, and a contact of it."""
    team = create(api, "teams", name=f"Team {uuid4()}")
    company = a_company(
        api,
        domains=["b.example", "a.example"],
        tax_ids=[{"country": "IT", "kind": "vat", "number": "IT01234567890"}],
        notes="Rings twice.",
        default_team_id=team["id"],
        observer_ids=[a_user(api)["id"]],
    )
    number = company["id"]
    person = a_contact(api, company_id=number, emails=[f"p{number}@client.example"], phones=["+390669821234"])
    a_contact(api, name="Of both", company_id=None, memberships=[
        {"company_id": each["id"], "role": "Buyer"} for each in (company, other) if each is not None
    ])  # fmt: skip
    place = create(api, "locations", company_id=number, name="Dock 3", contact_ids=[person["id"]])
    kind = create(api, "asset-types", name=f"Press {number}")
    machine, part = (
        create(api, "assets", asset_type_id=kind["id"], name=name, company_id=number, location_id=place["id"])
        for name in ("Press", "Motor")
    )
    patch(api, f"assets/{part['id']}", parent_asset_id=machine["id"])
    create(api, "asset-relations", type="depends_on", source_asset_id=machine["id"], target_asset_id=part["id"])
    create(api, "external-references", source="crm", external_id=number, company_id=number)
    create(api, "external-references", source="crm", external_id=person["id"], contact_id=person["id"])
    a_company(api, parent_company_id=number)
    ticket = a_ticket(api, company_id=number, contact_id=person["id"], location_id=place["id"], asset_id=machine["id"])
    create(api, f"tickets/{ticket['id']}/comments", kind="reply", body="Hello", author_contact_id=person["id"])
    contract = create(api, "contracts", number=number, name="Care")
    amend(api, contract, [each for each in (company, other) if each is not None], place)
    return company, person


def test_everything_follows_a_merge_and_goes_back_byte_by_byte(stage: Stage, api: Client) -> None:
    create(api, "custom-fields", resource="tickets", key="on_behalf_of", type="company", label="On behalf of")
    create(api, "custom-fields", resource="companies", key="tier", type="text", label="Tier")
    winner, _ = a_client(api)
    first, person = a_client(api, winner)
    second = a_company(api, parent_company_id=first["id"], custom_fields={"tier": "gold"}, category="VIP")
    named = a_ticket(api, custom_fields={"on_behalf_of": first["id"]})
    before = stored(stage, api)

    merge = merged(api, "company", winner, first, second)

    assert merge["moved_counts"] == {
        "asset-companies": 2, "asset-placements": 2, "asset-relations": 1, "assets": 2, "companies": 2, "contacts": 2,
        "contract-references": 1, "contract-versions": 1, "external-references": 1, "locations": 1, "tickets": 2,
    }  # fmt: skip
    assert get(api, f"contacts/{person['id']}")["company_id"] == winner["id"]
    assert get(api, f"tickets/{named['id']}")["custom_fields"] == {"on_behalf_of": winner["id"]}
    card = get(api, f"companies/{winner['id']}")
    assert card["domains"] == ["a.example", "b.example"]
    assert (card["category"], card["custom_fields"]) == ("VIP", {"tier": "gold"})
    assert len(card["observer_ids"]) == 2
    by_reference = get(api, f"companies/by-ref/crm/{first['id']}")
    assert by_reference["id"] == winner["id"]

    assert undone(api, merge)["state"] == "undone"

    assert stored(stage, api) == before
    assert get(api, f"companies/{first['id']}")["version"] == first["version"] + 2
    assert get(api, f"companies/by-ref/crm/{first['id']}")["id"] == first["id"]


def test_contacts_are_merged_and_parted_likewise(stage: Stage, api: Client) -> None:
    company, loser = a_client(api)
    consent = {"purpose": "newsletter", "is_granted": True, "decided_at": "2026-03-01T08:00:00Z", "source": None}
    winner = a_contact(api, company_id=company["id"], emails=["w@client.example"], consents=[consent])
    patch(api, f"contacts/{loser['id']}", consents=[consent | {"is_granted": False}], language="it")
    before = stored(stage, api)

    merge = merged(api, "contact", winner, loser)

    assert merge["moved_counts"] == {"comments": 1, "external-references": 1, "locations": 1, "tickets": 1}
    card = get(api, f"contacts/{winner['id']}")
    assert card["emails"] == ["w@client.example", *loser["emails"]]
    assert (card["language"], card["consents"]) == ("it", [consent])

    undone(api, merge)

    assert stored(stage, api) == before


def test_old_ids_lead_to_the_winner_for_ever_and_are_not_changed(api: Client) -> None:
    oldest, older, winner = (a_company(api) for _ in range(3))
    merged(api, "company", older, oldest)
    merge = merged(api, "company", winner, older)
    path = f"/v1/companies/{oldest['id']}"

    found = api.get(path)

    assert refused(found, 308, "moved") == {"id": oldest["id"], "merged_into": winner["id"]}
    assert found.headers["location"] == f"/v1/companies/{winner['id']}"
    for answer in (
        api.patch(path, json={"name": "Other"}),
        api.delete(path),
        api.post("/v1/merges", json={"card_type": "company", "winner_id": oldest["id"], "loser_ids": [winner["id"]]}),
    ):
        assert refused(answer, 409, "merged")["merged_into"] == winner["id"]
    undone(api, merge)
    assert api.get(path).headers["location"] == f"/v1/companies/{older['id']}"


def test_a_dry_run_tells_what_would_follow_and_changes_nothing(stage: Stage, api: Client) -> None:
    winner, (loser, _) = a_company(api), a_client(api)
    create(api, "roles", name="Of one", audience="staff", permissions=["tickets:read"], reach="companies",
           company_ids=[loser["id"]])  # fmt: skip
    before, recorded = stored(stage, api), events_of(stage, api)
    body = {"card_type": "company", "winner_id": winner["id"], "loser_ids": [loser["id"]]}

    told = api.post("/v1/merges?dry_run=true", json=body)

    assert told.status_code == 200
    assert stored(stage, api) == before
    assert events_of(stage, api) == recorded
    real = merged(api, "company", winner, loser)
    assert {key: told.json()[key] for key in ("moved_counts", "still_named_counts")} == {
        "moved_counts": real["moved_counts"], "still_named_counts": {"roles": 1},
    }  # fmt: skip


def test_what_came_since_stays_unless_it_is_at_a_place_that_goes_back(api: Client) -> None:
    winner, loser = a_company(api), a_company(api)
    place = create(api, "locations", company_id=loser["id"], name="Dock 3")
    merge = merged(api, "company", winner, loser)
    here, there = (
        a_ticket(api, company_id=winner["id"], location_id=place["id"]),
        a_ticket(api, company_id=winner["id"]),
    )
    patch(api, f"companies/{winner['id']}", domains=["new.example"])

    undone(api, merge)

    assert get(api, f"tickets/{here['id']}")["company_id"] == loser["id"]
    assert get(api, f"tickets/{there['id']}")["company_id"] == winner["id"]
    assert get(api, f"companies/{winner['id']}")["domains"] == ["new.example"]


def test_a_contract_that_was_amended_since_is_with_both_once_they_are_parted(stage: Stage, api: Client) -> None:
    winner, loser = a_company(api), a_company(api)
    contract = create(api, "contracts", number="SC 1", name="Care")
    amend(api, contract, [loser], create(api, "locations", company_id=loser["id"], name="Dock 1"))
    merge = merged(api, "company", winner, loser)
    amend(api, contract, [winner], create(api, "locations", company_id=winner["id"], name="Dock 2"))

    undone(api, merge)

    for table in ("contract_companies", "contract_references"):
        named = f"SELECT company_id FROM {table} WHERE tenant_id = $1 AND contract_id = $2"  # noqa: S608 - names of our tables.
        rows = stage.sql(named, api.tenant.id, UUID(contract["id"]))
        assert {row["company_id"] for row in rows} == {UUID(winner["id"]), UUID(loser["id"])}


def test_merges_that_cannot_be_undone_say_why(api: Client) -> None:
    winner, first, second = (a_company(api) for _ in range(3))
    earlier, later = merged(api, "company", winner, first), merged(api, "company", winner, second)

    def undo(merge: Json) -> httpx2.Response:
        return api.post(f"/v1/merges/{merge['id']}/undo")

    assert refused(undo(earlier), 409, "merge_not_undoable") == {"later_merge_id": later["id"]}
    undone(api, later)
    assert refused(undo(later), 409, "merge_not_undoable") == {"state": "undone"}
    assert api.delete(f"/v1/companies/{winner['id']}").status_code == 204
    assert refused(undo(earlier), 409, "merge_not_undoable") == {"deleted": winner["id"]}


def test_what_cannot_be_merged_is_refused_and_left_as_it_is(stage: Stage, api: Client) -> None:
    card, person, other = a_company(api), a_contact(api), a_contact(api)
    full = [a_company(api, domains=[f"{name}{number}.example" for number in range(50)]) for name in "ab"]
    key = create(api, "api-keys", name="Portal", contact_id=person["id"])
    before = stored(stage, api)

    def merge(card_type: str, winner: Json, loser: Json) -> httpx2.Response:
        ids = {"winner_id": winner["id"], "loser_ids": [loser["id"]]}
        return api.post("/v1/merges", json={"card_type": card_type, **ids})

    refused(merge("company", card, card), 422, "merged_with_itself")
    refused(merge("company", card, person), 422, "unknown_reference")
    assert refused(merge("company", *full), 409, "card_too_full") == {"field": "domains", "most": 50}
    assert refused(merge("contact", other, person), 409, "contact_has_keys") == {"api_key_id": key["id"]}
    assert stored(stage, api) == before


def test_companies_that_belong_to_each_other_never_close_a_ring(api: Client) -> None:
    top = a_company(api)
    loser = a_company(api, parent_company_id=top["id"])
    between = a_company(api, parent_company_id=loser["id"])
    winner = a_company(api, parent_company_id=between["id"])

    merge = merged(api, "company", winner, loser)

    parents = {name: get(api, f"companies/{card['id']}")["parent_company_id"]
               for name, card in (("winner", winner), ("between", between))}  # fmt: skip
    assert parents == {"winner": top["id"], "between": winner["id"]}
    undone(api, merge)
    assert get(api, f"companies/{winner['id']}")["parent_company_id"] == between["id"]


def test_the_feed_of_a_merge_tells_of_both_cards_and_of_what_followed(stage: Stage, api: Client) -> None:
    winner, loser = a_company(api), a_company(api, notes="Rings twice.")
    ticket = a_ticket(api, company_id=loser["id"])

    merge = merged(api, "company", winner, loser)
    undone(api, merge)

    rows = stage.sql(
        "SELECT type, object_id, object_version, data FROM events WHERE tenant_id = $1 AND (data->>'merge_id' = $2"
        " OR object_id = $3) ORDER BY xid, seq",
        *(api.tenant.id, merge["id"], UUID(merge["id"])),
    )
    assert [(row["type"], str(row["object_id"]), row["object_version"]) for row in rows] == [
        ("ticket.updated", ticket["id"], 2),
        ("company.updated", winner["id"], 2),
        ("company.deleted", loser["id"], 2),
        ("merge.created", merge["id"], 1),
        ("company.merged", winner["id"], 2),
        ("company.updated", winner["id"], 3),
        ("ticket.updated", ticket["id"], 3),
        ("company.restored", loser["id"], 3),
        ("merge.undone", merge["id"], 2),
    ]
