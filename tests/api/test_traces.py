"""Traces: the chain from a request through rules, deadlines and jobs to webhooks, and who is told of what."""

from typing import Any

from tests.api.test_rules import URGENT, a_rule, tagging
from tests.api.test_sla_metrics import at
from tests.api.test_time_rules import waiting
from tests.conftest import MakeSandbox
from tests.factories import a_ticket, create, get
from tests.jobs.webhooks import an_endpoint, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


def trace(api: Client, cause: str) -> Any:  # noqa: ANN401 - JSON.
    return get(api, f"traces/{cause}")


def kinds(traced: Any) -> list[Any]:  # noqa: ANN401 - JSON.
    return [(step["type"], step["kind"], step["state"]) for step in traced["data"]]


def test_a_trace_leads_from_a_request_through_rules_and_deadlines(sandbox: MakeSandbox) -> None:
    api = sandbox()
    target = {"metric": "resolution", "seconds": 4 * 3600, "hours": "calendar", "warning_percent": None}
    create(api, "sla-policies", name="Day", position=1, calendar_id=None, targets=[target])
    a_rule(api, condition=URGENT, actions=tagging("night"))
    waiting(api, "created_at", 2, actions=tagging("late"))
    reacting = a_rule(api, "sla_breached", actions=[{"action": "set", "values": {"priority": "low"}}])
    made = api.post("/v1/tickets", json={"subject": "Printer", "priority": "urgent"})
    cause = made.headers["x-request-id"]
    before = trace(api, cause)

    at(api, 13)
    after = trace(api, cause)

    waiting_then = [("request", None, "done"), ("deadline", "rule.elapsed", "waiting")]
    assert sorted(map(str, kinds(before))) == sorted(
        map(str, [*waiting_then, ("deadline", "ticket.sla_breach", "waiting")])
    )
    request, *later = after["data"]
    assert (request["id"], request["set_off_by"], after["before"], after["is_complete"]) == (cause, None, [], True)
    assert [event["type"] for event in request["events"]] == [
        *("ticket.created", "ticket.sla_started", "ticket.updated", "ticket.rule_applied")
    ]
    assert [run["changes"] for run in request["rule_runs"]] == [{"tags": [[], ["night"]]}]
    assert {step["kind"]: step["due_at"] for step in later} == {
        "rule.elapsed": "2026-03-02T10:00:00Z",
        "ticket.sla_breach": "2026-03-02T12:00:00Z",
    }
    assert all(step["set_off_by"] == {"type": "request", "id": cause} for step in later)
    breach = next(step for step in later if step["kind"] == "ticket.sla_breach")
    assert (breach["state"], breach["fired_at"]) == ("done", "2026-03-02T12:00:00Z")
    assert breach["events"][0]["type"] == "ticket.sla_breached"
    assert [run["rule_id"] for run in breach["rule_runs"]] == [reacting["id"]]
    assert trace(api, breach["id"])["before"] == [{"type": "request", "id": cause}]


def test_a_trace_leads_through_jobs_and_back(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_ticket(api)
    rule = waiting(api, "created_at", 1, state="draft", actions=tagging("late"))

    published = api.post(f"/v1/rules/{rule['id']}/publish", json={}).headers["x-request-id"]
    until(lambda: [step["kind"] for step in trace(api, published)["data"]] == [None, "rule.arm", "rule.elapsed"])
    at(api, 10)

    request, job, deadline = trace(api, published)["data"]
    assert request["events"][0]["type"] == "rule.updated"
    assert (job["type"], job["set_off_by"]) == ("job", {"type": "request", "id": published})
    assert (deadline["state"], deadline["set_off_by"]) == ("done", {"type": "job", "id": job["id"]})
    assert [run["ticket_id"] for run in deadline["rule_runs"]] == [ticket["id"]]
    assert trace(api, deadline["id"])["before"] == [job["set_off_by"], {"type": "job", "id": job["id"]}]


def test_a_trace_tells_every_attempt_at_a_webhook(api: Client) -> None:
    with WebhookReceiver() as receiver:
        endpoint = an_endpoint(api, receiver, "team.created")
        receiver.answer_next(Answer(410))

        cause = api.post("/v1/teams", json={"name": "Night shift"}).headers["x-request-id"]
        delivered = until(lambda: [one for one in deliveries(api, cause) if one["state"] == "failed"])

    (delivery,) = delivered
    assert (delivery["endpoint_id"], delivery["event_type"]) == (endpoint["id"], "team.created")
    assert [(attempt["number"], attempt["status"]) for attempt in delivery["attempts"]] == [(1, 410)]


def deliveries(api: Client, cause: str) -> list[Any]:
    (step,) = trace(api, cause)["data"]
    (event,) = step["events"]
    found: list[Any] = event["deliveries"]
    return found


def test_a_trace_tells_nobody_more_than_the_logs_do(stage: Stage, api: Client) -> None:
    rule = {"condition": {"field": "tags", "op": "is_empty"}, "actions": tagging("vip")}
    a_rule(api, **rule)
    waiting(api, "created_at", 1, actions=tagging("late"))
    cause = api.post("/v1/tickets", json={"subject": "Printer"}).headers["x-request-id"]
    narrow = create(api, "api-keys", name="Narrow", scopes=["events:read", "tickets:read"], field_groups=[])["key"]
    blind = create(api, "api-keys", name="Blind", scopes=["events:read", "teams:read"], field_groups=[])["key"]

    with stage.client(api.tenant, narrow) as reader, stage.client(api.tenant, blind) as other:
        (step,) = trace(reader, cause)["data"]
        refused = other.get(f"/v1/traces/{cause}")

    assert (step["type"], step["rule_runs"]) == ("request", None)
    assert [(event["type"], event["deliveries"]) for event in step["events"]] == [
        ("ticket.created", None),
        ("ticket.updated", None),
        ("ticket.rule_applied", None),
    ]
    assert [list(event["changes"]) for event in step["events"]][1:] == [[], []]
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert len(trace(api, cause)["data"]) == 2
