"""SLA clocks over HTTP, on a test clock that stands at Monday 2026-03-02 08:00 UTC."""

import json

from tests.conftest import MakeSandbox
from tests.factories import (
    Json,
    a_calendar,
    a_company,
    a_note,
    a_policy,
    a_reply,
    a_ticket,
    a_user,
    advance,
    clock,
    get,
    patch,
)
from tests.stage import Client, Stage


def sla_events(stage: Stage, ticket: Json) -> list[tuple[str, str, str]]:
    """Give type, metric and time of what happened to the clocks of a ticket, in order."""
    rows = stage.sql(
        "SELECT type, data, occurred_at FROM events WHERE object_id = $1 AND type LIKE $2 ORDER BY xid, seq",
        ticket["id"],
        "ticket.sla_%",
    )
    return [
        (row["type"].removeprefix("ticket.sla_"), json.loads(row["data"])["metric"], f"{row['occurred_at']:%d %H:%M}")
        for row in rows
    ]


def read(api: Client, ticket: Json) -> Json:
    return get(api, f"tickets/{ticket['id']}")


def test_a_new_ticket_shows_its_deadlines_in_business_time(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)

    ticket = a_ticket(api)

    assert clock(ticket, "first_response")["due_at"] == "2026-03-02T10:00:00Z"
    assert clock(ticket, "resolution")["due_at"] == "2026-03-02T17:00:00Z"
    assert clock(ticket, "resolution")["remaining_seconds"] == 8 * 3_600
    assert ticket["due_at"] == "2026-03-02T10:00:00Z"


