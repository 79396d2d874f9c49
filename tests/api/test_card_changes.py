"""The delta feed of client cards: the last state of each, without gaps, and without what the caller has done itself."""

from typing import Any
from uuid import uuid4

from tests.factories import a_company, a_contact, create, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

JSON = dict[str, Any]


def follow(api: Client, plural: str, after: str | None, **query: str) -> tuple[list[JSON], str]:
    """Read all that is there behind a cursor, and the cursor to go on from."""
    found: list[JSON] = []
    while True:
        answer = api.get(f"/v1/{plural}/changes", params=query | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        after = str(page["page"]["next_cursor"])
        if not page["page"]["has_more"]:
            return found, after


def settled(api: Client, plural: str, after: str, last_id: str) -> list[JSON]:
    """Wait until the feed tells of the last card, and give everything behind the cursor."""

    def told() -> list[JSON] | None:
        found, _ = follow(api, plural, after, include_own="true")
        return found if any(each["id"] == last_id for each in found) else None

    return until(told)


def end_of(api: Client, plural: str) -> str:
    """Give the cursor at the end, once all that was done before is told."""
    last = create(api, "teams", name=f"Last {uuid4()}")["id"]
    until(lambda: get(api, f"events?object_id={last}")["data"] or None)
    return follow(api, plural, "end")[1]


def test_each_card_is_told_once_with_its_last_state_in_the_order_of_the_last_changes(api: Client) -> None:
    start = end_of(api, "companies")
    first, second, gone = (a_company(api, name=name) for name in ("First", "Second", "Gone"))
    a_contact(api)
    patch(api, f"companies/{first['id']}", notes="Rings twice.")
    assert api.delete(f"/v1/companies/{gone['id']}").status_code == 204
    last = a_company(api, name="Last")

    found = settled(api, "companies", start, last["id"])

    assert [(each["type"], each["id"], each["version"]) for each in found] == [
        ("upserted", second["id"], 1),
        ("upserted", first["id"], 2),
        ("deleted", gone["id"], 2),
        ("upserted", last["id"], 1),
    ]
    assert found[1]["card"] == {key: value for key, value in get(api, f"companies/{first['id']}").items()
                                if key != "included"}  # fmt: skip
    assert found[2]["card"] is None
    assert follow(api, "companies", start, include_own="true", limit="2")[0][-1] == found[-1]


def test_what_the_caller_has_done_is_left_out_and_what_others_do_to_the_same_card_is_told(
    stage: Stage, api: Client
) -> None:
    made = create(api, "api-keys", name="CRM", scopes=["*:read", "*:write"], field_groups=["*"])
    with stage.client(api.tenant, made["key"]) as crm:
        start = end_of(api, "companies")
        own, shared = a_company(crm, name="Own"), a_company(crm, name="Shared")
        patch(api, f"companies/{shared['id']}", name="Renamed by staff")
        last = a_company(api, name="Last")
        settled(api, "companies", start, last["id"])

        mine, _ = follow(crm, "companies", start)

        assert [each["card"]["name"] for each in mine] == ["Renamed by staff", "Last"]
        assert own["id"] in [each["id"] for each in follow(crm, "companies", start, include_own="true")[0]]


def test_a_cursor_of_elsewhere_is_refused(stage: Stage, api: Client) -> None:
    with stage.tenant() as foreign:
        cursor = follow(foreign, "companies", "end")[1]
        for parameter in ("after", "until"):
            answer = api.get("/v1/companies/changes", params={parameter: cursor})
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")
            assert answer.json()["errors"][0]["pointer"] == f"#/{parameter}"


def test_only_who_may_list_cards_follows_them(stage: Stage, api: Client) -> None:
    made = create(api, "api-keys", name="Reader", scopes=["companies:read"])
    with stage.client(api.tenant, made["key"]) as reader:
        answer = reader.get("/v1/companies/changes")

    assert (answer.status_code, answer.json()["params"]) == (403, {"permission": "companies:list"})
