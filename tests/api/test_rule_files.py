"""Rules as files: out of one tenant by name, into another as drafts."""

from typing import Any

from tests.api.test_rules import a_rule, tagging
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage


def world(api: Client) -> dict[str, str]:
    """Make what rules refer to; it has the same names in every tenant."""
    company = a_company(api, name="Alpine Dairy")["id"]
    return {
        "team_id": create(api, "teams", name="Night shift")["id"],
        "assignee_id": a_user(api, email="ada@service.example")["id"],
        "company_id": company,
        "contact_id": a_contact(api, company_id=company, emails=["luca@alpine.example"])["id"],
    }


def condition(ids: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON.
    """Ask about all of it."""
    return {
        "any": [
            {"field": "company_id", "op": "in", "value": [ids["company_id"]]},
            {"not": {"field": "previous.team_id", "op": "eq", "value": ids["team_id"]}},
            {"field": "contact_id", "op": "ne", "value": ids["contact_id"]},
            {"field": "subject", "op": "eq", "value": "Night shift"},
        ]
    }


SET = {"action": "set"}
BY_NAME: dict[str, Any] = {
    "team_id": {"team": "Night shift"},
    "assignee_id": {"user": "ada@service.example"},
    "company_id": {"company": "Alpine Dairy"},
    "contact_id": {"contact": "luca@alpine.example"},
}


def imported(api: Client, file: Any, **more: Any) -> Any:  # noqa: ANN401 - JSON.
    """Bring a file in."""
    answer = api.post("/v1/rules/import", json={**file, **more})
    return answer.json()


def test_a_file_takes_rules_to_another_tenant_by_name_and_as_drafts(stage: Stage, api: Client) -> None:
    here = world(api)
    values = {"team_id": here["team_id"], "assignee_id": here["assignee_id"], "status": "open"}
    a_rule(api, name="Second", position=2, actions=tagging("seen"))
    a_rule(
        api,
        "updated",
        name="First",
        condition=condition(here),
        actions=[SET | {"values": values}, *tagging("night")],
        stops=True,
    )
    file = get(api, "rules/export")

    with stage.tenant() as other:
        there = world(other)
        tried = imported(other, file, dry_run=True)
        after_trial = get(other, "rules")["data"]
        done = imported(other, file)
        first, second = get(other, "rules")["data"]
        quiet = a_ticket(other)

    assert [(rule["name"], rule["stops"]) for rule in file["rules"]] == [("First", True), ("Second", False)]
    assert file["rules"][0]["condition"] == condition(BY_NAME)
    assert {"id", "state", "published_version"}.isdisjoint(file["rules"][0])
    assert (after_trial, [(each["outcome"], each["rule_id"]) for each in tried["rules"]]) == (
        [],
        [("created", None)] * 2,
    )
    assert done["rules"] == [
        {"name": "First", "outcome": "created", "rule_id": first["id"]},
        {"name": "Second", "outcome": "created", "rule_id": second["id"]},
    ]
    assert (first["state"], first["occasions"], first["stops"]) == ("draft", ["updated"], True)
    assert first["condition"] == condition(there)
    assert (there["team_id"] in str(first["actions"]), there["assignee_id"] in str(first["actions"])) == (True, True)
    assert quiet["tags"] == []


def test_a_rule_that_is_there_gets_a_draft_and_what_is_in_force_stays(api: Client) -> None:
    a_rule(api, name="Kept", actions=tagging("kept"))
    changed = a_rule(api, name="Changed", position=2, actions=tagging("new"))["id"]
    file = get(api, "rules/export")
    patch(api, f"rules/{changed}", actions=tagging("old"), state="published")

    outcomes = [[each["outcome"] for each in imported(api, file)["rules"]] for _ in range(2)]

    assert outcomes == [["unchanged", "changed"], ["unchanged", "unchanged"]]
    rule = get(api, f"rules/{changed}")
    assert (rule["state"], rule["published_version"], rule["has_draft"]) == ("published", 2, True)
    assert a_ticket(api)["tags"] == ["kept", "old"]


def test_what_a_name_does_not_tell_is_refused_where_it_stands_and_nothing_is_brought_in(api: Client) -> None:
    world(api)
    a_company(api, name="Alpine Dairy")
    good = {"name": "Good", "position": 1, "occasions": ["created"], "actions": get_actions(api)}
    unknown = {**good, "name": "Bad", "condition": condition({**BY_NAME, "team_id": {"team": "Day shift"}})}
    wrong = {**good, "name": "Wrong", "condition": {"field": "nothing", "op": "eq", "value": 1}}
    empty = {**good, "name": "Empty", "actions": [SET | {"values": {"team_id": {"user": "ada@service.example"}}}]}

    problems = [
        imported(api, {"format": "helpdesk-rules-1", "rules": rules})
        for rules in ([good, unknown], [good, wrong], [empty], [good, good])
    ]

    assert [(each["code"], [error["pointer"] for error in each["errors"]]) for each in problems[:2]] == [
        (
            "unresolved_name",
            ["#/rules/1/condition/any/0/value/0", "#/rules/1/condition/any/1/not/value"],
        ),
        ("unknown_condition_field", ["#/rules/1/condition/field"]),
    ]
    assert [error["detail"] for error in problems[0]["errors"]] == [
        "There are 2 companies called 'Alpine Dairy'; give one of them another name, or put its id here.",
        "There is no team called 'Day shift'.",
    ]
    assert problems[2]["errors"][0]["pointer"].startswith("#/rules/0/actions/0")
    assert problems[3]["code"] == "validation_failed"
    assert [rule["name"] for rule in get(api, "rules")["data"]] == ["Kept actions"]


def get_actions(api: Client) -> Any:  # noqa: ANN401 - JSON.
    """Give actions as a file has them."""
    a_rule(api, name="Kept actions", state="draft")
    return get(api, "rules/export")["rules"][0]["actions"]


def test_names_are_told_and_taken_only_where_the_caller_is_shown_them(stage: Stage, api: Client) -> None:
    here = world(api)
    a_rule(api, state="draft", condition=condition(here))
    scopes = ["rules:read", "rules:write", "tickets:write", "tickets:read", "teams:read"]
    key = create(api, "api-keys", name="Narrow", scopes=scopes, field_groups=["ticket.internal"])["key"]

    with stage.client(api.tenant, key) as narrow:
        file = get(narrow, "rules/export")
        refused = imported(narrow, {**file, "rules": [file["rules"][0] | {"condition": condition(BY_NAME)}]})

    assert file["rules"][0]["condition"] == condition({**here, "team_id": {"team": "Night shift"}})
    assert (refused["code"], "companies:read" in refused["detail"]) == ("missing_permission", True)
