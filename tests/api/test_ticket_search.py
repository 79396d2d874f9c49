"""Searching tickets by a condition: pages as lists have, and nothing told of what the caller is not shown."""

from typing import Any

import pytest

from tests.factories import a_company, a_contact, a_policy, a_ticket, create, get
from tests.stage import Client, Stage


def search(api: Client, condition: object, **query: str) -> Any:  # noqa: ANN401 - the answer, whatever it is.
    """Search, and give the answer."""
    return api.post("/v1/tickets/search", json={"condition": condition}, params=query)


def found(api: Client, condition: object, **query: str) -> list[str]:
    """Give the subjects of the tickets that fit, oldest first."""
    answer = search(api, condition, sort="number", **query)
    assert answer.status_code == 200, answer.text
    return [ticket["subject"] for ticket in answer.json()["data"]]


def about(field: str, op: str, *value: object) -> dict[str, object]:
    """Compare a field."""
    return {"field": field, "op": op} | ({"value": value[0]} if value else {})


def test_tickets_are_found_by_what_they_their_client_and_their_clocks_are(api: Client) -> None:
    a_policy(api, calendar_id=None, targets=[{"metric": "resolution", "seconds": 60, "hours": "calendar"}])
    north = a_company(api, territory="North")["id"]
    a_ticket(api, subject="Printer", priority="urgent", company_id=north, tags=["Dock-3"])
    a_ticket(api, subject="Scanner", status="solved")
    a_ticket(api, subject="Scale", priority="low")

    assert found(api, about("company.territory", "eq", "NORTH")) == ["Printer"]
    assert found(api, about("priority", "gte", "normal")) == ["Printer", "Scanner"]
    assert found(api, about("clocks.resolution.state", "eq", "running")) == ["Printer", "Scale"]
    assert found(api, about("clocks.resolution.due_at", "lt", {"seconds_from_now": 61}), status="new") == [
        "Printer",
        "Scale",
    ]
    neither = {"not": {"any": [about("tags", "contains", "dock-3"), about("subject", "starts_with", "SCAN")]}}
    assert found(api, neither) == ["Scale"]
    assert found(api, {"all": []}, status="solved") == ["Scanner"]


def test_a_search_is_paged_and_counted_like_the_list_and_its_cursor_belongs_to_the_condition(api: Client) -> None:
    for number in range(5):
        a_ticket(api, subject=f"Printer {number}", type="question" if number == 4 else "incident")
    condition = about("type", "eq", "incident")

    first = search(api, condition, limit="3", sort="-number", include_total="true", include="company").json()
    cursor = first["page"]["next_cursor"]
    second = search(api, condition, limit="3", sort="-number", cursor=cursor).json()
    other = search(api, about("type", "eq", "question"), limit="3", sort="-number", cursor=cursor)

    assert [ticket["subject"] for ticket in first["data"]] == ["Printer 3", "Printer 2", "Printer 1"]
    assert (first["total"], first["included"]) == ({"count": 4, "relation": "eq"}, {
        "companies": {}, "contacts": {}, "locations": {}, "assets": {}, "services": {}, "contracts": {}, "teams": {},
        "users": {},
    })  # fmt: skip
    assert [ticket["subject"] for ticket in second["data"]] == ["Printer 0"]
    assert (other.status_code, other.json()["code"]) == (400, "cursor_mismatch")


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        ({"all": [about("colour", "eq", "red")]}, "unknown_condition_field", "#/condition/all/0/field"),
        (about("event.actor_type", "eq", "user"), "unknown_condition_field", "#/condition/field"),
        (about("status", "contains", "open"), "impossible_comparison", "#/condition/op"),
        (about("status", "eq", "lost"), "invalid_condition_value", "#/condition/value"),
        ({"some": []}, "validation_failed", "#/condition/some"),
        ({"all": [5]}, "validation_failed", "#/condition/all/0"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_is_wrong(
    api: Client, condition: object, code: str, pointer: str
) -> None:
    problem = search(api, condition).json()

    assert (problem["code"], [error["pointer"] for error in problem["errors"]]) == (code, [pointer])


def of_contact(stage: Stage, api: Client, company_id: str) -> Client:
    """Give a client that a contact of a company uses."""
    (role,) = [role for role in get(api, "roles?limit=200")["data"] if role["slug"] == "contact_manager"]
    contact = a_contact(api, company_id=company_id, portal_role_id=role["id"])
    return stage.client(api.tenant, create(api, "api-keys", name="Portal", contact_id=contact["id"])["key"])


def test_nobody_can_ask_about_what_he_is_not_shown(stage: Stage, api: Client) -> None:
    internal = [about("tags", "contains", "vip"), {"not": {"any": [about("team_id", "is_empty")]}}]
    scopes = ["tickets:read", "companies:read", "companies:list", "contacts:read"]
    key = create(api, "api-keys", name="Status page", scopes=scopes, field_groups=[])["key"]
    with stage.client(api.tenant, key) as narrow, of_contact(stage, api, a_company(api)["id"]) as contact:
        refused = [search(client, condition).json() for client in (narrow, contact) for condition in internal]
        refused.append(search(narrow, about("company.territory", "eq", "north")).json())
        # To find tickets by what stands on client cards is to go through the cards.
        cards = search(narrow, about("contact.name", "starts_with", "a")).json()

    assert [(problem["status"], problem["code"]) for problem in refused] == [(403, "field_not_allowed")] * 5
    assert (cards["status"], cards["code"]) == (403, "missing_permission")
    assert cards["detail"] == "This operation needs the permission contacts:list."


def test_hidden_tickets_are_neither_found_nor_counted(stage: Stage, api: Client) -> None:
    ours, others = (a_company(api)["id"] for _ in range(2))
    a_ticket(api, subject="Ours", company_id=ours)
    a_ticket(api, subject="Theirs", company_id=others)
    with of_contact(stage, api, ours) as contact:
        answer = search(contact, about("number", "gte", 0), include_total="true").json()

    assert [ticket["subject"] for ticket in answer["data"]] == ["Ours"]
    assert answer["total"] == {"count": 1, "relation": "eq"}


def test_the_catalogue_tells_what_can_be_asked(api: Client) -> None:
    fields = {field["path"]: field for field in get(api, "condition-fields")["data"]}

    assert fields["priority"] == {
        "path": "priority",
        "type": "level",
        "description": "The priority; `gte` `high` is high or urgent.",
        "operators": ["eq", "ne", "in", "gt", "gte", "lt", "lte"],
        "choices": ["low", "normal", "high", "urgent"],
        "is_nullable": False,
        "uses": ["rule", "search", "sla_policy", "template", "webhook"],
        "permission": "tickets:read",
        "field_group": None,
    }
    assert fields["assignee_id"]["field_group"] == "ticket.internal"
    assert (fields["contact.emails"]["permission"], fields["contact.emails"]["field_group"]) == (
        "contacts:list",
        "client.contact_details",
    )
    assert (fields["previous.status"]["uses"], fields["previous.status"]["is_nullable"]) == (
        ["rule", "webhook"],
        True,
    )
