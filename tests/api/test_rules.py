"""Rules over tickets: when they fire, in which order, what they may do, and that they come to an end."""

from typing import Any
from uuid import uuid4

import pytest

from tests.factories import a_note, a_reply, a_ticket, a_user, create, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

URGENT = {"field": "priority", "op": "eq", "value": "urgent"}


def a_rule(api: Client, *occasions: str, **values: Any) -> Any:  # noqa: ANN401 - JSON.
    """Publish a rule."""
    defaults: Any = {"name": f"Rule {uuid4()}", "position": 1, "state": "published", "actions": tagging("seen")}
    return create(api, "rules", **defaults | {"occasions": occasions or ("created",)} | values)


def setting(**values: Any) -> Any:  # noqa: ANN401 - JSON.
    """Give actions that set fields."""
    return [{"action": "set", "values": values}]


def tagging(tag: str) -> Any:  # noqa: ANN401 - JSON.
    """Give actions that add a tag."""
    return [{"action": "add_tags", "tags": [tag]}]


def told(api: Client, object_id: str, *types: str) -> list[Any]:
    """Wait until the feed tells of something that happened after, and give the events of an object."""
    last = create(api, "teams", name=f"Last {uuid4()}")["id"]
    until(lambda: get(api, f"events?object_id={last}")["data"] or None)
    found = get(api, f"events?object_id={object_id}&limit=200")["data"]
    return [event for event in found if event["type"] in types]


def test_a_rule_changes_the_ticket_before_its_creation_is_answered(api: Client) -> None:
    team = create(api, "teams", name="Night shift")["id"]
    rule = a_rule(
        api,
        condition=URGENT,
        actions=[
            *setting(team_id=team, status="open"),
            *tagging("Night"),
            {"action": "remove_tags", "tags": ["day"]},
        ],
    )

    answer = api.post("/v1/tickets", json={"subject": "Fire", "priority": "urgent", "tags": ["day", "dock"]})
    calm = a_ticket(api, tags=["day"])
    made = answer.json()

    assert (made["team_id"], made["status"], made["tags"], made["version"]) == (team, "open", ["dock", "night"], 2)
    assert answer.headers["etag"] == '"v2"'
    assert get(api, f"tickets/{made['id']}")["version"] == 2
    assert (calm["tags"], calm["team_id"], calm["version"]) == (["day"], None, 1)
    (applied,) = told(api, made["id"], "ticket.rule_applied")
    assert (applied["actor"], applied["data"]) == (
        {"type": "rule", "id": rule["id"]},
        {"rule_id": rule["id"], "rule_version": 1, "has_changed": True},
    )
    changes = told(api, made["id"], "ticket.created", "ticket.assigned", "ticket.status_changed", "ticket.updated")
    assert [event["actor"]["type"] for event in changes] == ["api_key", "rule", "rule", "rule"]
    assert len({event["cause"]["id"] for event in [*changes, applied]}) == 1


def test_rules_are_tried_in_order_and_each_sees_what_earlier_ones_did(api: Client) -> None:
    has_first = {"field": "tags", "op": "contains", "value": "first"}
    a_rule(api, position=3, actions=tagging("third"))
    a_rule(api, position=2, condition=has_first, actions=tagging("second"), stops=True)
    a_rule(api, position=1, actions=tagging("first"))
    a_rule(api, position=0, condition=has_first, actions=tagging("too early"))

    assert a_ticket(api)["tags"] == ["first", "second"]


def test_only_what_is_published_fires_and_from_the_next_change_on(api: Client) -> None:
    path = f"rules/{a_rule(api, state='draft')['id']}"

    seen = [a_ticket(api)["tags"]]
    for changes in (
        {"state": "published"},
        {"actions": tagging("other")},
        {"state": "published"},
        {"state": "disabled"},
    ):
        patch(api, path, **changes)
        seen.append(a_ticket(api)["tags"])
    patch(api, path, state="published")
    api.delete(f"/v1/{path}")
    seen.append(a_ticket(api)["tags"])

    assert seen == [[], ["seen"], ["seen"], ["other"], [], []]


