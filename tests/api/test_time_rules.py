"""Rules that wait: tried when time is up, once for what they wait for. The test clock begins on a Monday at 08:00."""

from typing import Any

from tests.api.test_custom_fields import a_field, choices
from tests.api.test_rules import URGENT, a_rule, setting, tagging, told
from tests.api.test_sla_metrics import at
from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_company, a_contact, a_reply, a_ticket, a_user, advance, create, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client

HOUR = 3_600
OPEN = {"field": "status", "op": "eq", "value": "open"}


def timer(since: str, hours: int, **more: Any) -> Any:  # noqa: ANN401 - JSON.
    """Say when time is up."""
    return {"since": since, "seconds": hours * HOUR, "calendar_id": None, "is_rearmed": False, **more}


def waiting(api: Client, since: str, hours: int, **values: Any) -> Any:  # noqa: ANN401 - JSON.
    """Publish a rule that waits."""
    more = {name: values.pop(name) for name in ("calendar_id", "is_rearmed") if name in values}
    return a_rule(api, "elapsed", timer=timer(since, hours, **more), **values)


def tags(api: Client, *tickets: Any) -> list[list[str]]:  # noqa: ANN401 - JSON.
    return [get(api, f"tickets/{ticket['id']}")["tags"] for ticket in tickets]


def test_a_rule_fires_once_when_a_ticket_has_been_in_its_status_for_so_long(sandbox: MakeSandbox) -> None:
    api = sandbox()
    rule = waiting(api, "status_changed_at", 4, condition=OPEN, actions=tagging("slow"))
    left, moved, other = (a_ticket(api, status="open") for _ in range(3))
    patch(api, f"tickets/{other['id']}", status="pending")

    at(api, 10)
    patch(api, f"tickets/{moved['id']}", status="pending")
    patch(api, f"tickets/{moved['id']}", status="open")
    seen = []
    for hour in (11, 12, 13, 14, 20):
        at(api, hour)
        seen.append(tags(api, left, moved, other))

    assert seen == [
        [[], [], []],
        [["slow"], [], []],
        [["slow"], [], []],
        [["slow"], ["slow"], []],
        [["slow"], ["slow"], []],
    ]
    (change,) = told(api, left["id"], "ticket.updated")
    assert (change["actor"], change["occurred_at"]) == ({"type": "rule", "id": rule["id"]}, "2026-03-02T12:00:00Z")
    assert change["cause"]["type"] == "deadline"
    runs = get(api, f"rule-runs?rule_id={rule['id']}&sort=created_at")["data"]
    assert [(run["ticket_id"], run["outcome"], run["occasions"]) for run in runs] == [
        (left["id"], "applied", ["elapsed"]),
        (moved["id"], "applied", ["elapsed"]),
    ]


def test_open_hours_count_and_a_negative_time_is_before_the_instant(sandbox: MakeSandbox) -> None:
    api = sandbox()
    office = a_calendar(api)["id"]
    waiting(api, "created_at", 10, calendar_id=office, actions=tagging("office"))
    day = {"metric": "resolution", "seconds": 24 * HOUR, "hours": "calendar", "warning_percent": None}
    create(api, "sla-policies", name="Day", position=1, calendar_id=None, targets=[day])
    waiting(api, "clocks.resolution.due_at", -2, actions=tagging("soon"))

    ticket = a_ticket(api)
    seen = []
    # Ten open hours from 08:00 on Monday end at 11:00 on Tuesday; two before 08:00 on Tuesday is 06:00.
    for moment in ("03T05:59:59", "03T06:00:00", "03T10:59:59", "03T11:00:00"):
        advance(api, f"2026-03-{moment}Z")
        seen += tags(api, ticket)

    assert seen == [[], ["soon"], ["soon"], ["office", "soon"]]


def test_a_rule_that_is_armed_again_fires_for_each_instant_and_never_for_its_own_change(sandbox: MakeSandbox) -> None:
    api = sandbox()
    user, contact = a_user(api)["id"], a_contact(api)["id"]
    note = [{"action": "comment", "kind": "reply", "body": "Still there?"}]
    again = waiting(api, "last_client_reply_at", 2, is_rearmed=True, actions=note)
    once = waiting(api, "last_client_reply_at", 2, actions=note)
    touched = waiting(api, "updated_at", 2, is_rearmed=True, condition=URGENT, actions=tagging("touched"))
    ticket = a_ticket(api, contact_id=contact)
    urgent = a_ticket(api, priority="urgent")

    for hour in (9, 13):
        at(api, hour)
        a_reply(api, ticket, author_contact_id=contact)
        a_reply(api, ticket, author_user_id=user)
    at(api, 23)

    counts = [
        len(get(api, f"rule-runs?rule_id={rule['id']}&outcome=applied")["data"]) for rule in (again, once, touched)
    ]
    assert counts == [2, 1, 1]
    assert tags(api, urgent) == [["touched"]]


