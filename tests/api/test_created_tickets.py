"""Tickets that actions create: what they get from the one they are for, and that rules which create some end."""

from typing import Any

from tests.api.test_rules import a_rule, tagging, told
from tests.api.test_ticket_links import found, link
from tests.factories import a_company, a_contact, a_note, a_ticket, a_user, create, get
from tests.stage import Client, Stage

JSON = dict[str, Any]
TAGGED = {"field": "tags", "op": "contains", "value": "split"}


def creating(link_type: str = "child_of", **more: Any) -> list[JSON]:  # noqa: ANN401 - JSON.
    """Give an action that creates a ticket."""
    defaults = {"subject": "For #{{number}}", "description": "", "copied_fields": [], "values": {}}
    return [{"action": "create_ticket", "link_type": link_type, **defaults, **more}]


def children(api: Client, ticket: JSON) -> list[JSON]:
    """Give the tickets that were linked to one, in the order in which they were created."""
    links = get(api, f"ticket-links?target_ticket_id={ticket['id']}&sort=created_at")["data"]
    return sorted((get(api, f"tickets/{each['source_ticket_id']}") for each in links), key=lambda made: made["number"])


def test_a_rule_creates_a_child_that_gets_what_is_said_and_nothing_else(api: Client) -> None:
    company, team = a_company(api, name="Alpine Dairy")["id"], create(api, "teams", name="Field")["id"]
    contact = a_contact(api, company_id=company)["id"]
    a_rule(
        api,
        "updated",
        condition=TAGGED,
        actions=[
            *tagging("done"),
            *creating(
                subject="Visit {{company.name}}: {{subject}}",
                description="{{description}} ({{status}})",
                copied_fields=["company_id", "priority", "type"],
                values={"team_id": team, "tags": ["Visit"], "type": "task"},
            ),
        ],
    )
    of_child = a_rule(api, condition={"not": {"field": "parent_id", "op": "is_empty"}}, actions=tagging("child"))
    after = a_rule(
        api, "updated", position=2, condition={"field": "open_child_count", "op": "eq", "value": 1},
        actions=tagging("waits"),
    )  # fmt: skip
    ticket = a_ticket(
        api, subject="It leaks", description="By the door.", company_id=company, contact_id=contact, priority="high"
    )
    a_note(api, ticket, author_user_id=a_user(api)["id"])

    changed = api.patch(f"/v1/tickets/{ticket['id']}", json={"tags": ["split"]}).json()

    (child,) = children(api, ticket)
    assert changed["tags"] == ["done", "split", "waits"]
    assert [child[name] for name in ("subject", "description", "company_id", "contact_id", "priority", "type")] == [
        *("Visit Alpine Dairy: It leaks", "By the door. (new)", company, None, "high", "task")
    ]
    assert (child["team_id"], child["tags"], child["status"]) == (team, ["child", "visit"], "new")
    assert get(api, f"tickets/{child['id']}/comments")["data"] == []
    assert found(api, "parent_id", "eq", ticket["id"]) == {child["id"]}
    created, applied = told(api, child["id"], "ticket.created", "ticket.rule_applied")
    (by_parent,) = [
        each for each in told(api, ticket["id"], "ticket.rule_applied") if each["actor"]["id"] == after["id"]
    ]
    assert created["actor"]["type"] == "rule"
    assert (applied["actor"]["id"], applied["cause"]) == (of_child["id"], by_parent["cause"])
    runs = get(api, f"rule-runs?ticket_id={ticket['id']}&outcome=applied")["data"]
    assert sorted(list(run["changes"]) for run in runs) == [["tags"], ["tags"]]


def test_who_applies_actions_is_told_what_was_created_and_a_dry_run_creates_nothing(api: Client, stage: Stage) -> None:
    ticket, mine = a_ticket(api), ["tickets:write", "tickets:read"]
    body = {"tickets": [{"ticket_id": ticket["id"]}], "actions": creating("caused_by", subject="{{asset.name}}")}

    (dry,) = api.post("/v1/tickets/bulk", json={**body, "dry_run": True}).json()["items"]
    nothing = children(api, ticket)
    (item,) = api.post("/v1/tickets/bulk", json=body).json()["items"]
    wrong = api.post("/v1/tickets/bulk", json={**body, "actions": creating(values={"team_id": ticket["id"]})})
    unknown = api.post("/v1/tickets/bulk", json={**body, "actions": creating(description="{{comments}}")})
    role = {"audience": "staff", "reach": "all", "company_ids": [], "territories": [], "field_groups": []}
    key = create(api, "api-keys", name="K", role_id=create(api, "roles", name="R", permissions=mine, **role)["id"])[
        "key"
    ]
    with stage.client(api.tenant, key) as other:
        refused = other.post("/v1/tickets/bulk", json=body).json()

    assert (len(dry["created_ticket_ids"]), nothing) == (1, [])
    (made,) = children(api, ticket)
    assert (item["outcome"], item["created_ticket_ids"]) == ("changed", [made["id"]])
    # What comes out blank is called as the ticket that it is for.
    assert made["subject"] == ticket["subject"]
    assert [answer.json()["errors"][0]["pointer"] for answer in (wrong, unknown)] == [
        *("#/actions/0/values/team_id", "#/actions/0/description")
    ]
    assert refused["code"] == "missing_permission"


def test_a_rule_that_creates_what_it_fires_for_ends_with_an_event_and_is_named(api: Client) -> None:
    rule = a_rule(api, actions=creating())

    answer = api.post("/v1/tickets", json={"subject": "First"})
    line = [answer.json()]
    while below := children(api, line[-1]):
        line += below

    assert answer.status_code == 201
    assert len(line) == 5
    (ended,) = told(api, line[-1]["id"], "ticket.rules_ended")
    assert ended["data"]["limit"] == "depth"
    assert [told(api, each["id"], "ticket.rules_ended") for each in line[:-1]] == [[]] * 4
    assert [(each["code"], each["rule_ids"]) for each in get(api, "rules/analysis")["data"]] == [
        ("loop_through_tickets", [rule["id"]])
    ]


def test_what_creates_a_ticket_for_each_ticket_comes_to_an_end_over_time_too(api: Client) -> None:
    line = [a_ticket(api) for _ in range(10)]
    for newer, older in zip(line[1:], line, strict=False):
        link(api, newer, "relates_to", older)
    body = {"tickets": [{"ticket_id": line[-1]["id"]}], "actions": creating("relates_to")}

    (item,) = api.post("/v1/tickets/bulk", json=body).json()["items"]

    assert (item["outcome"], item["problem"]["code"]) == ("refused", "too_many_levels")
    assert item["problem"]["errors"][0]["pointer"] == "#/actions/0"
    assert children(api, line[-1]) == []
