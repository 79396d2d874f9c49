"""Custom fields that rules, macros and bulk changes set and empty."""

from typing import Any

from tests.api.test_custom_fields import a_field, choices
from tests.api.test_rules import URGENT, a_rule, setting, tagging
from tests.factories import a_ticket, create, get, patch
from tests.stage import Client, Stage


def fields(**values: Any) -> Any:  # noqa: ANN401 - JSON.
    """Give an action that sets custom fields."""
    return setting(custom_fields=values)


def test_rules_set_and_empty_custom_fields_and_others_react_to_it(api: Client) -> None:
    a_field(api, "tickets", "stage", "select", choices=choices("triage", "parked"))
    a_field(api, "tickets", "floor", "number")
    a_field(api, "tickets", "hint")
    a_rule(api, condition=URGENT, actions=[*fields(stage="triage", hint=None), *fields(floor=3)])
    in_triage = {"field": "custom_fields.stage", "op": "eq", "value": "triage"}
    a_rule(api, "updated", condition=in_triage, actions=tagging("triaged"))

    ticket = a_ticket(api, priority="urgent", custom_fields={"hint": "left", "floor": 1})
    calm = a_ticket(api, custom_fields={"hint": "left"})

    assert (ticket["custom_fields"], ticket["tags"], ticket["version"]) == (
        {"stage": "triage", "floor": 3},
        ["triaged"],
        3,
    )
    assert (calm["custom_fields"], calm["tags"]) == ({"hint": "left"}, [])
    assert get(api, "rules/analysis")["data"] == []
    (run,) = get(api, f"rule-runs?ticket_id={ticket['id']}&outcome=applied&limit=1&sort=created_at")["data"]
    assert run["changes"]["custom_fields"] == [
        {"hint": "left", "floor": 1},
        {"stage": "triage", "floor": 3},
    ]


def test_values_that_no_ticket_could_have_are_refused_when_they_are_written(api: Client) -> None:
    a_field(api, "tickets", "floor", "number")
    wrong: dict[str, Any] = {"unknown_custom_field": {"flor": 1}, "invalid_custom_value": {"floor": "third"}}

    for code, values in wrong.items():
        (key,) = values
        body = {"name": "Floors", "position": 1, "occasions": ["created"], "actions": tagging("x") + fields(**values)}
        for path, sent in (("rules", body), ("macros", {"name": "Floors", "actions": body["actions"]})):
            problem = api.post(f"/v1/{path}", json=sent).json()
            told = problem["code"], problem["errors"][0]["pointer"]
            assert told == (code, f"#/actions/1/values/custom_fields/{key}")


def test_a_macro_tells_what_became_of_custom_fields_and_what_a_ticket_cannot_have_is_refused_alone(api: Client) -> None:
    field = a_field(api, "tickets", "stage", "select", choices=choices("triage", "parked"))
    macro = create(api, "macros", name="Park", actions=fields(stage="parked"))
    ticket = a_ticket(api, custom_fields={"stage": "triage"})
    body = {"tickets": [{"ticket_id": ticket["id"]}]}

    (rehearsed,) = api.post(f"/v1/macros/{macro['id']}/apply", json=body | {"dry_run": True}).json()["items"]
    patch(api, f"custom-fields/{field['id']}", is_retired=True)
    (refused,) = api.post(f"/v1/macros/{macro['id']}/apply", json=body).json()["items"]

    assert (rehearsed["outcome"], rehearsed["changes"]) == (
        "changed",
        {"custom_fields": [{"stage": "triage"}, {"stage": "parked"}]},
    )
    assert (refused["outcome"], refused["problem"]["code"]) == ("refused", "retired_custom_field")
    assert refused["problem"]["errors"][0]["pointer"] == "#/actions/0/values/custom_fields/stage"


def test_who_is_not_shown_a_custom_field_neither_sets_it_nor_learns_of_it_by_trying(stage: Stage, api: Client) -> None:
    a_field(api, "tickets", "margin", "number", group="commercial")
    rule = a_rule(api, state="draft", actions=fields(margin=7) + tagging("seen"))["id"]
    ticket = a_ticket(api)["id"]
    scopes = {"scopes": ["*:read", "*:write"], "field_groups": ["ticket.internal"]}
    key = create(api, "api-keys", name="Narrow", **scopes)["key"]

    with stage.client(api.tenant, key) as other:
        tried = other.post(f"/v1/rules/{rule}/try", json={"ticket_id": ticket}).json()
        body = {"name": "Margins", "position": 1, "occasions": ["created"], "actions": fields(margin=1)}
        refused = other.post("/v1/rules", json=body).json()

    assert tried["changes"] == {"tags": [[], ["seen"]]}
    assert (refused["code"], refused["errors"][0]["pointer"]) == (
        "field_not_allowed",
        "#/actions/0/values/custom_fields/margin",
    )