def test_each_occasion_is_told_apart(api: Client) -> None:
    for occasion in ("created", "updated", "replied", "noted"):
        a_rule(api, occasion, actions=tagging(occasion), stops=True)
    user = a_user(api)["id"]

    ticket = a_ticket(api)
    path, seen = f"tickets/{ticket['id']}", [ticket["tags"]]
    patch(api, path, subject="Scanner")
    seen.append(get(api, path)["tags"])
    a_note(api, ticket, author_user_id=user)
    seen.append(get(api, path)["tags"])
    a_reply(api, ticket, author_user_id=user)
    seen.append(get(api, path)["tags"])

    assert [sorted(set(now) - set(before)) for before, now in zip([[], *seen], seen, strict=False)] == [
        ["created"],
        ["updated"],
        ["noted"],
        ["replied"],
    ]


def test_a_rule_can_ask_what_a_field_was_before(api: Client) -> None:
    reopened = {
        "all": [
            {"field": "previous.status", "op": "in", "value": ["solved", "closed"]},
            {"field": "status", "op": "eq", "value": "open"},
        ]
    }
    a_rule(api, "updated", condition=reopened, actions=tagging("reopened") + setting(priority="high"))
    path = f"tickets/{a_ticket(api)['id']}"

    before = [patch(api, path, status=status)["priority"] for status in ("open", "solved")]
    after = patch(api, path, status="open")

    assert (before, after["priority"], after["tags"]) == (["normal", "normal"], "high", ["reopened"])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_rules_that_set_each_other_off_fire_once_each(api: Client, length: int) -> None:
    priorities = ["low", "high", "urgent"][:length] if length > 1 else ["high"]
    for place, priority in enumerate(priorities):
        # Each undoes what the one before it did, and would be set off by it for ever.
        actions = setting(priority=priority) + tagging(f"fired-{place}")
        a_rule(api, "updated", position=length - place, actions=actions)
    ticket = a_ticket(api)

    changed = patch(api, f"tickets/{ticket['id']}", subject="Scanner")

    assert changed["tags"] == [f"fired-{place}" for place in range(length)]
    assert changed["version"] == 2 + length
    assert told(api, ticket["id"], "ticket.rules_ended") == []


def test_a_chain_that_is_too_deep_ends_with_an_event_and_without_an_error(api: Client) -> None:
    # Each waits for the tag of the next one in the order, so that every round fires one of them.
    for place in range(8):
        condition = {"field": "tags", "op": "contains", "value": f"deep-{place}"}
        a_rule(api, "updated", position=100 - place, condition=condition, actions=tagging(f"deep-{place + 1}"))
    ticket = a_ticket(api)

    changed = patch(api, f"tickets/{ticket['id']}", tags=["deep-0"])

    assert changed["tags"] == [f"deep-{place}" for place in range(6)]
    (ended,) = told(api, ticket["id"], "ticket.rules_ended")
    assert (ended["data"]["limit"], len(ended["data"]["rule_ids"])) == ("depth", 5)


def test_a_rule_that_fails_is_undone_alone_told_and_disabled_at_last(api: Client) -> None:
    user = a_user(api)["id"]
    failing = a_rule(api, position=1, actions=tagging("half") + setting(assignee_id=user))
    a_rule(api, position=2, actions=tagging("whole"))
    patch(api, f"users/{user}", is_active=False)

    made = [a_ticket(api) for _ in range(6)]

    assert [(ticket["tags"], ticket["assignee_id"]) for ticket in made] == [(["whole"], None)] * 6
    assert get(api, f"rules/{failing['id']}")["state"] == "disabled"
    failures = told(api, failing["id"], "rule.failed", "rule.disabled")
    assert [event["type"] for event in failures] == ["rule.failed"] * 5 + ["rule.disabled"]
    assert failures[0]["data"]["code"] == "inactive_user"
    assert failures[0]["data"]["ticket_id"] == made[0]["id"]
    assert told(api, made[0]["id"], "ticket.assigned") == []


def test_failures_are_counted_in_a_row(api: Client) -> None:
    user = a_user(api)["id"]
    rule = a_rule(api, actions=setting(assignee_id=user))

    for _ in range(2):
        patch(api, f"users/{user}", is_active=False)
        for _ in range(4):
            a_ticket(api)
        patch(api, f"users/{user}", is_active=True)
        assert a_ticket(api)["assignee_id"] == user

    assert get(api, f"rules/{rule['id']}")["state"] == "published"