def test_a_pending_ticket_stops_its_clocks_and_a_pause_outside_hours_credits_nothing(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T09:30:00Z")

    paused = patch(api, f"tickets/{ticket['id']}", status="pending")
    advance(api, "2026-03-02T11:30:00Z")
    waiting = read(api, ticket)
    resumed = patch(api, f"tickets/{ticket['id']}", status="open")
    advance(api, "2026-03-02T18:00:00Z")
    patch(api, f"tickets/{ticket['id']}", status="on_hold")
    advance(api, "2026-03-03T08:00:00Z")
    next_day = patch(api, f"tickets/{ticket['id']}", status="open")

    for shown in (paused, waiting):
        assert (shown["due_at"], clock(shown, "resolution")["due_at"]) == (None, None)
        assert clock(shown, "resolution")["state"] == "paused"
        assert clock(shown, "resolution")["remaining_seconds"] == int(7.5 * 3_600)
    assert clock(resumed, "resolution")["due_at"] == "2026-03-03T11:00:00Z"
    assert clock(next_day, "resolution")["due_at"] == "2026-03-03T11:00:00Z"


def test_warnings_and_breaches_fire_in_order_at_their_own_instants(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)

    moved = advance(api, "2026-03-03T00:00:00Z")

    assert moved == {"now": "2026-03-03T00:00:00Z", "advancing_to": None, "fired_count": 4}
    assert sla_events(stage, ticket)[2:] == [
        ("warning", "first_response", "02 09:45"),
        ("breached", "first_response", "02 10:00"),
        ("warning", "resolution", "02 13:00"),
        ("breached", "resolution", "02 17:00"),
    ]
    shown = read(api, ticket)
    assert clock(shown, "resolution")["breached_at"] == "2026-03-02T17:00:00Z"
    assert clock(shown, "resolution")["state"] == "running"
    assert shown["version"] == 5


def test_a_users_reply_meets_the_first_response_also_while_the_ticket_waits(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api, status="pending")
    user = a_user(api)

    a_note(api, ticket, author_user_id=user["id"])
    assert clock(read(api, ticket), "first_response")["state"] == "paused"

    a_reply(api, ticket, author_user_id=user["id"])
    assert clock(read(api, ticket), "first_response")["state"] == "met"


def test_the_deadline_instant_itself_is_late(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api)
    in_time, late = a_ticket(api), a_ticket(api)
    user = a_user(api)
    advance(api, "2026-03-02T09:59:59Z")
    a_reply(api, in_time, author_user_id=user["id"])
    advance(api, "2026-03-02T10:00:00Z")
    a_reply(api, late, author_user_id=user["id"])

    assert clock(read(api, in_time), "first_response")["state"] == "met"
    assert clock(read(api, late), "first_response")["state"] == "breached"
    assert [event[0] for event in sla_events(stage, late) if event[1] == "first_response"] == [
        "started",
        "warning",
        "breached",
        "missed",
    ]


def test_solving_without_a_reply_cancels_the_first_response_and_a_reopen_runs_on(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T09:30:00Z")

    solved = patch(api, f"tickets/{ticket['id']}", status="solved")
    advance(api, "2026-03-02T12:00:00Z")
    reopened = patch(api, f"tickets/{ticket['id']}", status="open")

    assert (clock(solved, "first_response")["state"], clock(solved, "resolution")["state"]) == ("cancelled", "met")
    assert solved["due_at"] is None
    assert clock(reopened, "first_response")["due_at"] == "2026-03-02T12:30:00Z"
    assert clock(reopened, "resolution")["due_at"] == "2026-03-03T11:30:00Z"


def test_nothing_fires_for_a_clock_that_has_stopped_or_waits(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    patch(api, f"tickets/{a_ticket(api)['id']}", status="solved")
    patch(api, f"tickets/{a_ticket(api)['id']}", status="pending")

    assert advance(api, "2026-04-01T00:00:00Z")["fired_count"] == 0


def test_another_priority_keeps_used_time_and_may_breach_at_once(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    targets = [
        {"metric": "resolution", "seconds": 8 * 3_600, "warning_percent": None},
        {"metric": "resolution", "priority": "urgent", "seconds": 3_600, "warning_percent": None},
    ]
    a_policy(api, targets=targets)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T12:00:00Z")

    urgent = patch(api, f"tickets/{ticket['id']}", priority="urgent")
    normal = patch(api, f"tickets/{ticket['id']}", priority="normal")

    assert clock(urgent, "resolution")["breached_at"] == "2026-03-02T10:00:00Z"
    assert clock(normal, "resolution")["due_at"] == "2026-03-02T17:00:00Z"
    assert clock(normal, "resolution")["breached_at"] == "2026-03-02T10:00:00Z"
    assert sla_events(stage, ticket) == [
        ("started", "resolution", "02 08:00"),
        ("breached", "resolution", "02 10:00"),
        ("retargeted", "resolution", "02 12:00"),
        ("retargeted", "resolution", "02 12:00"),
    ]


def test_what_another_priority_recorded_at_once_does_not_fire_later(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    targets = [
        {"metric": "resolution", "seconds": 8 * 3_600, "warning_percent": 75},
        {"metric": "resolution", "priority": "urgent", "seconds": 3_600, "warning_percent": None},
    ]
    a_policy(api, targets=targets)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T12:00:00Z")
    patch(api, f"tickets/{ticket['id']}", priority="urgent")

    passed = advance(api, "2026-04-01T00:00:00Z")

    assert passed["fired_count"] == 0
    assert sla_events(stage, ticket) == [
        ("started", "resolution", "02 08:00"),
        ("breached", "resolution", "02 10:00"),
        ("retargeted", "resolution", "02 12:00"),
    ]


def test_the_first_policy_that_fits_counts_per_metric(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company = a_company(api)
    a_policy(api, position=2)
    gold = a_policy(
        api,
        position=1,
        calendar_id=None,
        condition={
            "all": [
                {"field": "company_id", "op": "eq", "value": company["id"]},
                {"field": "priority", "op": "eq", "value": "high"},
            ]
        },
        targets=[{"metric": "first_response", "seconds": 600, "hours": "calendar"}],
    )
    a_policy(api, position=0, is_active=False)

    golden = a_ticket(api, company_id=company["id"], priority="high")
    other = a_ticket(api, company_id=company["id"], priority="low")

    assert clock(golden, "first_response")["policy_id"] == gold["id"]
    assert clock(golden, "first_response")["due_at"] == "2026-03-02T08:10:00Z"
    assert clock(golden, "resolution")["due_at"] == "2026-03-02T17:00:00Z"
    assert clock(other, "first_response")["due_at"] == "2026-03-02T10:00:00Z"


def test_a_policy_in_business_hours_needs_a_calendar(sandbox: MakeSandbox) -> None:
    api = sandbox()

    answer = api.post(
        "/v1/sla-policies",
        json={"name": "x", "position": 1, "targets": [{"metric": "resolution", "seconds": 60}]},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "calendar_required")
    assert get(api, "sla-policies")["data"] == []


def test_a_calendar_that_a_policy_needs_cannot_be_deleted(sandbox: MakeSandbox) -> None:
    api = sandbox()
    policy = a_policy(api)

    answer = api.delete(f"/v1/calendars/{policy['calendar_id']}")

    assert (answer.status_code, answer.json()["code"]) == (409, "still_referenced")
    assert get(api, f"calendars/{policy['calendar_id']}")["id"] == policy["calendar_id"]


def test_the_test_clock_only_goes_forward_and_only_in_a_sandbox(sandbox: MakeSandbox, api: Client) -> None:
    clocked = sandbox()

    backwards = clocked.post("/v1/test-clock/advance", json={"to": "2026-03-01T00:00:00Z"})
    too_far = clocked.post("/v1/test-clock/advance", json={"to": "2096-03-01T00:00:00Z"})
    real = api.post("/v1/test-clock/advance", json={"to": "2096-03-01T00:00:00Z"})

    assert (backwards.status_code, backwards.json()["code"]) == (422, "clock_backwards")
    assert (too_far.status_code, too_far.json()["code"]) == (422, "clock_too_far")
    assert (real.status_code, real.json()["code"]) == (409, "no_test_clock")
    assert get(clocked, "test-clock")["now"] == "2026-03-02T08:00:00Z"


def test_a_clock_that_is_no_longer_promised_is_cancelled_and_runs_on_when_it_is_again(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(
        api,
        condition={"field": "priority", "op": "eq", "value": "high"},
        targets=[{"metric": "first_response", "seconds": 7_200}],
    )
    ticket = a_ticket(api, priority="high")
    advance(api, "2026-03-02T09:30:00Z")

    unpromised = patch(api, f"tickets/{ticket['id']}", priority="low")
    still = patch(api, f"tickets/{ticket['id']}", status="open")
    advance(api, "2026-03-02T12:00:00Z")
    again = patch(api, f"tickets/{ticket['id']}", priority="high")

    for shown in (unpromised, still):
        assert (clock(shown, "first_response")["state"], shown["due_at"]) == ("cancelled", None)
    assert clock(again, "first_response")["state"] == "running"
    assert clock(again, "first_response")["due_at"] == "2026-03-02T13:30:00Z"
    assert clock(again, "first_response")["remaining_seconds"] == 5_400


def test_hours_that_no_deadline_could_be_measured_by_are_refused(sandbox: MakeSandbox) -> None:
    api = sandbox()
    an_hour_a_week = a_calendar(api, weekly_hours={"monday": [{"start": "09:00", "end": "10:00"}]})
    targets = [{"metric": "resolution", "seconds": 2_000 * 3_600}]

    never = api.post("/v1/calendars", json={"name": "x", "time_zone": "Etc/UTC", "weekly_hours": {}})
    far = api.post(
        "/v1/sla-policies",
        json={"name": "x", "position": 1, "calendar_id": an_hour_a_week["id"], "targets": targets},
    )

    assert (never.status_code, never.json()["code"]) == (422, "never_opens")
    assert (far.status_code, far.json()["code"]) == (422, "target_out_of_reach")
    assert far.json()["errors"][0]["pointer"] == "#/targets/0/seconds"
    assert [calendar["id"] for calendar in get(api, "calendars")["data"]] == [an_hour_a_week["id"]]


def test_a_calendar_cannot_shrink_below_what_a_policy_promises(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    targets = [{"metric": "resolution", "seconds": 2_000 * 3_600}]
    policy = a_policy(api, calendar_id=calendar["id"], targets=targets)

    answer = api.patch(
        f"/v1/calendars/{calendar['id']}", json={"weekly_hours": {"monday": [{"start": "09:00", "end": "10:00"}]}}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "target_out_of_reach")
    assert answer.json()["params"] == {"sla_policy_id": policy["id"]}
    assert get(api, f"calendars/{calendar['id']}") == calendar

    # The hours that were refused would have been version 2; nothing may remember them for the real one.
    patch(api, f"calendars/{calendar['id']}", name="Renamed")
    assert clock(a_ticket(api), "resolution")["due_at"] == "2027-02-12T17:00:00Z"
