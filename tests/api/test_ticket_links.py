"""How tickets are linked, and which of them end together."""

from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.api.test_rules import a_rule, tagging, told
from tests.factories import a_company, a_ticket, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]


def link(api: Client, source: JSON, type: str, target: JSON) -> JSON:
    """Link two tickets."""
    return create(api, "ticket-links", type=type, source_ticket_id=source["id"], target_ticket_id=target["id"])


def refusal(api: Client, source: JSON, type: str, target: JSON) -> tuple[int, str, str]:
    """Try to link two tickets; gives status, code and the pointer of what was refused."""
    body = {"type": type, "source_ticket_id": source["id"], "target_ticket_id": target["id"]}
    answer = api.post("/v1/ticket-links", json=body)
    return answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]


def statuses(api: Client, *tickets: JSON) -> list[str]:
    return [get(api, f"tickets/{ticket['id']}")["status"] for ticket in tickets]


def solve(api: Client, ticket: JSON, status: str = "solved") -> tuple[int, str | None]:
    answer = api.patch(f"/v1/tickets/{ticket['id']}", json={"status": status})
    return answer.status_code, answer.json().get("code")


def found(api: Client, field: str, op: str, value: Any) -> set[str]:  # noqa: ANN401 - JSON.
    answer = api.post("/v1/tickets/search", json={"condition": {"field": field, "op": op, "value": value}})
    assert answer.status_code == 200, answer.text
    return {ticket["id"] for ticket in answer.json()["data"]}


def test_links_neither_lead_round_nor_stand_twice_and_a_ticket_has_one_parent(api: Client, stage: Stage) -> None:
    one, two, three, other = (a_ticket(api) for _ in range(4))
    link(api, two, "child_of", one)
    made = link(api, three, "child_of", two)
    link(api, one, "blocks", two)
    link(api, one, "relates_to", two)

    refused = [
        refusal(api, one, "child_of", three),
        refusal(api, two, "blocks", one),
        refusal(api, three, "child_of", two),
        refusal(api, two, "relates_to", one),
        refusal(api, three, "child_of", other),
        refusal(api, three, "child_of", one),
        refusal(api, one, "duplicates", one),
        refusal(api, one, "duplicates", {"id": str(uuid4())}),
    ]

    assert refused == [
        (422, "link_cycle", "#/target_ticket_id"),
        (422, "link_cycle", "#/target_ticket_id"),
        (409, "already_exists", "#/type"),
        (409, "already_exists", "#/type"),
        (409, "has_parent", "#/source_ticket_id"),
        (409, "has_parent", "#/source_ticket_id"),
        (422, "linked_to_itself", "#/target_ticket_id"),
        (422, "unknown_reference", "#/target_ticket_id"),
    ]
    assert len(get(api, f"ticket-links?ticket_id={two['id']}")["data"]) == 4
    assert len(get(api, f"ticket-links?ticket_id={three['id']}&ticket_id={other['id']}&type=child_of")["data"]) == 1
    with pytest.raises(asyncpg.UniqueViolationError, match="uq_ticket_links_one_parent"):
        stage.sql(
            "INSERT INTO ticket_links SELECT tenant_id, gen_random_uuid(), type, source_ticket_id, $2, now(), now(), 1 "
            "FROM ticket_links WHERE id = $1",
            *(UUID(made["id"]), UUID(other["id"])),
        )


def test_children_stand_in_ten_levels_at_most(api: Client) -> None:
    upper, lower = ([a_ticket(api) for _ in range(count)] for count in (7, 4))
    for line in (upper, lower):
        for parent, child in pairwise(line):
            link(api, child, "child_of", parent)

    assert refusal(api, lower[0], "child_of", upper[-1]) == (422, "too_many_levels", "#/target_ticket_id")
    link(api, lower[0], "child_of", upper[-2])


def test_open_children_keep_their_parent_open_on_every_way_to_finish_it(api: Client) -> None:
    parent, child = a_ticket(api), a_ticket(api)
    link(api, child, "child_of", parent)
    a_rule(
        api,
        "updated",
        condition={"field": "tags", "op": "contains", "value": "finish"},
        actions=[{"action": "set", "values": {"status": "closed"}}],
    )
    actions = [{"action": "set", "values": {"status": "solved"}}]

    answers = [solve(api, parent), solve(api, parent, "closed")]
    bulk = api.post("/v1/tickets/bulk", json={"tickets": [{"ticket_id": parent["id"]}], "actions": actions}).json()
    by_rule = patch(api, f"tickets/{parent['id']}", tags=["finish"])
    solve(api, child)
    at_last = solve(api, parent)

    assert answers == [(409, "open_children")] * 2
    assert bulk["items"][0]["problem"]["errors"][0]["pointer"] == "#/actions/0/values/status"
    assert bulk["items"][0]["problem"]["code"] == "open_children"
    assert by_rule["status"] == "new"
    assert at_last == (200, None)
    assert refusal(api, a_ticket(api), "child_of", parent) == (409, "parent_finished", "#/target_ticket_id")


