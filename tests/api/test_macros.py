"""Macros and bulk changes: actions that somebody has done to tickets by name, with that one's rights."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.test_actions import a_team, commenting, in_turn, said
from tests.api.test_rules import a_rule, setting, tagging, told
from tests.factories import a_company, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage


def a_macro(api: Client, actions: Any, **values: object) -> str:  # noqa: ANN401 - JSON.
    """Make a macro; gives the path to apply it."""
    made = create(api, "macros", **{"name": f"Macro {uuid4()}", "actions": actions} | values)
    return f"/v1/macros/{made['id']}/apply"


def named(*tickets: Any, **values: object) -> Any:  # noqa: ANN401 - JSON.
    """Give a body that names tickets."""
    return {"tickets": [{"ticket_id": ticket["id"]} for ticket in tickets], **values}


def outcomes(answer: Any) -> list[str]:  # noqa: ANN401 - an answer.
    assert answer.status_code == 200, answer.text
    return [item["outcome"] for item in answer.json()["items"]]


def test_a_macro_does_the_same_to_each_ticket_and_tells_what_became_of_it(api: Client) -> None:
    user = a_user(api)["id"]
    path = a_macro(api, setting(status="pending") + commenting("#{{number}} waits.", "reply") + tagging("asked"))
    fresh, tagged = a_ticket(api), a_ticket(api, tags=["asked"], status="pending")

    answer = api.post(path, json=named(fresh, tagged, author_user_id=user)).json()

    first, second = answer["items"]
    assert (answer["dry_run"], answer["counts"], first["index"], second["index"]) == (False, {"changed": 2}, 0, 1)
    assert first["changes"] == {"status": ["new", "pending"], "tags": [[], ["asked"]]}
    assert (first["comments"], first["version"]) == ([{"kind": "reply", "body": f"#{fresh['number']} waits."}], 4)
    assert (second["changes"], second["version"], second["problem"]) == ({}, 2, None)
    assert get(api, f"tickets/{fresh['id']}")["version"] == 4
    assert said(api, tagged) == [("reply", f"#{tagged['number']} waits.")]
    assert get(api, f"tickets/{fresh['id']}/comments")["data"][0]["author_user_id"] == user


def test_all_is_done_to_a_ticket_or_nothing_and_each_ticket_is_alone(api: Client) -> None:
    user = a_user(api)["id"]
    actions = commenting("Noted.") + setting(priority="high") + commenting("Again.") + setting(status="new")
    done, refused, stale, gone = a_ticket(api), a_ticket(api, status="open"), a_ticket(api), {"id": str(uuid4())}
    body = named(done, refused, stale, gone, author_user_id=user) | {"actions": actions}
    body["tickets"][2]["version"] = 7

    answer = api.post("/v1/tickets/bulk", json=body)

    assert outcomes(answer) == ["changed", "refused", "refused", "refused"]
    problems = [item["problem"] for item in answer.json()["items"]]
    assert [(each["code"], [place["pointer"] for place in each["errors"]]) for each in problems[1:]] == [
        ("invalid_transition", []),
        ("stale_version", []),
        ("not_found", []),
    ]
    assert said(api, done) == [("note", "Noted."), ("note", "Again.")]
    assert (said(api, refused), get(api, f"tickets/{refused['id']}")["version"]) == ([], 1)
    assert told(api, refused["id"], "ticket.note_added", "ticket.updated") == []


def test_a_dry_run_tells_what_the_real_one_does_and_does_nothing(api: Client) -> None:
    team, _ = a_team(api, 3)
    user = a_user(api)["id"]
    a_rule(api, "updated", actions=tagging("seen by a rule"))
    actions = in_turn(team) + commenting("{{subject}}: {{priority}}") + setting(status="open")
    tickets = [a_ticket(api), a_ticket(api, status="closed", subject="{{number}}"), {"id": str(uuid4())}, a_ticket(api)]
    body = named(*tickets, author_user_id=user) | {"actions": actions}

    before = [get(api, f"tickets/{ticket['id']}") for ticket in tickets if "number" in ticket]
    rehearsed = api.post("/v1/tickets/bulk", json={**body, "dry_run": True}).json()
    untouched = [get(api, f"tickets/{ticket['id']}") for ticket in tickets if "number" in ticket]
    real = api.post("/v1/tickets/bulk", json=body).json()

    assert untouched == before
    assert rehearsed["dry_run"] is True
    assert real["counts"] == {"changed": 3, "refused": 1}
    for item in (*rehearsed["items"], *real["items"]):
        (item["problem"] or {}).pop("request_id", None)
    assert rehearsed == real | {"dry_run": True}
    assert real["items"][0]["changes"]["tags"] == [[], ["seen by a rule"]]


def test_rules_react_once_to_all_that_was_done_to_a_ticket(api: Client) -> None:
    rule = a_rule(api, "updated", "noted", actions=tagging("seen"))
    user, ticket = a_user(api)["id"], a_ticket(api)
    path = a_macro(api, setting(priority="high") + commenting("Hm.") + setting(type="task"))

    answer = api.post(path, json=named(ticket, author_user_id=user)).json()

    assert answer["items"][0]["changes"]["tags"] == [[], ["seen"]]
    applied = told(api, ticket["id"], "ticket.rule_applied")
    assert [event["actor"]["id"] for event in applied] == [rule["id"]]


def test_whoever_applies_a_macro_does_it_with_his_own_rights(stage: Stage, api: Client) -> None:
    company, other = a_company(api)["id"], a_company(api)["id"]
    mine, hidden = a_ticket(api, company_id=company), a_ticket(api, company_id=other)
    role = create(
        api,
        "roles",
        name="Of one client",
        audience="staff",
        permissions=["macros:read", "tickets:read", "tickets:write"],
        reach="companies",
        company_ids=[company],
        field_groups=[],
    )["id"]
    key = create(api, "api-keys", name="Narrow", role_id=role)["key"]
    raising, tagged = a_macro(api, setting(priority="high")), a_macro(api, tagging("x"))
    noting, telling = a_macro(api, commenting("x")), a_macro(api, commenting("{{tags}}", "reply"))
    a_rule(api, "updated", actions=tagging("secret"))

    with stage.client(api.tenant, key) as narrow:
        answer = narrow.post(raising, json=named(mine, hidden))
        refused = [narrow.post(path, json=named(mine)).json()["code"] for path in (tagged, noting, telling)]
        inline = narrow.post("/v1/tickets/bulk", json=named(mine) | {"actions": tagging("x")}).json()

    first, second = answer.json()["items"]
    # The tag that a rule has set is not for this caller.
    assert (first["outcome"], first["changes"]) == ("changed", {"priority": ["normal", "high"]})
    assert (second["outcome"], second["problem"]["code"]) == ("refused", "not_found")
    assert refused == ["field_not_allowed", "missing_permission", "missing_permission"]
    assert (inline["code"], inline["errors"][0]["pointer"]) == ("field_not_allowed", "#/actions/0")
    assert get(api, f"tickets/{hidden['id']}")["version"] == 1


def test_people_write_under_their_own_name_and_integrations_say_for_whom(stage: Stage, api: Client) -> None:
    user, other, ticket = a_user(api)["id"], a_user(api)["id"], a_ticket(api)
    path = a_macro(api, commenting("Seen."))
    admin = next(role["id"] for role in get(api, "roles?limit=50")["data"] if role["name"] == "Administrator")
    patch(api, f"users/{user}", role_id=admin)
    key = create(api, "api-keys", name="Ada", user_id=user)["key"]

    unsaid = api.post(path, json=named(ticket)).json()["items"][0]
    unknown = api.post(path, json=named(ticket, author_user_id=str(uuid4()))).json()
    with stage.client(api.tenant, key) as ada:
        as_other = ada.post(path, json=named(ticket, author_user_id=other)).json()["items"][0]
        own = ada.post(path, json=named(ticket))

    assert (unsaid["outcome"], unsaid["problem"]["code"]) == ("refused", "author_required")
    assert (unknown["code"], unknown["errors"][0]["pointer"]) == ("unknown_reference", "#/author_user_id")
    assert (as_other["problem"]["code"], outcomes(own)) == ("not_own_name", ["changed"])
    assert [comment["author_user_id"] for comment in get(api, f"tickets/{ticket['id']}/comments")["data"]] == [user]


def test_a_macro_of_a_team_is_for_its_members_and_one_that_is_not_active_for_nobody(stage: Stage, api: Client) -> None:
    (team, (member,)), (_, (stranger,)) = a_team(api, 1), a_team(api, 1)
    ticket, path = a_ticket(api), a_macro(api, setting(priority="high"), team_id=team)
    agent = next(role["id"] for role in get(api, "roles?limit=50")["data"] if role["name"] == "Agent")
    answers = []
    for user in (member, stranger):
        patch(api, f"users/{user}", role_id=agent)
        key = create(api, "api-keys", name=f"Key {user}", user_id=user)["key"]
        with stage.client(api.tenant, key) as person:
            answers.append(person.post(path, json=named(ticket)))
    patch(api, path.removeprefix("/v1/").removesuffix("/apply"), is_active=False)

    assert (outcomes(answers[0]), answers[1].json()["code"]) == (["changed"], "not_own_macro")
    assert api.post(path, json=named(ticket)).json()["code"] == "inactive_macro"


def test_the_same_request_again_is_answered_again_and_done_once(api: Client) -> None:
    ticket, path, key = a_ticket(api), a_macro(api, tagging("x")), {"Idempotency-Key": str(uuid4())}

    first, again = (api.post(path, json=named(ticket), headers=key) for _ in range(2))

    assert (first.json(), outcomes(api.post(path, json=named(ticket)))) == (again.json(), ["unchanged"])
    assert get(api, f"tickets/{ticket['id']}")["version"] == 2


@pytest.mark.parametrize("tickets", [[], [{"ticket_id": str(uuid4())}] * 2, [{"ticket_id": str(uuid4())}] * 101])
def test_tickets_are_named_once_each_and_a_hundred_at_most(api: Client, tickets: Any) -> None:  # noqa: ANN401 - JSON.
    problem = api.post("/v1/tickets/bulk", json={"tickets": tickets, "actions": tagging("x")}).json()

    assert (problem["code"], problem["errors"][0]["pointer"]) == ("validation_failed", "#/tickets")
