"""The analysis of rules: what it finds in those that are in force, and what is refused because it can never be."""

from typing import Any

import pytest

from tests.api.test_created_tickets import creating
from tests.api.test_rules import URGENT, a_rule, tagging
from tests.factories import create, get
from tests.stage import Client

JSON = dict[str, Any]
TAGGED = {"field": "tags", "op": "contains", "value": "a"}


def sets(**values: Any) -> list[JSON]:  # noqa: ANN401 - JSON.
    return [{"action": "set", "values": values}]


def untags(tag: str) -> list[JSON]:
    return [{"action": "remove_tags", "tags": [tag]}]


def eq(field: str, value: str) -> JSON:
    return {"field": field, "op": "eq", "value": value}


def found(api: Client, rules: list[JSON]) -> set[tuple[Any, ...]]:
    """Publish rules in this order, and give what is found: the code, the places of the rules, and the field."""
    defaults = {"occasions": ["updated"], "condition": None}
    ids = [
        create(api, "rules", **{"name": str(place), "position": place, "state": "published"} | defaults | rule)["id"]
        for place, rule in enumerate(rules)
    ]
    answer = get(api, "rules/analysis")
    assert answer["is_complete"] is True
    return {
        (each["code"], tuple(ids.index(rule) for rule in each["rule_ids"]), each["field"]) for each in answer["data"]
    }


LOOPS: dict[str, tuple[list[JSON], set[tuple[Any, ...]]]] = {
    "two that undo each other": (
        [
            {"condition": eq("priority", "low"), "actions": sets(priority="high")},
            {"condition": eq("priority", "high"), "actions": sets(priority="low")},
        ],
        {("loop", (0, 1), None), ("contradiction", (0, 1), "priority")},
    ),
    "three in a ring": (
        [
            {"condition": eq("status", "open"), "actions": sets(status="pending")},
            {"condition": eq("status", "pending"), "actions": sets(status="on_hold")},
            {"condition": eq("status", "on_hold"), "actions": sets(status="open")},
        ],
        {("loop", (0, 1, 2), None), ("contradiction", (0, 1), "status"), ("contradiction", (1, 2), "status")},
    ),
    "through tags": (
        [{"condition": TAGGED, "actions": untags("a")}, {"condition": {"not": TAGGED}, "actions": tagging("a")}],
        {("loop", (0, 1), None), ("contradiction", (0, 1), "tags")},
    ),
    "two that help each other": (
        [
            {"condition": eq("priority", "low"), "actions": tagging("a")},
            {"condition": TAGGED, "actions": sets(type="incident")},
        ],
        set(),
    ),
    "what sets nothing off": ([{"actions": tagging("a")}, {"actions": tagging("b")}], set()),
    "one that is never reached": (
        [{"actions": tagging("b"), "stops": True}, {"condition": URGENT, "actions": tagging("a")}],
        {("shadowed", (0, 1), None)},
    ),
    "one that an action between lets through": (
        [
            {"condition": TAGGED, "actions": tagging("b"), "stops": True},
            {"condition": URGENT, "actions": tagging("a")},
            {"condition": TAGGED, "actions": sets(type="incident")},
        ],
        set(),
    ),
    "the last word": (
        [
            {"condition": URGENT, "actions": sets(type="incident")},
            {"condition": eq("type", "incident"), "actions": sets(type="problem")},
        ],
        {("contradiction", (0, 1), "type")},
    ),
    "nothing to do": (
        [{"condition": URGENT, "actions": sets(priority="urgent")}],
        {("action_without_effect", (0,), "priority")},
    ),
    "a tag that is there": (
        [{"condition": TAGGED, "actions": tagging("a")}],
        {("action_without_effect", (0,), "tags")},
    ),
    "through the tickets that they create": (
        [
            {"occasions": ["created"], "condition": TAGGED, "actions": [*tagging("b"), *creating()]},
            {"occasions": ["created"], "condition": eq("status", "new"), "actions": creating(values={"tags": ["a"]})},
        ],
        {("loop_through_tickets", (0, 1), None)},
    ),
    "a ticket for which no rule creates another": (
        [
            {"occasions": ["created"], "condition": TAGGED, "actions": creating(values={"priority": "low"})},
            {"occasions": ["created"], "condition": eq("priority", "high"), "actions": creating()},
            {"occasions": ["created"], "condition": eq("type", "problem"), "actions": tagging("a")},
            {"occasions": ["created"], "condition": {"field": "parent_id", "op": "is_empty"}, "actions": creating()},
        ],
        set(),
    ),
    "tickets without number": (
        [{"occasions": ["created"], "condition": URGENT, "actions": creating() * 17} for _ in range(3)],
        {("many_tickets", (0, 1, 2), None)},
    ),
    "a long chain": (
        [
            {"condition": {"field": "tags", "op": "contains", "value": f"t{step}"}, "actions": tagging(f"t{step + 1}")}
            for step in range(5)
        ],
        {("long_chain", (0, 1, 2, 3, 4), None)},
    ),
}


@pytest.mark.parametrize(("rules", "expected"), LOOPS.values(), ids=LOOPS)
def test_what_is_wrong_with_rules_is_found(api: Client, rules: list[JSON], expected: set[tuple[Any, ...]]) -> None:
    assert found(api, rules) == expected


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"condition": {"all": [URGENT, eq("priority", "low")]}}, "#/condition"),
        ({"condition": eq("previous.status", "open"), "occasions": ["created"]}, "#/condition"),
        ({"condition": eq("status", "solved"), "actions": sets(status="new")}, "#/actions"),
    ],
)
def test_a_rule_that_could_never_do_what_it_says_is_not_published(api: Client, rule: JSON, pointer: str) -> None:
    body = {"name": "Never", "position": 1, "occasions": ["updated"], "actions": tagging("a"), **rule}

    problem = api.post("/v1/rules", json={**body, "state": "published"}).json()
    draft = create(api, "rules", **body)
    again = api.post(f"/v1/rules/{draft['id']}/publish", json={}).json()

    assert [(each["code"], each["errors"][0]["pointer"]) for each in (problem, again)] == [
        ("rule_never_fires", pointer)
    ] * 2
    assert get(api, f"rules/{draft['id']}") == draft


def test_drafts_and_disabled_rules_are_not_looked_at(api: Client) -> None:
    for state in ("draft", "disabled", "published"):
        values: JSON = {"state": state} if state != "disabled" else {"state": "draft"}
        a_rule(api, "updated", condition=TAGGED, actions=tagging("a"), **values)

    assert len(get(api, "rules/analysis")["data"]) == 1
