"""What actions do to a ticket, whoever has them done: here a rule, when the ticket is created."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.api.test_rules import a_rule, setting, tagging, told
from tests.factories import a_company, a_policy, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage

BY_CLIENT = [{"action": "assign_default_team"}, {"action": "assign_responsible_user"}]


def a_team(api: Client, members: int = 0) -> tuple[str, list[str]]:
    """Make a team; gives its id and those of its members, in the order in which they joined."""
    team = create(api, "teams", name=f"Team {uuid4()}")["id"]
    return team, [a_user(api, team_id=team)["id"] for _ in range(members)]


def in_turn(team: str) -> Any:  # noqa: ANN401 - JSON.
    return [{"action": "assign_round_robin", "team_id": team}]


def by_load(team: str) -> Any:  # noqa: ANN401 - JSON.
    return [{"action": "assign_least_loaded", "team_id": team}]


def test_actions_are_done_in_their_order_and_changes_in_a_row_are_one_change(api: Client) -> None:
    contact = create(api, "contacts", name="Luca Ferri", company_id=a_company(api)["id"])
    actions = [
        *setting(subject="As agreed", status="open", type="task", contact_id=contact["id"], priority="low"),
        *tagging("one"),
        *({"action": "remove_tags", "tags": ["one", "given", "never there"]}, *tagging("Two")),
        *setting(priority="high", company_id=contact["company_id"]),
    ]
    a_rule(api, actions=actions)

    made = a_ticket(api, tags=["given", "stays"])

    assert [made[name] for name in ("subject", "status", "type", "priority", "tags", "version")] == [
        *("As agreed", "open", "task", "high", ["stays", "two"], 2)
    ]
    assert (made["contact_id"], made["company_id"]) == (contact["id"], contact["company_id"])


def test_null_empties_a_field(api: Client) -> None:
    team, (user,) = a_team(api, 1)
    a_rule(api, actions=setting(team_id=None, assignee_id=None))

    made = a_ticket(api, team_id=team, assignee_id=user)

    assert (made["team_id"], made["assignee_id"]) == (None, None)


def test_a_ticket_goes_to_whom_its_client_goes_to(api: Client) -> None:
    (at_place, _), (of_company, _), user = a_team(api), a_team(api), a_user(api)["id"]
    company = a_company(api, default_team_id=of_company, responsible_user_id=user)["id"]
    place = create(api, "locations", name="Dock 3", company_id=company, responsible_team_id=at_place)["id"]
    other, _ = a_team(api)
    a_rule(api, actions=BY_CLIENT)

    made = [
        a_ticket(api, team_id=other, **values)
        for values in ({"company_id": company}, {"location_id": place}, {"company_id": a_company(api)["id"]}, {})
    ]

    assert [(ticket["team_id"], ticket["assignee_id"]) for ticket in made] == [
        (of_company, user),
        (at_place, user),
        (other, None),
        (other, None),
    ]


def test_members_of_a_team_take_turns_and_who_joins_is_next(api: Client) -> None:
    team, (first, second, third) = a_team(api, 3)
    a_rule(api, actions=in_turn(team))

    got = [a_ticket(api)["assignee_id"] for _ in range(4)]
    patch(api, f"users/{second}", is_active=False)
    got += [a_ticket(api)["assignee_id"] for _ in range(2)]
    patch(api, f"users/{second}", is_active=True)
    joined = a_user(api, team_id=team)["id"]
    made = [a_ticket(api) for _ in range(5)]

    assert got == [first, second, third, first, third, first]
    assert [ticket["assignee_id"] for ticket in made] == [joined, second, third, first, joined]
    assert {ticket["team_id"] for ticket in made} == {team}


def test_turns_are_exact_however_many_tickets_come_at_once(stage: Stage, api: Client) -> None:
    team, members = a_team(api, 4)
    # Two rules share the turns of a team.
    for priority in ("low", "high"):
        condition = {"field": "priority", "op": "eq", "value": priority}
        a_rule(api, "updated", condition=condition, actions=in_turn(team))

    # Changed, not created: creations wait for one another's number.
    waiting = [a_ticket(api, priority="normal")["id"] for _ in range(32)]

    def raised(number: int) -> str:
        assignee: str = patch(api, f"tickets/{waiting[number]}", priority=("low", "high")[number % 2])["assignee_id"]
        return assignee

    with ThreadPoolExecutor(8) as pool:
        got = Counter(pool.map(raised, range(32)))

    assert got == dict.fromkeys(members, 8)
    turns = stage.sql("SELECT turn FROM assignment_turns WHERE tenant_id = $1 ORDER BY turn", api.tenant.id)
    assert [row["turn"] for row in turns] == [29, 30, 31, 32]


def test_whoever_has_least_to_do_gets_the_ticket_and_turns_decide_between_equals(api: Client) -> None:
    team, (first, second, third) = a_team(api, 3)
    busy = [a_ticket(api, assignee_id=first) for _ in range(2)]
    a_ticket(api, assignee_id=second)
    a_ticket(api, assignee_id=third, status="solved")
    a_rule(api, actions=by_load(team))

    got = [a_ticket(api)["assignee_id"] for _ in range(3)]
    for ticket in busy:
        patch(api, f"tickets/{ticket['id']}", status="solved")
    got += [a_ticket(api)["assignee_id"] for _ in range(3)]

    # 2/1/0, 2/1/1, 2/2/1, then 0/2/2, 1/2/2, and between equals who got none for longest.
    assert got == [third, second, third, first, first, second]


def test_what_is_assigned_anew_is_no_load_of_whom_it_is_taken_from(api: Client) -> None:
    team, (first, second) = a_team(api, 2)
    mine = a_ticket(api, assignee_id=first)
    a_ticket(api, assignee_id=second)
    a_rule(api, "updated", actions=by_load(team))

    assert patch(api, f"tickets/{mine['id']}", subject="Scanner")["assignee_id"] == first


def test_a_team_of_nobody_is_a_failure_that_undoes_the_whole_rule(api: Client) -> None:
    team, (user,) = a_team(api, 1)
    patch(api, f"users/{user}", is_active=False)
    rule = a_rule(api, actions=tagging("half") + in_turn(team))

    made = a_ticket(api)

    assert (made["tags"], made["team_id"], made["version"]) == ([], None, 1)
    (failed,) = told(api, rule["id"], "rule.failed")
    assert failed["data"]["code"] == "nobody_in_team"


@pytest.mark.parametrize(
    ("actions", "code", "pointer"),
    [
        ([], "validation_failed", "#/actions"),
        (tagging("x") * 21, "validation_failed", "#/actions"),
        ([{}], "validation_failed", "#/actions/0"),
        ([{"action": "explode"}], "validation_failed", "#/actions/0"),
        (setting(), "validation_failed", "#/actions/0/values"),
        (tagging("x") + setting(number=1), "validation_failed", "#/actions/1/values/number"),
        (setting(priority=None), "validation_failed", "#/actions/0/values/priority"),
        (setting(status="done"), "validation_failed", "#/actions/0/values/status"),
        ([{"action": "add_tags"}], "validation_failed", "#/actions/0/tags"),
        ([{"action": "add_tags", "tags": []}], "validation_failed", "#/actions/0/tags"),
        ([{"action": "add_tags", "tags": ["a"], "more": 1}], "validation_failed", "#/actions/0/more"),
        ([{"action": "assign_default_team", "team_id": None}], "validation_failed", "#/actions/0/team_id"),
        (setting(team_id=str(uuid4())), "unknown_reference", "#/actions/0/values/team_id"),
        (setting(contact_id=str(uuid4())), "unknown_reference", "#/actions/0/values/contact_id"),
        (tagging("x") + in_turn(str(uuid4())), "unknown_reference", "#/actions/1/team_id"),
    ],
)
def test_what_is_no_action_is_refused_where_it_is_wrong(api: Client, actions: Any, code: str, pointer: str) -> None:  # noqa: ANN401 - JSON.
    problem = api.post("/v1/rules", json={"name": "W", "position": 1, "occasions": ["created"], "actions": actions})

    assert (problem.json()["code"], problem.json()["errors"][0]["pointer"]) == (code, pointer)


def test_nobody_has_actions_done_on_what_he_is_not_shown(stage: Stage, api: Client) -> None:
    team, _ = a_team(api)
    values = {"name": "Mine", "position": 1, "occasions": ["created"]}
    key = create(api, "api-keys", name="Narrow", scopes=["*:read", "*:write"], field_groups=["ticket.internal"])["key"]
    bare = create(api, "api-keys", name="Bare", scopes=["*:read", "*:write"], field_groups=[])["key"]

    with stage.client(api.tenant, key) as narrow, stage.client(api.tenant, bare) as blind:
        refused = [
            client.post("/v1/rules", json={**values, "actions": actions}).json()
            for client, actions in (
                *((narrow, [action]) for action in BY_CLIENT),
                *((blind, actions) for actions in (in_turn(team), by_load(team), setting(assignee_id=None))),
            )
        ]

    assert [(problem["code"], problem["errors"][0]["pointer"]) for problem in refused] == [
        *[("field_not_allowed", "#/actions/0")] * 4,
        ("field_not_allowed", "#/actions/0/values/assignee_id"),
    ]
    assert get(api, "rules")["data"] == []


def commenting(body: str, kind: str = "note") -> Any:  # noqa: ANN401 - JSON.
    return [{"action": "comment", "kind": kind, "body": body}]


def said(api: Client, ticket: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - JSON.
    """Give what was said on a ticket, in order."""
    return [(comment["kind"], comment["body"]) for comment in get(api, f"tickets/{ticket['id']}/comments")["data"]]


def test_a_comment_is_filled_with_what_the_actions_before_it_have_made_of_the_ticket(api: Client) -> None:
    company = a_company(api, name="Alpine Dairy", territory=None)["id"]
    written = "#{{number}} {{ priority }} [{{tags}}] {{company.name}}/{{company.territory}}/{{team_id}}; {{due_at}}}}."
    a_rule(api, actions=[*setting(priority="urgent"), *commenting(written), *tagging("late")])

    made = a_ticket(api, company_id=company, tags=["dock", "a"])

    assert said(api, made) == [("note", f"#{made['number']} urgent [a, dock] Alpine Dairy//; }}}}.")]
    (comment,) = get(api, f"tickets/{made['id']}/comments")["data"]
    assert (comment["author_user_id"], comment["author_contact_id"]) == (None, None)
    assert (made["tags"], made["version"]) == (["a", "dock", "late"], 3)
    (noted,) = told(api, made["id"], "ticket.note_added")
    assert (noted["actor"]["type"], noted["data"]["comment_id"]) == ("rule", comment["id"])


@pytest.mark.parametrize(
    "value",
    [
        "{{number}}",
        "<script>alert(1)</script>",
        "{{{{subject}}}}",
        "%s {0} ${x} \\1 \\g<0>",
        "'; DROP TABLE t; --",
    ],
)
def test_what_a_value_says_is_never_read_as_anything(api: Client, value: str) -> None:
    a_rule(api, actions=commenting("<b>{{subject}}</b>{{subject}}"))

    assert said(api, a_ticket(api, subject=value)) == [("note", f"<b>{value}</b>{value}")]


def test_a_comment_is_cut_where_it_would_be_too_long_and_not_written_where_it_says_nothing(api: Client) -> None:
    a_rule(api, actions=[*commenting("{{description}}\n{{description}}"), *commenting(" {{description}} ")])

    long, blank = a_ticket(api, description="x" * 40_000), a_ticket(api)

    first, second = said(api, long)
    assert first == ("note", "x" * 40_000 + "\n" + "x" * 25_534 + "…")
    assert (second, said(api, blank)) == (("note", f" {'x' * 40_000} "), [])


def test_a_reply_of_a_rule_is_public_but_neither_answers_the_client_nor_opens_a_ticket(api: Client) -> None:
    a_policy(api)
    a_rule(api, "updated", actions=commenting("We look at it.", "reply"))
    ticket = a_ticket(api)

    after = patch(api, f"tickets/{ticket['id']}", status="pending")

    assert said(api, ticket) == [("reply", "We look at it.")]
    assert (after["status"], after["first_responded_at"], after["version"]) == ("pending", None, 3)
    assert {clock["metric"]: clock["state"] for clock in after["clocks"]} == {
        "first_response": "paused",
        "resolution": "paused",
    }
    (told_of,) = told(api, ticket["id"], "ticket.reply_added")
    assert (told_of["object_version"], told_of["data"]["author_user_id"]) == (3, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{{subjec}}", "unknown_template_field"),
        ("{{event.actor_type}}", "unknown_template_field"),
        ("{{subject", "invalid_template"),
        ("{{}}", "invalid_template"),
        ("{{#if subject}}x{{/if}}", "invalid_template"),
        ("{{subject | upper}}", "invalid_template"),
        ("{{{subject}}}", "invalid_template"),
        ("{{subject.__class__}}", "unknown_template_field"),
        ("{{number}}" * 101, "invalid_template"),
    ],
)
def test_what_is_no_template_is_refused_where_it_stands(api: Client, body: str, code: str) -> None:
    actions = tagging("x") + commenting(body)

    problem = api.post("/v1/rules", json={"name": "W", "position": 1, "occasions": ["created"], "actions": actions})

    assert (problem.json()["code"], problem.json()["errors"][0]["pointer"]) == (code, "#/actions/1/body")


def test_a_template_tells_nobody_what_he_is_not_shown(stage: Stage, api: Client) -> None:
    wanted: tuple[tuple[list[str], list[str], str, str], ...] = (
        (["rules:write", "tickets:write", "notes:write", "tickets:read"], [], "{{tags}}", "field_not_allowed"),
        (["rules:write", "tickets:write", "notes:write"], [], "{{subject}}", "missing_permission"),
        (["*:read", "*:write"], [], "{{company.territory}}", "field_not_allowed"),
        (["*:read", "tickets:write", "rules:write"], [], "{{subject}}", "missing_permission"),
    )
    refused = []
    for scopes, groups, body, _ in wanted:
        key = create(api, "api-keys", name="Narrow", scopes=scopes, field_groups=groups)["key"]
        with stage.client(api.tenant, key) as narrow:
            values = {"name": "Mine", "position": 1, "occasions": ["created"], "actions": commenting(body)}
            refused.append(narrow.post("/v1/rules", json=values).json()["code"])

    assert refused == [code for *_, code in wanted]
