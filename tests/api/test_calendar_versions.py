"""Edits of calendars over HTTP: what holds from when on. The test clock stands at Monday 2026-03-02 08:00 UTC."""

from tests.conftest import MakeSandbox
from tests.factories import OFFICE, Json, a_calendar, a_policy, a_ticket, advance, clock, get, patch
from tests.stage import Client

LATE = {day: [{"start": "12:00", "end": "20:00"}] for day in OFFICE}


def due_at(api: Client, calendar: Json, *, hours: float) -> str:
    """Give when a new ticket that is promised so many hours is due."""
    target = {"metric": "resolution", "seconds": int(hours * 3_600), "warning_percent": None}
    policy = a_policy(api, calendar_id=calendar["id"], targets=[target])
    ticket = a_ticket(api)
    patch(api, f"sla-policies/{policy['id']}", is_active=False)
    found: str = clock(ticket, "resolution")["due_at"]
    return found


def test_a_season_has_a_week_of_its_own_every_year(sandbox: MakeSandbox) -> None:
    api = sandbox()
    season = {
        "name": "Carnival",
        "first_on": "2025-03-03",
        "last_on": "2025-03-04",
        "repeats_yearly": True,
        "weekly_hours": LATE,
    }
    calendar = a_calendar(api, seasons=[season])

    # Monday 09:00 to 17:00, in the season Tuesday and Wednesday 12:00 to 20:00, Thursday as usual.
    assert due_at(api, calendar, hours=8) == "2026-03-02T17:00:00Z"
    assert due_at(api, calendar, hours=9) == "2026-03-03T13:00:00Z"
    assert due_at(api, calendar, hours=17) == "2026-03-04T13:00:00Z"
    assert due_at(api, calendar, hours=25) == "2026-03-05T10:00:00Z"


def test_an_edit_holds_from_now_on_and_the_time_before_stays_as_it_was(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    advance(api, "2026-03-03T11:00:00Z")

    changed = patch(api, f"calendars/{calendar['id']}", weekly_hours=LATE)

    assert (calendar["effective_from"], changed["effective_from"]) == (None, "2026-03-03T11:00:00Z")
    versions = get(api, f"calendars/{calendar['id']}/versions")["data"]
    assert [(row["version"], row["effective_from"], row["fields"]) for row in versions] == [
        (1, None, ["holidays", "seasons", "special_hours", "time_zone", "weekly_hours"]),
        (2, "2026-03-03T11:00:00Z", ["weekly_hours"]),
    ]
    assert due_at(api, calendar, hours=1) == "2026-03-03T13:00:00Z"


def test_an_announced_edit_holds_from_its_day_on(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    patch(api, f"calendars/{calendar['id']}", weekly_hours=LATE, effective_from="2026-03-04T00:00:00Z")

    assert due_at(api, calendar, hours=16) == "2026-03-03T17:00:00Z"
    assert due_at(api, calendar, hours=17) == "2026-03-04T13:00:00Z"


def test_what_an_edit_does_not_state_keeps_what_was_announced_for_it(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    patch(api, f"calendars/{calendar['id']}", weekly_hours=LATE, effective_from="2026-03-04T00:00:00Z")

    patch(api, f"calendars/{calendar['id']}", holidays=[{"on": "2026-03-03", "name": "Flood"}])

    assert due_at(api, calendar, hours=8) == "2026-03-02T17:00:00Z"
    assert due_at(api, calendar, hours=9) == "2026-03-04T13:00:00Z"
    (_, announced, now) = get(api, f"calendars/{calendar['id']}/versions")["data"]
    assert (announced["fields"], now["fields"]) == (["weekly_hours"], ["holidays"])


def test_a_correction_may_reach_back_to_the_beginning(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    patch(api, f"calendars/{calendar['id']}", holidays=[{"on": "2026-03-03", "name": "Flood"}])
    assert due_at(api, calendar, hours=9) == "2026-03-04T10:00:00Z"

    holidays = [{"on": "2026-03-03", "name": "Flood"}, {"on": "2026-03-04", "name": "Mud"}]
    corrected = patch(api, f"calendars/{calendar['id']}", holidays=holidays, effective_from=None)

    assert corrected["effective_from"] is None
    assert due_at(api, calendar, hours=9) == "2026-03-05T10:00:00Z"
    listed = get(api, f"calendars/{calendar['id']}/versions")["data"][-1]
    version = get(api, f"calendars/{calendar['id']}/versions/{listed['id']}")
    assert (version["version"], version["effective_from"]) == (3, None)
    assert [entry["on"] for entry in version["holidays"]] == ["2026-03-03", "2026-03-04"]


def test_the_same_hours_from_an_earlier_instant_on_are_an_edit(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    patch(api, f"calendars/{calendar['id']}", weekly_hours=LATE, effective_from="2026-03-04T00:00:00Z")

    patch(api, f"calendars/{calendar['id']}", weekly_hours=LATE, effective_from="2026-03-03T00:00:00Z")

    assert due_at(api, calendar, hours=9) == "2026-03-03T13:00:00Z"


def test_an_instant_without_hours_is_refused(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    refused = api.patch(
        f"/v1/calendars/{calendar['id']}", json={"name": "Other", "effective_from": "2026-03-04T00:00:00Z"}
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_takes_effect")
    assert get(api, f"calendars/{calendar['id']}") == calendar


def test_another_name_is_no_version_of_the_hours(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    renamed = patch(api, f"calendars/{calendar['id']}", name="Renamed")

    assert (renamed["version"], renamed["effective_from"]) == (2, None)
    assert [row["version"] for row in get(api, f"calendars/{calendar['id']}/versions")["data"]] == [1]
    assert due_at(api, calendar, hours=8) == "2026-03-02T17:00:00Z"


def test_the_densest_hours_are_refused_in_time_when_a_target_cannot_be_reached(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    year = {"metric": "resolution", "seconds": 366 * 86_400, "hours": "business", "warning_percent": None}
    a_policy(api, calendar_id=calendar["id"], targets=[year])
    dense = [{"start": f"{hour:02}:00", "end": f"{hour:02}:01"} for hour in range(24)]
    weekly = dict.fromkeys([*OFFICE, "saturday", "sunday"], dense)

    refused = api.patch(f"/v1/calendars/{calendar['id']}", json={"weekly_hours": weekly})

    assert (refused.status_code, refused.json()["code"]) == (422, "target_out_of_reach")
    assert get(api, f"calendars/{calendar['id']}/versions")["data"][-1]["version"] == 1
