"""Deadlines of open tickets after an edit of their calendar; the test clock stands at Monday 2026-03-02 08:00 UTC."""

import json
from datetime import UTC, datetime, timedelta

from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, a_policy, a_ticket, advance, clock, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

FLOOD = {"on": "2026-03-03", "name": "Flood"}
TWO_DAYS = [{"metric": "resolution", "seconds": 16 * 3_600, "warning_percent": None}]


def a_promise(api: Client, **values: object) -> Json:
    """Make a calendar, and a policy of two working days measured by it; gives the calendar."""
    calendar = a_calendar(api, **values)
    a_policy(api, calendar_id=calendar["id"], targets=TWO_DAYS)
    return calendar


def edit(stage: Stage, api: Client, calendar: Json, **values: object) -> Json:
    """Change a calendar and wait until the clocks have followed; gives what was counted."""
    changed = patch(api, f"calendars/{calendar['id']}", **values)

    def counted() -> Json | None:
        rows = stage.sql(
            "SELECT data FROM events WHERE object_id = $1 AND type = 'calendar.deadlines_recomputed'", calendar["id"]
        )
        found: list[Json] = [json.loads(row["data"]) for row in rows]
        return next((one for one in found if one["calendar_version"] == changed["version"]), None)

    return until(counted)


def resolution(api: Client, ticket: Json) -> Json:
    return clock(get(api, f"tickets/{ticket['id']}"), "resolution")


def test_a_holiday_that_is_entered_moves_the_deadlines_of_open_tickets(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket, solved = a_ticket(api), a_ticket(api)
    patch(api, f"tickets/{solved['id']}", status="solved")

    counts = edit(stage, api, calendar, holidays=[FLOOD])

    assert counts == {"calendar_version": 2, "ticket_count": 1, "clock_count": 1, "moved_count": 1}
    assert clock(ticket, "resolution")["due_at"] == "2026-03-03T17:00:00Z"
    shown = get(api, f"tickets/{ticket['id']}")
    assert (clock(shown, "resolution")["due_at"], shown["due_at"]) == ("2026-03-04T17:00:00Z",) * 2
    told = stage.sql("SELECT data FROM events WHERE object_id = $1 AND type = 'ticket.sla_retargeted'", ticket["id"])
    (data,) = [json.loads(row["data"]) for row in told]
    assert (data["due_before"], data["due_at"]) == ("2026-03-03T17:00:00Z", "2026-03-04T17:00:00Z")
    assert resolution(api, solved)["state"] == "met"


def test_a_deadline_that_moved_fires_at_its_new_instant_only(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    edit(stage, api, calendar, holidays=[FLOOD])

    advance(api, "2026-03-04T16:59:59Z")
    assert resolution(api, ticket)["breached_at"] is None
    advance(api, "2026-03-05T00:00:00Z")

    assert resolution(api, ticket)["breached_at"] == "2026-03-04T17:00:00Z"


def test_an_edit_from_now_on_leaves_what_has_been_used(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T12:00:00Z")

    edit(stage, api, calendar, weekly_hours={"wednesday": [{"start": "09:00", "end": "22:00"}]})

    # Three hours were used on Monday morning; the other thirteen are those of Wednesday.
    assert resolution(api, ticket)["due_at"] == "2026-03-04T22:00:00Z"
    assert resolution(api, ticket)["remaining_seconds"] == 13 * 3_600


def test_a_correction_of_the_past_measures_the_whole_history_anew(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T11:00:00Z")
    patch(api, f"tickets/{ticket['id']}", status="pending")
    advance(api, "2026-03-03T12:00:00Z")
    patch(api, f"tickets/{ticket['id']}", status="open")
    assert resolution(api, ticket)["due_at"] == "2026-03-05T10:00:00Z"

    monday = {"on": "2026-03-02", "name": "Declared too late"}
    edit(stage, api, calendar, holidays=[monday], effective_from=None)

    # Nothing was used on Monday: all sixteen hours are ahead of Tuesday noon.
    assert resolution(api, ticket)["remaining_seconds"] == 16 * 3_600
    assert resolution(api, ticket)["due_at"] == "2026-03-05T12:00:00Z"


def test_a_breach_stays_recorded_when_the_deadline_moves_behind_it(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-04T08:00:00Z")
    assert resolution(api, ticket)["breached_at"] == "2026-03-03T17:00:00Z"

    edit(stage, api, calendar, holidays=[FLOOD], effective_from=None)

    assert resolution(api, ticket)["breached_at"] == "2026-03-03T17:00:00Z"
    assert resolution(api, ticket)["due_at"] == "2026-03-04T17:00:00Z"


def test_longer_hours_in_the_past_may_breach_at_once(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-03T12:00:00Z")

    night = {day: [{"start": "00:00", "end": "24:00"}] for day in ("monday", "tuesday", "wednesday")}
    edit(stage, api, calendar, weekly_hours=night, effective_from=None)

    assert resolution(api, ticket)["breached_at"] == "2026-03-03T00:00:00Z"
    assert advance(api, "2026-04-01T00:00:00Z")["fired_count"] == 0


def test_a_second_recomputation_finds_nothing_to_do(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    edit(stage, api, calendar, holidays=[FLOOD])
    version = get(api, f"tickets/{ticket['id']}")["version"]

    counts = edit(stage, api, calendar, holidays=[FLOOD | {"name": "The flood"}])

    assert (counts["clock_count"], counts["moved_count"]) == (1, 0)
    assert get(api, f"tickets/{ticket['id']}")["version"] == version


def test_the_tickets_of_a_tenant_in_real_time_follow_as_well(api: Client, stage: Stage) -> None:
    every_day = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    calendar = a_calendar(api, weekly_hours={day: [{"start": "00:00", "end": "24:00"}] for day in every_day})
    a_policy(api, calendar_id=calendar["id"], targets=[{"metric": "resolution", "seconds": 40 * 3_600}])
    ticket = a_ticket(api)
    created_at = datetime.fromisoformat(ticket["created_at"]).astimezone(UTC)

    # Forty hours reach over the whole of the next day, whenever this runs.
    counts = edit(
        stage, api, calendar, holidays=[{"on": f"{created_at.date() + timedelta(days=1)}", "name": "Tomorrow"}]
    )

    assert counts["moved_count"] == 1
    assert datetime.fromisoformat(resolution(api, ticket)["due_at"]) == created_at + timedelta(hours=64)
