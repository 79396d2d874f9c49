"""How a policy and people decide about the life of a clock, on a test clock at Monday 2026-03-02 08:00 UTC."""

from datetime import datetime

from tests.api.test_sla import sla_events
from tests.api.test_sla_explained import explained, replayed
from tests.api.test_sla_metrics import HOUR, at, promised, shown, told
from tests.conftest import MakeSandbox
from tests.factories import Json, a_company, a_policy, a_ticket, advance, clock, get, patch
from tests.stage import Client, Stage

REASON = "Agreed with the client on the phone."


def set_by_hand(api: Client, ticket: Json, due_at: str) -> Json:
    answer = api.post(
        f"/v1/tickets/{ticket['id']}/sla/resolution/manual-deadline", json={"due_at": due_at, "reason": REASON}
    )
    assert answer.status_code == 200, answer.text
    found: Json = clock(answer.json(), "resolution")
    return found


def test_a_policy_says_in_which_statuses_a_clock_waits(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution", pauses_in=["new"])
    ticket = a_ticket(api)
    at(api, 10)
    pending = patch(api, f"tickets/{ticket['id']}", status="pending")
    at(api, 12)

    assert told(clock(ticket, "resolution")) == (1, "paused", 10)
    assert told(clock(pending, "resolution")) == (1, "running", 10)
    assert told(shown(api, ticket, "resolution")) == (1, "running", 8)


def test_a_reopened_ticket_starts_a_new_clock_where_the_policy_says_so(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, "resolution", on_reopen="restart")
    ticket = a_ticket(api)
    at(api, 10)
    patch(api, f"tickets/{ticket['id']}", status="solved")
    at(api, 12)

    reopened = patch(api, f"tickets/{ticket['id']}", status="open")

    assert told(clock(reopened, "resolution")) == (2, "running", 10)
    assert [event[0] for event in sla_events(stage, ticket)] == ["started", "met", "started"]


def test_another_priority_starts_a_new_clock_where_the_policy_says_so(sandbox: MakeSandbox) -> None:
    api = sandbox()
    targets = [
        {"metric": "resolution", "seconds": 10 * HOUR, "hours": "calendar", "on_change": "restart"},
        {
            "metric": "resolution",
            "priority": "urgent",
            "seconds": HOUR,
            "hours": "calendar",
            "on_change": "restart",
        },
    ]
    a_policy(api, calendar_id=None, targets=targets)
    ticket = a_ticket(api)
    at(api, 12)

    urgent = patch(api, f"tickets/{ticket['id']}", priority="urgent")
    question = patch(api, f"tickets/{ticket['id']}", type="question")

    assert (told(clock(urgent, "resolution")), clock(urgent, "resolution")["breached_at"]) == ((2, "running", 1), None)
    assert clock(question, "resolution") == clock(urgent, "resolution")


def test_a_deadline_set_by_hand_is_never_computed_anew(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    targets = [
        {"metric": "resolution", "seconds": 10 * HOUR, "hours": "calendar"},
        {"metric": "resolution", "priority": "urgent", "seconds": HOUR, "hours": "calendar"},
    ]
    a_policy(api, calendar_id=None, targets=targets)
    ticket = a_ticket(api)
    at(api, 9)

    by_hand = set_by_hand(api, ticket, "2026-03-02T15:00:00Z")
    waiting = patch(api, f"tickets/{ticket['id']}", status="pending")
    at(api, 12)
    urgent = patch(api, f"tickets/{ticket['id']}", status="open", priority="urgent")

    for item in (by_hand, clock(waiting, "resolution"), clock(urgent, "resolution")):
        assert (item["due_at"], item["is_manual"], item["breached_at"]) == ("2026-03-02T15:00:00Z", True, None)
    assert told(clock(urgent, "resolution")) == (1, "running", 3)
    advance(api, "2026-03-03T00:00:00Z")
    assert shown(api, ticket, "resolution")["breached_at"] == "2026-03-02T15:00:00Z"
    (kept,) = stage.sql("SELECT manual_reason FROM sla_clocks WHERE ticket_id = $1", ticket["id"])
    assert kept["manual_reason"] == REASON


def test_a_deadline_set_by_hand_passes_also_while_the_ticket_waits(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, "resolution")
    ticket = a_ticket(api, status="pending")
    set_by_hand(api, ticket, "2026-03-02T09:30:00Z")

    advance(api, "2026-03-02T12:00:00Z")

    assert [event[0] for event in sla_events(stage, ticket)] == ["started", "deadline_set", "breached"]
    told_steps = explained(api, ticket)
    assert replayed(told_steps) == datetime.fromisoformat("2026-03-02T09:30:00Z")
    assert told_steps["steps"][-1]["text"] == "2026-03-02 09:30:00: the deadline, set by hand."


def test_a_deadline_that_is_taken_back_is_what_the_history_makes_of_it(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution")
    ticket = a_ticket(api)
    set_by_hand(api, ticket, "2026-03-05T15:00:00Z")
    at(api, 12)

    answer = api.delete(f"/v1/tickets/{ticket['id']}/sla/resolution/manual-deadline")
    again = api.delete(f"/v1/tickets/{ticket['id']}/sla/resolution/manual-deadline")

    item = shown(api, ticket, "resolution")
    assert answer.status_code == 204
    assert (item["due_at"], item["is_manual"]) == ("2026-03-02T18:00:00Z", False)
    assert (again.status_code, again.json()["code"]) == (409, "no_manual_deadline")


def test_a_deadline_is_set_to_what_is_still_to_come_and_only_while_the_clock_is_live(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution")
    ticket = a_ticket(api)
    path = f"/v1/tickets/{ticket['id']}/sla/resolution/manual-deadline"

    passed = api.post(path, json={"due_at": "2026-03-02T08:00:00Z", "reason": REASON})
    far = api.post(path, json={"due_at": "2200-01-01T00:00:00Z", "reason": REASON})
    patch(api, f"tickets/{ticket['id']}", status="solved")
    stopped = api.post(path, json={"due_at": "2026-03-03T08:00:00Z", "reason": REASON})

    assert (passed.status_code, passed.json()["code"]) == (422, "deadline_passed")
    assert (far.status_code, far.json()["code"]) == (422, "instant_out_of_range")
    assert (stopped.status_code, stopped.json()["code"]) == (409, "clock_stopped")
    assert shown(api, ticket, "resolution")["is_manual"] is False


def test_a_major_incident_extends_many_tickets_and_tells_what_became_of_each(
    sandbox: MakeSandbox, stage: Stage
) -> None:
    api = sandbox()
    promised(api, "resolution")
    open_one, late, by_hand, solved = (a_ticket(api) for _ in range(4))
    set_by_hand(api, by_hand, "2026-03-02T15:00:00Z")
    patch(api, f"tickets/{solved['id']}", status="solved")
    advance(api, "2026-03-02T19:00:00Z")
    unknown = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"
    ids = [ticket["id"] for ticket in (open_one, late, by_hand, solved)]

    body = {
        "filter": {"ticket_ids": [*ids, unknown, ids[0]]},
        "seconds": 4 * HOUR,
        "reason": "Outage of the data centre.",
    }
    answer = api.post("/v1/sla-extensions", json=body)

    outcomes = {item["ticket_id"]: (item["outcome"], item["due_at"]) for item in answer.json()["data"]}
    assert len(answer.json()["data"]) == 3
    assert outcomes == {
        open_one["id"]: ("extended", "2026-03-02T22:00:00Z"),
        late["id"]: ("extended", "2026-03-02T22:00:00Z"),
        by_hand["id"]: ("manual_deadline", "2026-03-02T15:00:00Z"),
    }
    item = shown(api, open_one, "resolution")
    assert (item["extension_seconds"], item["breached_at"]) == (4 * HOUR, "2026-03-02T18:00:00Z")
    assert replayed(explained(api, open_one)) == datetime.fromisoformat("2026-03-02T22:00:00Z")
    assert get(api, f"tickets/{open_one['id']}")["due_at"] == "2026-03-02T22:00:00Z"
    (event,) = stage.sql(
        "SELECT data ->> 'reason' AS reason FROM events WHERE object_id = $1 AND type = 'ticket.sla_extended'",
        open_one["id"],
    )
    assert event["reason"] == "Outage of the data centre."


def test_an_extension_names_its_tickets_by_company_and_priority_too(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "resolution")
    company = a_company(api)
    urgent, other = (a_ticket(api, company_id=company["id"], priority=priority) for priority in ("urgent", "low"))
    a_ticket(api, priority="urgent")
    wanted = {"company_ids": [company["id"]], "priorities": ["urgent"]}

    answer = api.post("/v1/sla-extensions", json={"filter": wanted, "seconds": HOUR, "reason": REASON})

    assert [item["ticket_id"] for item in answer.json()["data"]] == [urgent["id"]]
    assert shown(api, urgent, "resolution")["extension_seconds"] == HOUR
    assert shown(api, other, "resolution")["extension_seconds"] == 0
