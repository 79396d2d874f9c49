"""Escalation steps of SLA policies over HTTP, on a test clock at Monday 2026-03-02 08:00 UTC; ten hours promised."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.api.test_recomputing import FLOOD, edit
from tests.api.test_rules import a_rule, tagging, told
from tests.api.test_sla_explained import explained, replayed
from tests.api.test_sla_metrics import HOUR, at, promised
from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, a_policy, a_ticket, a_user, advance, create, get, patch
from tests.jobs.webhooks import until
from tests.signing_in import emails_to, role_of
from tests.stage import Client, Stage

HALF = {"key": "half", "percent": 50}
LATE = {"key": "late", "offset_seconds": HOUR}


def two_emails(api: Client, address: str) -> bool | None:
    return len(emails_to(api, address)) == 2 or None


def escalated(api: Client, ticket: Json) -> list[tuple[str, str, bool]]:
    """Give which steps were told, as of when, and whether they were late."""
    events = told(api, ticket["id"], "ticket.sla_escalated")
    return [(event["data"]["step"], event["occurred_at"][11:16], event["data"]["is_late"]) for event in events]


def steps_of(api: Client, ticket: Json) -> list[tuple[str, str | None, str | None]]:
    record = get(api, f"tickets/{ticket['id']}/sla/resolution")
    return [(one["key"], one["at"], one["reached_at"]) for one in record["escalations"]]


def test_steps_are_told_at_their_instants_before_and_after_the_deadline_and_shown_on_the_clock(
    sandbox: MakeSandbox,
) -> None:
    api = sandbox()
    promised(api, "resolution", escalations=[HALF, LATE])
    a_rule(api, "sla_escalated", actions=tagging("heard"))
    ticket = a_ticket(api)

    ahead = steps_of(api, ticket)
    at(api, 14)
    between = (steps_of(api, ticket), explained(api, ticket), get(api, f"tickets/{ticket['id']}")["tags"])
    advance(api, "2026-03-03T00:00:00Z")

    half, late = "2026-03-02T13:00:00Z", "2026-03-02T19:00:00Z"
    assert ahead == [("half", half, None), ("late", late, None)]
    assert between[0] == [("half", half, half), ("late", late, None)]
    assert [(step["from_at"], step["step"]) for step in between[1]["steps"] if step["kind"] == "escalated"] == [
        (half, "half")
    ]
    assert replayed(between[1]) == datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert between[2] == ["heard"]
    assert escalated(api, ticket) == [("half", "13:00", False), ("late", "19:00", False)]
    assert [step["text"] for step in explained(api, ticket)["steps"] if step["step"] == "late"] == [
        "2026-03-02 19:00:00: escalation step late."
    ]


def test_a_step_reassigns_raises_the_priority_and_writes_to_who_may_read_the_ticket(sandbox: MakeSandbox) -> None:
    api = sandbox()
    agent = role_of(api, "agent")
    team = create(api, "teams", name="Second level")["id"]
    lead, mate = a_user(api, role_id=agent), a_user(api, role_id=agent, team_id=team)
    outsider, gone = a_user(api), a_user(api, role_id=agent, team_id=team, is_active=False)
    step = {
        **HALF,
        "team_id": team,
        "assignee_id": lead["id"],
        "raise_priority_to": "high",
        "notify_assignee": True,
        "notify_team": True,
        "notify_user_ids": [outsider["id"], gone["id"]],
    }
    promised(api, "resolution", escalations=[step])
    ticket, urgent, solved = a_ticket(api), a_ticket(api, priority="urgent"), a_ticket(api)
    at(api, 12)
    patch(api, f"tickets/{solved['id']}", status="solved")

    at(api, 14)

    after = get(api, f"tickets/{ticket['id']}")
    assert (after["team_id"], after["assignee_id"], after["priority"]) == (team, lead["id"], "high")
    assert get(api, f"tickets/{urgent['id']}")["priority"] == "urgent"
    assert (get(api, f"tickets/{solved['id']}")["team_id"], escalated(api, solved)) == (None, [])
    (change,) = told(api, ticket["id"], "ticket.assigned")
    (step_told,) = told(api, ticket["id"], "ticket.sla_escalated")
    assert (change["actor"]["type"], change["cause"]) == ("system", step_told["cause"])
    for user in (lead, mate):
        until(partial(two_emails, api, user["email"]))
    written = {email["subject"]: email for email in emails_to(api, mate["email"])}
    assert set(written) == {f"Ticket {one['number']}: escalation “half”" for one in (ticket, urgent)}
    assert (
        written[f"Ticket {ticket['number']}: escalation “half”"]["text"].splitlines()[1]
        == "The deadline: 2026-03-02 18:00:00 (UTC)."
    )
    assert (emails_to(api, outsider["email"]), emails_to(api, gone["email"])) == ([], [])


def test_what_a_step_may_not_change_is_undone_and_told_and_the_step_stands(sandbox: MakeSandbox) -> None:
    api = sandbox()
    user = a_user(api)["id"]
    promised(api, "resolution", escalations=[{**HALF, "assignee_id": user, "raise_priority_to": "urgent"}])
    ticket = a_ticket(api)
    patch(api, f"users/{user}", is_active=False)

    at(api, 14)

    (failed,) = told(api, ticket["id"], "ticket.sla_escalation_failed")
    assert (failed["data"]["step"], failed["data"]["code"]) == ("half", "inactive_user")
    after = get(api, f"tickets/{ticket['id']}")
    assert (after["priority"], after["assignee_id"]) == ("normal", None)
    assert escalated(api, ticket) == [("half", "13:00", False)]


def two_targets(api: Client, *, on_change: str, normal_step: Json) -> None:
    """Promise ten hours, and four of what is urgent."""
    terms = {"metric": "resolution", "hours": "calendar", "warning_percent": None, "on_change": on_change}
    soon = {**terms, "seconds": 4 * HOUR, "priority": "urgent", "escalations": [HALF, {"key": "end", "percent": 100}]}
    a_policy(api, calendar_id=None, targets=[soon, {**terms, "seconds": 10 * HOUR, "escalations": [normal_step]}])


def test_a_step_that_other_terms_bring_too_late_happens_once_and_is_marked(sandbox: MakeSandbox) -> None:
    api = sandbox()
    two_targets(api, on_change="keep", normal_step=HALF)
    ticket = a_ticket(api)
    at(api, 11)

    for priority in ("urgent", "normal", "urgent"):
        patch(api, f"tickets/{ticket['id']}", priority=priority)
    advance(api, "2026-03-03T00:00:00Z")

    assert escalated(api, ticket) == [("half", "11:00", True), ("end", "12:00", False)]


def test_what_a_step_changes_does_not_begin_the_clock_anew_that_it_escalates(sandbox: MakeSandbox) -> None:
    api = sandbox()
    two_targets(api, on_change="restart", normal_step={**HALF, "raise_priority_to": "urgent"})
    ticket = a_ticket(api)

    advance(api, "2026-03-03T00:00:00Z")

    assert escalated(api, ticket) == [("half", "13:00", False), ("end", "13:00", True)]
    assert get(api, f"tickets/{ticket['id']}/sla/resolution")["instance"] == 1


def test_an_edit_of_the_calendar_moves_steps_and_repeats_none(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    target = {"metric": "resolution", "seconds": 16 * HOUR, "warning_percent": None}
    a_policy(
        api, calendar_id=calendar["id"], targets=[{**target, "escalations": [{"key": "early", "percent": 25}, HALF]}]
    )
    ticket = a_ticket(api)
    advance(api, "2026-03-02T14:00:00Z")

    edit(stage, api, calendar, holidays=[{"on": "2026-03-02", "name": "Flood"}, FLOOD], effective_from=None)
    moved = steps_of(api, ticket)
    advance(api, "2026-03-06T00:00:00Z")

    early, half = "2026-03-02T13:00:00Z", "2026-03-04T17:00:00Z"
    assert moved == [("early", early, early), ("half", half, None)]
    assert escalated(api, ticket) == [("early", "13:00", False), ("half", "17:00", False)]


def test_a_step_is_told_once_though_its_deadline_is_fired_again(api: Client, stage: Stage) -> None:
    promised(api, "resolution", seconds=1, escalations=[{"key": "at_once", "offset_seconds": -HOUR}])
    ticket = a_ticket(api)
    until(lambda: escalated(api, ticket) or None)
    again = "UPDATE deadlines SET fired_at = NULL, due_at = due_at - interval '1 s', try_at = now() WHERE {}"
    stage.sql(again.format("tenant_id = $1 AND kind = 'ticket.sla_step'"), api.tenant.id)

    # The worker has tried it, and put it off.
    tried = "SELECT 1 FROM deadlines WHERE tenant_id = $1 AND kind = 'ticket.sla_step' AND try_at > now()"
    until(lambda: stage.sql(tried, api.tenant.id) or None)

    assert len(escalated(api, ticket)) == 1


def refused(api: Client, **step: Any) -> tuple[int, str, str | None]:  # noqa: ANN401 - JSON.
    target = {"metric": "resolution", "seconds": HOUR, "hours": "calendar", "escalations": [step]}
    answer = api.post("/v1/sla-policies", json={"name": "Refused", "position": 1, "targets": [target]}).json()
    return answer["status"], answer["code"], answer["errors"][0]["pointer"] if answer["errors"] else None


def test_a_step_that_means_nothing_or_that_its_author_may_not_take_is_refused(api: Client, stage: Stage) -> None:
    nobody = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e99"
    team = create(api, "teams", name="Second level")["id"]
    where = "#/targets/0/escalations/0"
    writer = stage.client(api.tenant, stage.key(api.tenant, ("sla-policies:write",)))
    with writer:
        assert refused(writer, **HALF, team_id=team)[:2] == (403, "missing_permission")
        assert refused(writer, key="Half", percent=50)[:2] == (422, "validation_failed")
    assert refused(api, key="both", percent=50, offset_seconds=0)[:2] == (422, "validation_failed")
    assert refused(api, **HALF, team_id=nobody) == (422, "unknown_reference", f"{where}/team_id")
    assert refused(api, **HALF, notify_user_ids=[nobody]) == (422, "unknown_reference", f"{where}/notify_user_ids/0")
