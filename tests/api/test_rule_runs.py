"""The log of runs: why a rule fired or did not, what it changed, and who is told of it."""

from typing import Any

from tests.api.test_rules import URGENT, a_rule, tagging, told
from tests.factories import a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage


def runs(api: Client, **filters: str) -> list[Any]:
    """Give the runs in the order in which they came about."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    found: list[Any] = get(api, f"rule-runs?sort=created_at&{query}")["data"]
    return found


def test_a_run_tells_what_the_condition_answered_and_what_was_changed(api: Client) -> None:
    asked = {"any": [{"field": "status", "op": "eq", "value": "closed"}, {"not": {"all": [URGENT]}}]}
    rule = a_rule(api, condition=asked, actions=[*tagging("calm"), {"action": "set", "values": {"priority": "low"}}])

    answer = api.post("/v1/tickets", json={"subject": "Printer"})

    (run,) = runs(api, ticket_id=answer.json()["id"])
    assert (run["rule_id"], run["rule_version"], run["ticket_version"]) == (rule["id"], 1, answer.json()["version"])
    assert (run["outcome"], run["reason"], run["occasions"]) == ("applied", None, ["created"])
    assert run["answers"] == [
        {"pointer": "/any/0", "field": "status", "holds": False},
        {"pointer": "/any/1/not/all/0", "field": "priority", "holds": False},
    ]
    assert run["changes"] == {"priority": ["normal", "low"], "tags": [[], ["calm"]]}
    assert (run["cause_type"], run["cause_id"]) == ("request", answer.headers["x-request-id"])
    assert runs(api, cause_id=run["cause_id"]) == [run]


def test_a_rule_that_did_not_fire_is_there_with_the_reason_once_a_minute(api: Client) -> None:
    user = a_user(api)["id"]
    patch(api, f"users/{user}", is_active=False)
    failing = a_rule(api, position=1, actions=[{"action": "set", "values": {"assignee_id": user}}], state="draft")["id"]
    unmatched = a_rule(api, position=2, condition=URGENT)["id"]
    last = a_rule(api, position=3, stops=True)["id"]
    behind = a_rule(api, position=4)["id"]
    patch(api, f"users/{user}", is_active=True)
    patch(api, f"rules/{failing}", state="published")
    patch(api, f"users/{user}", is_active=False)

    for _ in range(2):
        a_ticket(api)

    told = {rule: [(run["outcome"], run["reason"]) for run in runs(api, rule_id=rule)] for rule in (failing, last)}
    assert told == {failing: [("failed", "inactive_user")] * 2, last: [("applied", None)] * 2}
    seen = {rule: [(run["outcome"], run["reason"]) for run in runs(api, rule_id=rule)] for rule in (unmatched, behind)}
    assert seen == {unmatched: [("skipped", "not_matched")], behind: [("skipped", "stopped")]}
    assert [run["answers"] for run in runs(api, rule_id=unmatched)] == [
        [{"pointer": "", "field": "priority", "holds": False}]
    ]
    assert [run["changes"] for run in runs(api, outcome="failed")] == [{}, {}]


def test_what_a_limit_kept_from_firing_is_told(api: Client) -> None:
    for place in range(8):
        condition = {"field": "tags", "op": "contains", "value": f"deep-{place}"}
        a_rule(api, "updated", position=100 - place, condition=condition, actions=tagging(f"deep-{place + 1}"))
    ticket = a_ticket(api)["id"]

    patch(api, f"tickets/{ticket}", tags=["deep-0"])

    reasons = [run["reason"] for run in runs(api, ticket_id=ticket)]
    assert (reasons.count(None), reasons.count("depth")) == (5, 3)


def test_no_more_than_fifty_rules_fire_in_a_chain_and_what_they_did_stays(api: Client) -> None:
    for place in range(51):
        a_rule(api, position=place, actions=tagging(f"t{place:02}"))

    answer = api.post("/v1/tickets", json={"subject": "Printer"})
    ticket = answer.json()

    assert (answer.status_code, ticket["tags"]) == (201, [f"t{place:02}" for place in range(50)])
    found = [run["reason"] for run in get(api, f"rule-runs?ticket_id={ticket['id']}&limit=200")["data"]]
    assert (found.count(None), found.count("budget")) == (50, 1)
    (ended,) = told(api, ticket["id"], "ticket.rules_ended")
    assert (ended["data"]["limit"], len(ended["data"]["rule_ids"])) == ("budget", 50)


def test_a_run_tells_nobody_of_fields_that_he_is_not_shown(stage: Stage, api: Client) -> None:
    tagged = {"all": [{"field": "tags", "op": "is_empty"}, {"field": "priority", "op": "eq", "value": "normal"}]}
    a_rule(api, condition=tagged, actions=[*tagging("vip"), {"action": "set", "values": {"priority": "high"}}])
    a_ticket(api)
    scopes = ["rule-runs:read", "tickets:read"]
    key = create(api, "api-keys", name="Narrow", scopes=scopes, field_groups=[])["key"]

    with stage.client(api.tenant, key) as narrow:
        (run,) = runs(narrow)

    assert run["changes"] == {"priority": ["normal", "high"]}
    assert run["answers"] == [{"pointer": "/all/1", "field": "priority", "holds": True}]