def test_children_are_finished_with_their_parent_or_left_alone_as_the_tenant_says(api: Client) -> None:
    assert get(api, "ticket-settings") | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "", "created_at": "", "updated_at": "", "version": 1,
        "open_children": "block", "open_duplicates": "finish",
    }  # fmt: skip
    patch(api, "ticket-settings", open_children="finish")
    parent, child, grandchild, done = (a_ticket(api) for _ in range(4))
    link(api, child, "child_of", parent)
    link(api, grandchild, "child_of", child)
    link(api, done, "child_of", parent)
    solve(api, done)
    a_rule(
        api,
        "updated",
        condition={"field": "status", "op": "eq", "value": "closed"},
        actions=tagging("ended"),
    )

    solve(api, parent, "closed")
    patch(api, "ticket-settings", open_children="ignore")
    alone, left = a_ticket(api), a_ticket(api)
    link(api, left, "child_of", alone)
    solve(api, alone)

    assert statuses(api, parent, child, grandchild, done) == ["closed", "closed", "closed", "solved"]
    assert statuses(api, alone, left) == ["solved", "new"]
    assert get(api, f"tickets/{grandchild['id']}")["tags"] == ["ended"]
    (event,) = told(api, grandchild["id"], "ticket.status_changed")
    assert (event["actor"]["type"], event["cause"]["type"]) == ("system", "request")


def test_duplicates_are_solved_with_their_original_and_nothing_else_is(api: Client) -> None:
    original, duplicate, further, blocked = (a_ticket(api) for _ in range(4))
    link(api, duplicate, "duplicates", original)
    link(api, further, "duplicates", duplicate)
    waiting = a_ticket(api)
    link(api, waiting, "duplicates", original)
    link(api, a_ticket(api), "child_of", waiting)
    link(api, blocked, "caused_by", original)
    link(api, original, "relates_to", blocked)

    solve(api, original)
    patch(api, "ticket-settings", open_duplicates="ignore")
    other, open_one = a_ticket(api), a_ticket(api)
    link(api, open_one, "duplicates", other)
    solve(api, other)

    assert statuses(api, original, duplicate, further, blocked) == ["solved", "solved", "solved", "new"]
    assert statuses(api, open_one, waiting) == ["new", "new"]


def test_conditions_ask_for_the_parent_and_for_open_children(api: Client) -> None:
    parent, child, done = a_ticket(api), a_ticket(api), a_ticket(api)
    link(api, child, "child_of", parent)
    made = link(api, done, "child_of", parent)
    solve(api, done)

    assert found(api, "parent_id", "eq", parent["id"]) == {child["id"], done["id"]}
    assert found(api, "open_child_count", "gte", 1) == {parent["id"]}
    api.delete(f"/v1/ticket-links/{made['id']}")
    assert found(api, "parent_id", "eq", parent["id"]) == {child["id"]}
    solve(api, child)
    assert found(api, "open_child_count", "gte", 1) == set()


def test_a_link_is_seen_with_both_of_its_ends_and_made_by_who_sees_both(api: Client, stage: Stage) -> None:
    mine, theirs = a_company(api)["id"], a_company(api)["id"]
    own, other, foreign = (a_ticket(api, company_id=company) for company in (mine, mine, theirs))
    seen, hidden = link(api, own, "blocks", other), link(api, own, "relates_to", foreign)
    role = create(
        api, "roles", name="North", audience="staff", reach="companies", company_ids=[mine], territories=[],
        permissions=["tickets:read", "tickets:write", "ticket-links:read", "ticket-links:write"], field_groups=[],
    )["id"]  # fmt: skip
    with stage.client(api.tenant, create(api, "api-keys", name="North", role_id=role)["key"]) as staff:
        assert [each["id"] for each in get(staff, "ticket-links")["data"]] == [seen["id"]]
        assert staff.get(f"/v1/ticket-links/{hidden['id']}").status_code == 404
        assert refusal(staff, own, "duplicates", foreign)[1] == "unknown_reference"
        link(api, foreign, "child_of", own)
        assert found(staff, "open_child_count", "gte", 1) == set()
        assert found(api, "open_child_count", "gte", 1) == {own["id"]}