def test_rules_act_for_whoever_gave_the_occasion_without_showing_more(stage: Stage, api: Client) -> None:
    a_rule(api, condition={"field": "company.territory", "op": "is_empty"}, actions=tagging("no territory"))
    key = create(api, "api-keys", name="Portal", scopes=["tickets:create", "tickets:read"], field_groups=[])["key"]

    with stage.client(api.tenant, key) as narrow:
        shown = narrow.post("/v1/tickets", json={"subject": "Printer"}).json()

    assert shown["tags"] == []
    assert get(api, f"tickets/{shown['id']}")["tags"] == ["no territory"]


def test_nobody_has_a_rule_do_or_ask_what_he_may_not(stage: Stage, api: Client) -> None:
    values = {"name": "Mine", "position": 1, "occasions": ["created"], "actions": setting(priority="high")}
    tags = {"actions": tagging("vip")}
    asking = {"condition": {"field": "tags", "op": "is_empty"}}
    refused = []
    for scopes, more in (
        (["rules:write"], {}),
        (["rules:write", "tickets:write"], tags),
        (["*:read", "*:write"], asking),
    ):
        key = create(api, "api-keys", name="Narrow", scopes=scopes, field_groups=[])["key"]
        with stage.client(api.tenant, key) as narrow:
            refused.append(narrow.post("/v1/rules", json={**values, **more}).json()["code"])

    assert refused == ["missing_permission", "field_not_allowed", "field_not_allowed"]
    assert get(api, "rules")["data"] == []


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"occasions": []}, "validation_failed", "#/occasions"),
        ({"condition": {"field": "x", "op": "eq", "value": 1}}, "unknown_condition_field", "#/condition/field"),
    ],
)
def test_what_is_no_rule_is_refused_where_it_is_wrong(api: Client, changes: Any, code: str, pointer: str) -> None:  # noqa: ANN401 - JSON.
    body = {"name": "Wrong", "position": 1, "occasions": ["created"], "actions": tagging("x")} | changes

    problem = api.post("/v1/rules", json=body).json()

    assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)


def test_a_trial_tells_what_a_rule_would_do_and_does_nothing(api: Client) -> None:
    user = a_user(api)["id"]
    actions = setting(assignee_id=user, status="open") + tagging("night")
    rule = a_rule(api, state="draft", condition=URGENT, actions=actions)["id"]
    urgent, calm = a_ticket(api, priority="urgent", tags=["dock"]), a_ticket(api)

    trials = [api.post(f"/v1/rules/{rule}/try", json={"ticket_id": each["id"]}).json() for each in (urgent, calm)]
    patch(api, f"users/{user}", is_active=False)
    refused = api.post(f"/v1/rules/{rule}/try", json={"ticket_id": urgent["id"]}).json()

    would_change = {"assignee_id": [None, user], "status": ["new", "open"], "tags": [["dock"], ["dock", "night"]]}
    assert trials == [
        {"due_at": None, "holds": True, "changes": would_change, "refusal": None},
        {"due_at": None, "holds": False, "changes": {}, "refusal": None},
    ]
    assert (refused["holds"], refused["changes"], refused["refusal"]["code"]) == (True, {}, "inactive_user")
    assert get(api, f"tickets/{urgent['id']}")["version"] == 1
    told_of = told(api, urgent["id"], "ticket.created", "ticket.assigned", "ticket.updated", "ticket.rule_applied")
    assert [event["type"] for event in told_of] == ["ticket.created"]


def test_a_trial_shows_nobody_what_he_is_not_shown(stage: Stage, api: Client) -> None:
    rule, ticket = a_rule(api, state="draft")["id"], a_ticket(api)["id"]
    key = create(api, "api-keys", name="Narrow", scopes=["*:read", "*:write"], field_groups=[])["key"]

    with stage.client(api.tenant, key) as narrow:
        problem = narrow.post(f"/v1/rules/{rule}/try", json={"ticket_id": ticket}).json()

    assert (problem["code"], problem["errors"][0]["pointer"]) == ("field_not_allowed", "#/actions/0")
