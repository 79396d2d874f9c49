"""Tickets that are put off: until an instant, for hours of a calendar, or until the client replies."""

from typing import Any

from tests.api.test_rules import a_rule, tagging, told
from tests.api.test_sla_metrics import at
from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_contact, a_reply, a_ticket, a_user, create, get, patch
from tests.stage import Client


def put_off(api: Client, until: str | None = "2026-03-02T12:00:00Z", **values: Any) -> Any:  # noqa: ANN401 - JSON.
    ticket = a_ticket(api, **values)
    return patch(api, f"tickets/{ticket['id']}", snoozed_until=until)


def until_when(api: Client, *tickets: Any) -> list[str | None]:  # noqa: ANN401 - JSON.
    return [get(api, f"tickets/{ticket['id']}")["snoozed_until"] for ticket in tickets]


def test_a_ticket_comes_back_by_itself_when_its_time_has_come_and_clocks_run_on(sandbox: MakeSandbox) -> None:
    api = sandbox()
    target = {"metric": "resolution", "seconds": 8 * 3600, "hours": "calendar", "warning_percent": None}
    create(api, "sla-policies", name="Day", position=1, calendar_id=None, targets=[target])
    ticket, moved = put_off(api), put_off(api)
    clock = ticket["clocks"][0]["due_at"]
    patch(api, f"tickets/{moved['id']}", snoozed_until="2026-03-02T14:00:00Z")
    seen = []
    for hour in (11, 12, 13, 14):
        at(api, hour)
        seen.append(until_when(api, ticket, moved))

    first, second = "2026-03-02T12:00:00Z", "2026-03-02T14:00:00Z"
    assert seen == [[first, second], [None, second], [None, second], [None, None]]
    (woken,) = told(api, ticket["id"], "ticket.woken")
    assert (woken["changes"], woken["actor"]["type"]) == ({"snoozed_until": [first, None]}, "system")
    assert (woken["cause"]["type"], woken["occurred_at"]) == ("deadline", first)
    assert [event["occurred_at"] for event in told(api, moved["id"], "ticket.woken")] == [second]
    assert get(api, f"tickets/{ticket['id']}")["clocks"][0]["due_at"] == clock == "2026-03-02T16:00:00Z"


def test_a_reply_of_the_client_wakes_at_once_and_no_other_does(sandbox: MakeSandbox) -> None:
    api = sandbox()
    contact, user = a_contact(api)["id"], a_user(api)["id"]
    answered, written = (put_off(api, contact_id=contact, status="open") for _ in range(2))

    a_reply(api, written, author_user_id=user)
    a_reply(api, answered, author_contact_id=contact)
    at_once = until_when(api, answered, written)
    at(api, 13)

    assert at_once == [None, "2026-03-02T12:00:00Z"]
    assert until_when(api, answered, written) == [None, None]
    causes = [[event["cause"]["type"] for event in told(api, one["id"], "ticket.woken")] for one in (answered, written)]
    assert causes == [["request"], ["deadline"]]


def test_what_is_finished_is_put_off_no_longer_and_nothing_is_put_off_into_the_past(sandbox: MakeSandbox) -> None:
    api = sandbox()
    solved, open_one = put_off(api), a_ticket(api)

    patch(api, f"tickets/{solved['id']}", status="solved")
    refused = [
        api.patch(f"/v1/tickets/{solved['id']}", json={"snoozed_until": "2026-03-02T12:00:00Z"}),
        api.patch(f"/v1/tickets/{open_one['id']}", json={"snoozed_until": "2026-03-02T08:00:00Z"}),
        api.post("/v1/tickets", json={"subject": "Old", "snoozed_until": "2026-03-01T08:00:00Z"}),
    ]

    assert until_when(api, solved, open_one) == [None, None]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(422, "invalid_snooze")] * 3
    assert {answer.json()["errors"][0]["pointer"] for answer in refused} == {"#/snoozed_until"}
    assert get(api, f"tickets/{open_one['id']}")["version"] == open_one["version"]


def test_actions_put_off_for_open_hours_and_until_an_instant_and_waking_is_no_occasion(sandbox: MakeSandbox) -> None:
    api = sandbox()
    office = a_calendar(api)["id"]
    of_new = {"field": "tags", "op": "contains", "value": "later"}
    snooze = {"action": "snooze", "seconds": 10 * 3600, "calendar_id": office}
    rule = a_rule(api, "created", "updated", condition=of_new, actions=[snooze])
    a_rule(api, "updated", condition={"field": "snoozed_until", "op": "is_empty"}, actions=tagging("awake"))

    by_rule = a_ticket(api, tags=["later"])
    by_hand = a_ticket(api)
    actions = [{"action": "set", "values": {"snoozed_until": "2026-03-02T10:00:00Z"}}]
    api.post("/v1/tickets/bulk", json={"tickets": [{"ticket_id": by_hand["id"]}], "actions": actions})
    before = until_when(api, by_rule, by_hand)
    at(api, 11)

    # Ten open hours from 08:00 on Monday end at 11:00 on Tuesday.
    assert before == ["2026-03-03T11:00:00Z", "2026-03-02T10:00:00Z"]
    assert until_when(api, by_rule, by_hand) == ["2026-03-03T11:00:00Z", None]
    assert [run["ticket_id"] for run in get(api, f"rule-runs?rule_id={rule['id']}&outcome=applied")["data"]] == [
        by_rule["id"]
    ]
    assert get(api, f"tickets/{by_hand['id']}")["tags"] == []
    gone = api.post("/v1/rules", json=rule_with({**snooze, "calendar_id": by_hand["id"]}))
    assert (gone.status_code, gone.json()["errors"][0]["pointer"]) == (422, "#/actions/0/calendar_id")


def rule_with(action: Any) -> Any:  # noqa: ANN401 - JSON.
    return {
        "name": "Later",
        "position": 1,
        "occasions": ["created"],
        "condition": {"field": "priority", "op": "eq", "value": "low"},
        "actions": [action],
    }
