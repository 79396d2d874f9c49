"""What came of promises, and where the time of tickets went; the test clock stands at Monday 2026-03-02 08:00 UTC."""

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.api.lived_tickets import FINISHED, MINUTE, LivedTicket, spells
from tests.conftest import MakeSandbox
from tests.domain.oracle import Rules, Walk
from tests.factories import Json, a_calendar, a_contact, a_policy, a_ticket, a_user, advance, create, get, patch
from tests.guarantees.report import SCALE
from tests.stage import Client, Stage, utc

HOUR = 3_600
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# The clocks of the island go back by half an hour on 5 April.
BEGIN = utc(2026, 4, 2, 8)
OFFICE = ((33_300, 63_900),)
NIGHT = (79_200, 108_000)
WEEK = (OFFICE, OFFICE, OFFICE, (*OFFICE, NIGHT), (*OFFICE, NIGHT), (NIGHT,), ())
HOLIDAYS = {date(2026, 4, 6): ((0, 86_400),), date(2026, 4, 7): ((43_200, 50_400),)}
TARGETS = {"low": 1_500, "normal": 900, "high": 480, "urgent": 60}


def wall(seconds: int) -> str:
    """Write seconds of a day as the wall shows them."""
    return f"{seconds // 3_600 % 24:02}:{seconds // 60 % 60:02}"


def the_calendar(api: Client) -> Json:
    weekly = {
        day: [{"start": wall(begin), "end": wall(end)} for begin, end in spans]
        for day, spans in zip(DAYS, WEEK, strict=True)
        if spans
    }
    holidays = [
        {"on": "2026-04-06", "name": "Holiday"},
        {"on": "2026-04-07", "name": "Repairs", "start": "12:00", "end": "14:00"},
    ]
    return a_calendar(api, time_zone="Australia/Lord_Howe", weekly_hours=weekly, holidays=holidays)


def expected_record(ticket: LivedTicket, number: int) -> dict[str, Any]:
    clock = ticket.clocks[number]
    late_by = clock.late_by(ticket.walk, ticket.now)
    return {
        "instance": number + 1,
        "state": clock.state,
        "target_seconds": clock.target * 60,
        "extension_seconds": clock.extension * 60,
        "started_at": clock.started_at,
        "stopped_at": clock.stopped_at,
        "as_of": clock.stopped_at or ticket.now,
        "elapsed_seconds": clock.elapsed * 60,
        "elapsed_wall_seconds": clock.elapsed_wall * 60,
        "paused_seconds": clock.paused * 60,
        "paused_wall_seconds": clock.paused_wall * 60,
        "is_breached": clock.is_breached,
        "breached_by_seconds": None if late_by is None else late_by * 60,
        "is_manual": clock.by_hand is not None,
    }


def shown_record(record: Json) -> dict[str, Any]:
    shown = record | {"is_breached": record["breached_at"] is not None}
    for name in ("started_at", "stopped_at", "as_of"):
        shown[name] = None if record[name] is None else datetime.fromisoformat(record[name])
    return shown


