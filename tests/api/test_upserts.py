"""Client cards written by the ids of another system: created once, changed where they differ, else left alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.contract.bodies import create
from tests.contract.rows import contents, events
from tests.stage import Client, Stage

JSON = dict[str, Any]


def put(api: Client, name: str, card: JSON, **query: str) -> httpx2.Response:
    """Write a card by its path beneath `/v1`, such as `companies/by-ref/crm/42`."""
    return api.put(f"/v1/{name}", json=card, params=query)


def pushed(answer: httpx2.Response) -> tuple[int, str, str | None]:
    """Give what became of a card that was not refused."""
    body = answer.json()
    return answer.status_code, body["outcome"], body["matched_on"]


def refused(answer: httpx2.Response) -> tuple[int, str]:
    """Give the refusal of a card."""
    return answer.status_code, answer.json()["code"]


def batch(api: Client, plural: str, *items: JSON | list[str], **options: Any) -> JSON:  # noqa: ANN401 - any option.
    """Push cards of the CRM."""
    answer = api.post(f"/v1/{plural}/upsert", json={"source": "crm", "items": list(items), **options})
    assert answer.status_code == 200, answer.text
    told: JSON = answer.json()
    return told


def outcomes(told: JSON) -> list[tuple[str, str | None]]:
    """Give the outcome of each card of a batch, with the code of its problem."""
    return [(item["outcome"], item["problem"] and item["problem"]["code"]) for item in told["items"]]


def test_a_card_is_created_then_left_then_changed(api: Client, stage: Stage) -> None:
    first = put(api, "companies/by-ref/crm/42", {"name": "Alpine Dairy", "domains": ["Alpine.example"]})
    card = first.json()["card"]
    same = put(api, "companies/by-ref/crm/42", {"name": " Alpine Dairy ", "domains": ["alpine.EXAMPLE"]})
    changed = put(api, "companies/by-ref/crm/42", {"notes": "Before 06:00."})

    assert (pushed(first), first.headers["location"]) == ((201, "created", None), f"/v1/companies/{card['id']}")
    assert (pushed(same), same.headers["etag"]) == ((200, "unchanged", None), '"v1"')
    assert (pushed(changed), changed.headers["etag"]) == ((200, "updated", None), '"v2"')
    assert changed.json()["card"] == card | {
        "notes": "Before 06:00.", "version": 2, "updated_at": changed.json()["card"]["updated_at"]
    }  # fmt: skip
    assert [event["type"] for event in events(stage, api.tenant.id, card["id"])] == [
        "company.created", "company.updated"
    ]  # fmt: skip
    read = api.get("/v1/companies/by-ref/crm/42")
    assert (read.json(), read.headers["etag"]) == (changed.json()["card"], '"v2"')


def test_what_is_written_the_same_but_for_its_form_changes_nothing(api: Client) -> None:
    card = {"name": "Caf\u00e9", "emails": ["Luca@Client.example"], "phones": ["+39 06 6982 1234"]}
    again = {"name": "Cafe\u0301", "emails": ["luca@client.example"], "phones": ["+390669821234"]}
    put(api, "contacts/by-ref/crm/1", card)

    assert pushed(put(api, "contacts/by-ref/crm/1", again)) == (200, "unchanged", None)


def test_two_desks_that_echo_each_other_fall_silent_after_one_round(stage: Stage) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        mine = put(ours, "companies/by-ref/theirs/7", {"name": "Alpine", "domains": ["a.example"]}).json()["card"]
        copy = {name: mine[name] for name in ("name", "domains", "notes", "territory")}
        rounds = []
        for _ in range(3):
            sent = put(theirs, "companies/by-ref/ours/7", copy).json()
            back = put(ours, "companies/by-ref/theirs/7", {name: sent["card"][name] for name in copy}).json()
            rounds.append((sent["outcome"], back["outcome"]))

    assert rounds == [("created", "unchanged"), ("unchanged", "unchanged"), ("unchanged", "unchanged")]


def test_a_new_card_needs_what_every_card_needs(api: Client, stage: Stage) -> None:
    before = contents(stage, api.tenant.id)

    answer = put(api, "companies/by-ref/crm/42", {"notes": "Nobody knows whose."})

    assert refused(answer) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "#/name"
    assert refused(api.get("/v1/companies/by-ref/crm/42")) == (404, "not_found")
    assert contents(stage, api.tenant.id) == before


def test_an_id_belongs_to_one_company_and_one_contact_of_a_system(api: Client) -> None:
    put(api, "companies/by-ref/crm/42", {"name": "Alpine"})
    put(api, "contacts/by-ref/crm/42", {"name": "Luca"})
    put(api, "companies/by-ref/erp/42", {"name": "Another"})
    other = create(api, "companies", name="Third")

    again = api.post("/v1/external-references", json={"source": "crm", "external_id": "42", "company_id": other["id"]})

    assert refused(again) == (409, "already_exists")
    found = api.get("/v1/external-references", params={"external_id": "42"}).json()["data"]
    assert sorted((row["source"], row["company_id"] is None) for row in found) == [
        ("crm", False), ("crm", True), ("erp", False)
    ]  # fmt: skip


@pytest.mark.parametrize("ids", [{}, {"company_id": True, "contact_id": True}])
def test_a_reference_is_to_one_card(api: Client, ids: JSON) -> None:
    cards = {
        "company_id": create(api, "companies", name="Alpine")["id"],
        "contact_id": create(api, "contacts", name="Luca")["id"],
    }
    body = {"source": "crm", "external_id": "42", **{name: cards[name] for name in ids}}

    assert refused(api.post("/v1/external-references", json=body)) == (422, "one_card")


def test_the_references_of_a_card_go_with_it(api: Client) -> None:
    card = put(api, "companies/by-ref/crm/42", {"name": "Alpine"}).json()["card"]

    assert api.delete(f"/v1/companies/{card['id']}").status_code == 204

    assert api.get("/v1/external-references").json()["data"] == []
    assert pushed(put(api, "companies/by-ref/crm/42", {"name": "Alpine"}))[1] == "created"


def test_a_card_is_matched_only_when_asked_and_by_what_is_asked(api: Client) -> None:
    known = create(api, "contacts", name="Luca", emails=["luca@client.example"], phones=["+390669821234"])

    unasked = put(api, "contacts/by-ref/a/1", {"name": "L.", "emails": ["luca@client.example"]})
    api.delete(f"/v1/contacts/{unasked.json()['card']['id']}")
    by_mail = put(api, "contacts/by-ref/b/1", {"emails": ["LUCA@client.example"]}, match_on="email")
    by_phone = put(api, "contacts/by-ref/c/1", {"name": "Luca F.", "phones": ["+39 0669821234"]}, match_on="phone")
    by_other = put(api, "contacts/by-ref/d/1", {"name": "L.", "emails": ["luca@client.example"]}, match_on="phone")

    assert pushed(unasked)[1] == "created"
    assert (pushed(by_mail), by_mail.json()["card"]["id"]) == ((200, "unchanged", "email"), known["id"])
    assert (pushed(by_phone), by_phone.json()["card"]["id"]) == ((200, "updated", "phone"), known["id"])
    assert pushed(by_other)[1] == "created"
    references = api.get("/v1/external-references", params={"contact_id": known["id"]}).json()["data"]
    assert sorted(row["source"] for row in references) == ["b", "c"]


def test_between_several_matches_nobody_guesses(api: Client, stage: Stage) -> None:
    twins = [create(api, "companies", name=name, domains=["twin.example"])["id"] for name in ("A", "B")]
    before = contents(stage, api.tenant.id)

    answer = put(api, "companies/by-ref/crm/1", {"domains": ["twin.example"]}, match_on="domain")

    assert refused(answer) == (409, "several_matches")
    assert answer.json()["params"] == {"candidates": " ".join(sorted(twins)), "match_on": "domain"}
    assert contents(stage, api.tenant.id) == before


def test_a_match_that_goes_by_another_id_of_the_system_is_no_match(api: Client) -> None:
    put(api, "companies/by-ref/crm/1", {"name": "Alpine", "domains": ["alpine.example"]})

    answer = put(api, "companies/by-ref/crm/2", {"name": "Alps", "domains": ["alpine.example"]}, match_on="domain")

    assert refused(answer) == (409, "already_linked")


def test_an_older_state_is_refused_and_the_same_state_is_not(api: Client) -> None:
    def push(name: str, at: str) -> httpx2.Response:
        return put(api, "companies/by-ref/crm/1", {"name": name}, source_updated_at=at)

    push("First", "2026-03-01T08:00:00Z")

    assert pushed(push("Second", "2026-03-01T09:00:00+01:00")) == (200, "updated", None)
    assert refused(push("Older", "2026-03-01T07:59:59Z")) == (409, "stale_source")
    assert pushed(push("Third", "2026-03-01T10:00:00Z")) == (200, "updated", None)
    assert refused(push("Second", "2026-03-01T09:59:59Z")) == (409, "stale_source")
    assert api.get("/v1/companies/by-ref/crm/1").json()["name"] == "Third"


def test_a_change_made_on_another_version_is_refused(api: Client) -> None:
    put(api, "companies/by-ref/crm/1", {"name": "First"})

    answer = api.put("/v1/companies/by-ref/crm/1", json={"name": "Second"}, headers={"if-match": '"v7"'})

    assert refused(answer) == (412, "stale_version")


def test_a_contact_names_its_company_as_its_system_does(api: Client) -> None:
    company = put(api, "companies/by-ref/crm/7", {"name": "Alpine"}).json()["card"]

    known = put(api, "contacts/by-ref/crm/1", {"name": "Luca", "company_external_id": "7"})
    unknown = put(api, "contacts/by-ref/crm/2", {"name": "Ada", "company_external_id": "8"})
    elsewhere = put(api, "contacts/by-ref/erp/1", {"name": "Ada", "company_external_id": "7"})

    assert known.json()["card"]["company_id"] == company["id"]
    assert [refused(answer) for answer in (unknown, elsewhere)] == [(422, "unknown_reference")] * 2
    assert unknown.json()["errors"][0]["pointer"] == "#/company_external_id"


def test_a_batch_tells_of_each_card_and_one_that_is_wrong_hinders_no_other(api: Client) -> None:
    create(api, "companies", name="A", domains=["twin.example"])
    create(api, "companies", name="B", domains=["twin.example"])
    put(api, "companies/by-ref/crm/known", {"name": "Known"})

    told = batch(
        api,
        "companies",
        {"external_id": "known", "card": {"name": "Known"}},
        {"external_id": "new", "card": {"name": "New"}},
        {"external_id": "new", "card": {"name": "Newer"}},
        {"external_id": "twin", "card": {"domains": ["twin.example"]}},
        {"external_id": "known", "base_version": 9, "card": {"name": "Stale"}},
        {"external_id": "bad", "card": {"name": "Bad", "domains": ["no domain"]}},
        {"external_id": "nameless", "card": {}},
        {"external_id": "a/b", "card": {"name": "Bad"}},
        ["no card"],
        {"external_id": "last", "card": {"name": "Last"}},
        match_on="domain",
    )

    assert outcomes(told) == [
        ("unchanged", None),
        ("created", None),
        ("updated", None),
        ("conflict", "several_matches"),
        ("conflict", "stale_version"),
        ("error", "validation_failed"),
        ("error", "validation_failed"),
        ("error", "validation_failed"),
        ("error", "validation_failed"),
        ("created", None),
    ]
    assert [item["index"] for item in told["items"]] == list(range(10))
    assert told["counts"] == {"unchanged": 1, "created": 2, "updated": 1, "conflict": 2, "error": 4}
    assert [told["items"][place]["problem"]["errors"][0]["pointer"] for place in (5, 6, 7)] == [
        "#/items/5/card/domains/0", "#/items/6/card/name", "#/items/7/external_id"
    ]  # fmt: skip
    assert sorted(row["name"] for row in api.get("/v1/companies").json()["data"]) == [
        "A",
        "B",
        "Known",
        "Last",
        "Newer",
    ]


def test_all_or_nothing_leaves_nothing_when_one_is_refused(api: Client, stage: Stage) -> None:
    before = contents(stage, api.tenant.id)
    cards = [{"external_id": str(number), "card": {"name": "Fine"}} for number in range(3)]

    answer = api.post(
        "/v1/companies/upsert",
        json={"source": "crm", "atomic": True, "items": [*cards, {"external_id": "x", "card": {"notes": "Nameless."}}]},
    )

    assert refused(answer) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "#/items/3/card/name"
    assert contents(stage, api.tenant.id) == before


def test_a_rehearsal_tells_what_would_happen_and_does_nothing(api: Client, stage: Stage) -> None:
    put(api, "companies/by-ref/crm/known", {"name": "Known"})
    cards = [
        {"external_id": "known", "card": {"name": "Renamed"}},
        {"external_id": "new", "card": {"name": "New"}},
        {"external_id": "new", "card": {"name": "New"}},
        {"external_id": "nameless", "card": {}},
    ]
    before = contents(stage, api.tenant.id)

    rehearsed = batch(api, "companies", *cards, dry_run=True)
    alone = put(api, "companies/by-ref/crm/new", {"name": "New"}, dry_run="true")

    assert contents(stage, api.tenant.id) == before
    assert pushed(alone) == (201, "created", None)
    assert outcomes(rehearsed) == outcomes(batch(api, "companies", *cards))


def test_the_same_card_pushed_by_many_at_once_is_created_once(api: Client) -> None:
    def push(number: int) -> str:
        card = {"name": "Alpine", "domains": ["alpine.example"]}
        answer = put(api, f"companies/by-ref/source-{number % 4}/1", card, match_on="domain")
        outcome: str = answer.json()["outcome"]
        return outcome

    with ThreadPoolExecutor(16) as crowd:
        told = list(crowd.map(push, range(32)))

    assert sorted(told) == ["created"] + ["unchanged"] * 31
    assert len(api.get("/v1/companies").json()["data"]) == 1
    assert len(api.get("/v1/external-references").json()["data"]) == 4


@contextmanager
def of_role(stage: Stage, api: Client, **role: Any) -> Iterator[Client]:  # noqa: ANN401 - any field of a role.
    """Make a client whose key stands for a role."""
    made = create(api, "roles", name="Sync", audience="staff", **role)
    key = create(api, "api-keys", name="Sync", role_id=made["id"])["key"]
    with stage.client(api.tenant, key) as client:
        yield client


def test_who_sees_some_clients_only_learns_nothing_of_the_ids_of_others(stage: Stage, api: Client) -> None:
    put(api, "companies/by-ref/crm/known", {"name": "Known", "territory": "south"})
    permissions = ["companies:read", "companies:write", "external-references:read", "external-references:write"]

    with of_role(
        stage, api, permissions=permissions, reach="territory", territories=["north"], field_groups=["*"]
    ) as narrow:
        answers = [
            (
                refused(narrow.get(f"/v1/companies/by-ref/crm/{name}")),
                refused(put(narrow, f"companies/by-ref/crm/{name}", {"name": "Mine"})),
            )
            for name in ("known", "unknown")
        ]
        listed = narrow.get("/v1/external-references").json()["data"]

    assert answers == [((404, "not_found"), (403, "reach_too_narrow"))] * 2
    assert listed == []


def test_who_is_not_shown_a_field_does_not_write_it(stage: Stage, api: Client) -> None:
    with of_role(stage, api, permissions=["companies:write"], reach="all") as client:
        told = batch(
            client,
            "companies",
            {"external_id": "1", "card": {"name": "Plain"}},
            {"external_id": "2", "card": {"name": "Noted", "notes": "For sales only."}},
        )

    assert outcomes(told) == [("created", None), ("error", "field_not_allowed")]
    assert told["items"][1]["problem"]["errors"][0]["pointer"] == "#/items/1/card/notes"