def test_a_condition_that_comes_to_hold_when_time_is_up_already_fires_then(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_field(api, "tickets", "stage", "select", choices=choices("waiting"))
    north = a_company(api, territory="south")["id"]
    stage = {"field": "custom_fields.stage", "op": "eq", "value": "waiting"}
    territory = {"field": "company.territory", "op": "eq", "value": "north"}
    waiting(api, "created_at", 1, condition=stage, actions=tagging("stage"))
    waiting(api, "created_at", 5, condition=territory, actions=tagging("north"))
    ticket = a_ticket(api, company_id=north)

    at(api, 11)
    before = tags(api, ticket)
    patch(api, f"tickets/{ticket['id']}", custom_fields={"stage": "waiting"})
    patch(api, f"companies/{north}", territory="north")
    at(api, 12)
    meanwhile = tags(api, ticket)
    at(api, 13)

    assert (before, meanwhile, tags(api, ticket)) == ([[]], [["stage"]], [["north", "stage"]])


def test_a_published_rule_reaches_the_tickets_that_are_there_and_a_disabled_one_none(sandbox: MakeSandbox) -> None:
    api = sandbox()
    old = a_ticket(api)
    rule = waiting(api, "created_at", 3, state="draft", actions=tagging("late"))
    tried = api.post(f"/v1/rules/{rule['id']}/try", json={"ticket_id": old["id"]}).json()
    disabled = waiting(api, "created_at", 3, actions=tagging("never"))
    patch(api, f"rules/{disabled['id']}", state="disabled")
    gone = waiting(api, "created_at", 3, actions=tagging("gone"))
    new = a_ticket(api)
    api.delete(f"/v1/rules/{gone['id']}")
    at(api, 12)

    api.post(f"/v1/rules/{rule['id']}/publish", json={})

    def reached() -> Any:  # noqa: ANN401 - JSON.
        at(api, 12)
        return tags(api, old, new) == [["late"], ["late"]] or None

    until(reached)
    assert (tried["due_at"], tried["holds"]) == ("2026-03-02T11:00:00Z", True)


def test_a_rule_that_fails_when_time_is_up_is_told_and_loses_no_ticket(sandbox: MakeSandbox) -> None:
    api = sandbox()
    user, office = a_user(api)["id"], a_calendar(api)["id"]
    failing = waiting(api, "created_at", 1, actions=setting(assignee_id=user))
    lost = waiting(api, "created_at", 1, calendar_id=office, actions=tagging("lost"))
    made = [a_ticket(api) for _ in range(2)]
    patch(api, f"users/{user}", is_active=False)
    assert api.delete(f"/v1/calendars/{office}").status_code == 204

    at(api, 10)
    patch(api, f"users/{user}", is_active=True)
    for ticket in made:
        patch(api, f"tickets/{ticket['id']}", subject="Touched")
    at(api, 11)

    assert [get(api, f"tickets/{ticket['id']}")["assignee_id"] for ticket in made] == [user] * 2
    failures = [event["data"]["code"] for event in told(api, failing["id"], "rule.failed")]
    assert failures == ["inactive_user"] * 2
    assert {event["data"]["code"] for event in told(api, lost["id"], "rule.failed")} == {"unknown_reference"}


def test_a_timer_that_means_nothing_is_refused(api: Client) -> None:
    base = {"name": "Waits", "position": 1, "actions": tagging("x"), "occasions": ["elapsed"]}
    refused = {
        "timer_mismatch #/timer": [{}, {"occasions": ["created"], "timer": timer("created_at", 1)}],
        "unknown_instant #/timer/since": [{"timer": timer(since, 1)} for since in ("subject", "created", "event.x")],
    }

    for expected, bodies in refused.items():
        for body in bodies:
            answer = api.post("/v1/rules", json=base | body)
            problem = answer.json()
            assert (answer.status_code, f"{problem['code']} {problem['errors'][0]['pointer']}") == (422, expected)


def test_rules_that_arm_each_other_are_found_and_come_to_an_end(sandbox: MakeSandbox) -> None:
    api = sandbox()
    waits = {"condition": OPEN, "is_rearmed": True}
    there = waiting(api, "status_changed_at", 1, actions=setting(status="pending"), **waits)
    back = waiting(
        api,
        "status_changed_at",
        1,
        is_rearmed=True,
        condition={"field": "status", "op": "eq", "value": "pending"},
        actions=setting(status="open"),
    )
    ticket = a_ticket(api, status="open")

    found = get(api, "rules/analysis")["data"]
    advance(api, "2026-03-08T08:00:00Z")

    assert [(each["code"], sorted(each["rule_ids"])) for each in found] == [("loop", sorted([there["id"], back["id"]]))]
    assert get(api, f"tickets/{ticket['id']}")["status"] == "open"
    events = until(lambda: get(api, f"events?object_id={ticket['id']}&type=ticket.rules_ended")["data"] or None)
    assert [event["data"]["limit"] for event in events] == ["repeats", "repeats"]


def test_timers_go_with_rules_through_versions_and_files(api: Client) -> None:
    office = a_calendar(api, name="Office")
    rule = waiting(api, "created_at", 3, calendar_id=office["id"], actions=tagging("late"))
    patch(api, f"rules/{rule['id']}", timer=timer("solved_at", 1))

    versions = get(api, f"rules/{rule['id']}/versions")["data"]
    back = api.post(f"/v1/rules/{rule['id']}/publish", json={"version": 1}).json()
    file = get(api, "rules/export")
    (brought,) = api.post("/v1/rules/import", json=file).json()["rules"]

    kept = timer("created_at", 3, calendar_id=office["id"])
    assert [version["timer"] for version in versions] == [kept]
    assert (back["timer"], brought["outcome"]) == (kept, "unchanged")
    assert file["rules"][0]["timer"] == timer("created_at", 3, calendar_id={"calendar": "Office"})