def shown_times(items: list[Json], key: str, prefix: str = "total_") -> dict[str | None, tuple[int, int]]:
    working = "working_seconds" if prefix == "total_" else f"{prefix}working_seconds"
    found = {item[key]: (item[f"{prefix}seconds"] // 60, item[working] // 60) for item in items}
    return {name: spell for name, spell in found.items() if spell != (0, 0)}


def act(api: Client, chance: random.Random, ticket_id: str, ticket: LivedTicket, *, among: tuple[str, ...]) -> None:
    """Let something happen to a ticket, in the product and in what lives it through."""
    path, (team, *people) = f"tickets/{ticket_id}", among
    is_live = ticket.status not in FINISHED
    match chance.choice(["status", "status", "status", "assignee", "team", "priority", "by_hand", "release", "extend"]):
        case "status":
            status = chance.choice(["open", "pending", "on_hold", "open", "solved", "closed"])
            patch(api, path, status=status)
            ticket.set_status(status)
        case "assignee":
            ticket.assignee = chance.choice([*people, None])
            patch(api, path, assignee_id=ticket.assignee)
        case "team":
            ticket.team = chance.choice([team, None])
            patch(api, path, team_id=ticket.team)
        case "priority" if is_live:
            priority = chance.choice(list(TARGETS))
            patch(api, path, priority=priority)
            ticket.set_priority(priority)
        case "by_hand" if is_live:
            due_at = ticket.now + chance.randint(1, 2_000) * MINUTE
            body = {"due_at": due_at.isoformat(), "reason": "Agreed."}
            assert api.post(f"/v1/{path}/sla/resolution/manual-deadline", json=body).status_code == 200
            ticket.set_by_hand(due_at)
        case "release" if is_live and ticket.clock.by_hand is not None:
            assert api.delete(f"/v1/{path}/sla/resolution/manual-deadline").status_code == 204
            ticket.set_by_hand(None)
        case "extend":
            extension = {"filter": {"ticket_ids": [ticket_id]}, "seconds": 7_200, "reason": "Outage."}
            assert api.post("/v1/sla-extensions", json=extension).status_code == 200
            ticket.extend(120)
        case _:
            return


@pytest.mark.parametrize("seed", range(SCALE))
def test_every_record_is_what_living_through_it_minute_by_minute_gives(sandbox: MakeSandbox, seed: int) -> None:
    chance = random.Random(seed)
    api = sandbox(BEGIN)
    calendar = the_calendar(api)
    for position, (kind, on_reopen) in enumerate([("incident", "resume"), ("task", "restart")]):
        targets = [
            {"metric": "resolution", "priority": priority, "seconds": minutes * 60, "on_reopen": on_reopen}
            for priority, minutes in TARGETS.items()
        ]
        condition = {"field": "type", "op": "eq", "value": kind}
        a_policy(api, calendar_id=calendar["id"], targets=targets, condition=condition, position=position)
    among = (create(api, "teams", name="Dock")["id"], a_user(api)["id"], a_user(api)["id"])
    walk = Walk(Rules("Australia/Lord_Howe", WEEK, holidays=HOLIDAYS), BEGIN, timedelta(days=14))
    lived = {
        a_ticket(api, type=kind)["id"]: LivedTicket(walk, BEGIN, TARGETS, resumes=kind == "incident")
        for kind in ("incident", "task", "incident", "task")
    }
    now = BEGIN
    for _ in range(40):
        now += chance.randint(0, 480) * MINUTE
        advance(api, now.isoformat())
        ticket_id = chance.choice(list(lived))
        lived[ticket_id].live_until(now)
        act(api, chance, ticket_id, lived[ticket_id], among=among)

    for ticket_id, ticket in lived.items():
        ticket.live_until(now)
        records = [shown_record(record) for record in get(api, f"tickets/{ticket_id}/sla")["data"]]
        expected = [expected_record(ticket, number) for number in range(len(ticket.clocks))]
        assert [{name: record[name] for name in expected[0]} for record in records] == expected
        times = get(api, f"tickets/{ticket_id}/times")
        assert shown_times(times["by_status"], "status") == spells(ticket.by_status)
        assert shown_times(times["by_assignee"], "assignee_id") == spells(ticket.by_assignee)
        assert shown_times(times["by_team"], "team_id") == spells(ticket.by_team)
        assert shown_times(times["by_team"], "team_id", "unassigned_") == spells(ticket.by_queue)
    assert sum(len(ticket.clocks) for ticket in lived.values()) > len(lived)


def test_a_record_names_the_versions_that_the_promise_was_made_by(sandbox: MakeSandbox) -> None:
    api = sandbox()
    policy = a_policy(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T10:30:00Z")
    contact, user = a_contact(api), a_user(api)
    patch(api, f"tickets/{ticket['id']}", contact_id=contact["id"])
    create(api, f"tickets/{ticket['id']}/comments", kind="reply", body="On it.", author_user_id=user["id"])

    record = get(api, f"tickets/{ticket['id']}/sla/first_response")

    assert record["policy_id"] == policy["id"]
    assert (record["policy_version"], record["calendar_id"], record["calendar_version"]) == (
        1,
        policy["calendar_id"],
        1,
    )
    assert (record["due_at"], record["stopped_at"], record["state"]) == (
        "2026-03-02T10:00:00Z",
        "2026-03-02T10:30:00Z",
        "breached",
    )
    assert (record["breached_by_seconds"], record["elapsed_seconds"], record["elapsed_wall_seconds"]) == (
        1_800,
        5_400,
        9_000,
    )
    by_id = get(api, f"tickets/{ticket['id']}/sla/{record['id']}")
    assert by_id == record


def test_the_reason_of_a_deadline_by_hand_and_who_had_the_ticket_are_not_for_clients(
    sandbox: MakeSandbox, stage: Stage
) -> None:
    api = sandbox()
    a_policy(api)
    (role,) = [one for one in get(api, "roles?limit=200")["data"] if one["slug"] == "contact"]
    contact, user = a_contact(api, portal_role_id=role["id"]), a_user(api)
    ticket = a_ticket(api, contact_id=contact["id"], assignee_id=user["id"])
    body = {"due_at": "2026-03-05T12:00:00Z", "reason": "They are nice."}
    api.post(f"/v1/tickets/{ticket['id']}/sla/resolution/manual-deadline", json=body)
    key = create(api, "api-keys", name="portal", contact_id=contact["id"])["key"]

    with stage.client(api.tenant, key) as client:
        ours, theirs = (get(one, f"tickets/{ticket['id']}/sla/resolution") for one in (api, client))
        our_times, their_times = (get(one, f"tickets/{ticket['id']}/times") for one in (api, client))

    assert (ours["manual_reason"], theirs["manual_reason"]) == ("They are nice.", None)
    assert theirs["manual_by_id"] is None
    assert [item["assignee_id"] for item in our_times["by_assignee"]] == [user["id"]]
    assert (their_times["by_assignee"], their_times["by_team"]) == ([], [])
    assert their_times["by_status"] == our_times["by_status"]


def test_without_a_calendar_there_are_no_working_hours_to_tell(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_ticket(api)
    advance(api, "2026-03-02T10:00:00Z")

    times = get(api, f"tickets/{ticket['id']}/times")

    assert (times["calendar_id"], times["calendar_version"]) == (None, None)
    assert times["by_status"] == [{"status": "new", "total_seconds": 2 * HOUR, "working_seconds": None}]


def test_times_of_a_ticket_whose_events_are_gone_are_not_made_up(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    ticket = a_ticket(api)
    stage.sql("DELETE FROM events WHERE object_id = $1", ticket["id"])

    answer = api.get(f"/v1/tickets/{ticket['id']}/times")

    assert (answer.status_code, answer.json()["code"]) == (409, "history_incomplete")
