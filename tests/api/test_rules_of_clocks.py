"""Rules over SLA clocks: what a deadline that fires, and a clock that stops, sets off."""

from typing import Any

from tests.api.test_rules import a_rule, setting, tagging, told
from tests.api.test_sla_metrics import HOUR, at, promised
from tests.conftest import MakeSandbox
from tests.factories import a_policy, a_ticket, a_user, create, get, patch


def of_clock(metric: str) -> Any:  # noqa: ANN401 - JSON.
    return {"field": "event.clock_metrics", "op": "contains", "value": metric}


def test_each_step_of_a_clock_is_an_occasion_of_its_own(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution", warning_percent=50)
    for step in ("sla_warning", "sla_breached", "sla_met", "sla_missed"):
        a_rule(api, step, condition=of_clock("resolution"), actions=tagging(step))
        a_rule(api, step, condition=of_clock("first_response"), actions=tagging("another clock"))
    late, soon = a_ticket(api), a_ticket(api)

    patch(api, f"tickets/{soon['id']}", status="solved")
    seen = [get(api, f"tickets/{soon['id']}")["tags"]]
    for hour in (12, 13, 17, 18):
        at(api, hour)
        seen.append(get(api, f"tickets/{late['id']}")["tags"])
    seen.append(patch(api, f"tickets/{late['id']}", status="solved")["tags"])

    warned = ["sla_warning"]
    breached = ["sla_breached", *warned]
    assert seen == [["sla_met"], [], warned, warned, breached, ["sla_breached", "sla_missed", "sla_warning"]]


def test_what_a_rule_does_about_a_breach_is_told_with_the_deadline_as_its_cause(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution")
    promised(api, "first_response", seconds=20 * HOUR)
    rule = a_rule(api, "sla_breached", actions=setting(priority="urgent"), stops=True)
    ticket = a_ticket(api)

    at(api, 18)

    after = get(api, f"tickets/{ticket['id']}")
    (breach,) = told(api, ticket["id"], "ticket.sla_breached")
    (change,) = told(api, ticket["id"], "ticket.updated")
    assert (after["priority"], after["version"], after["updated_at"]) == ("urgent", 3, "2026-03-02T18:00:00Z")
    assert (change["actor"], change["cause"]) == ({"type": "rule", "id": rule["id"]}, breach["cause"])
    assert breach["cause"]["type"] == "deadline"


def test_a_rule_that_fails_takes_no_deadline_with_it(sandbox: MakeSandbox) -> None:
    # Under a test clock all deadlines are reached in one go: of two at once, either may be the fifth to fail.
    api = sandbox()
    target = {"metric": "resolution", "seconds": 1, "hours": "calendar", "warning_percent": None}
    a_policy(api, calendar_id=None, targets=[target])
    user = a_user(api)["id"]
    failing = a_rule(api, "sla_breached", position=1, actions=tagging("half") + setting(assignee_id=user))
    a_rule(api, "sla_breached", position=2, actions=tagging("whole"))
    team = create(api, "teams", name="Second level")["id"]
    a_rule(api, "sla_breached", position=3, actions=setting(team_id=team))
    patch(api, f"users/{user}", is_active=False)

    made = [a_ticket(api)["id"] for _ in range(7)]
    at(api, 9)

    left = [get(api, f"tickets/{ticket}") for ticket in made]
    assert all(ticket["clocks"][0]["breached_at"] for ticket in left)
    assert [(ticket["tags"], ticket["assignee_id"]) for ticket in left] == [(["whole"], None)] * 7
    assert {ticket["team_id"] for ticket in left} != {None}
    events = told(api, failing["id"], "rule.failed", "rule.disabled")
    assert [event["type"] for event in events] == ["rule.failed"] * 5 + ["rule.disabled"]
    assert [len(told(api, ticket, "ticket.sla_breached")) for ticket in made] == [1] * 7
