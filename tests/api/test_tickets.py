"""Tickets over HTTP: their life, their clocks and what is recorded of them."""

from typing import Any

from tests.conftest import MakeSandbox
from tests.stage import Client


def create(api: Client, path: str, **values: object) -> dict[str, Any]:
    answer = api.post(f"/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


OFFICE = {day: [{"start": "09:00", "end": "17:00"}] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")}


def with_promises(api: Client) -> None:
    calendar = create(api, "calendars", name="Office", time_zone="Etc/UTC", weekly_hours=OFFICE)
    create(
        api,
        "sla-policies",
        name="All",
        position=1,
        calendar_id=calendar["id"],
        targets=[
            {"metric": "first_response", "seconds": 3600},
            {"metric": "resolution", "seconds": 8 * 3600, "warning_percent": 50},
        ],
    )


def test_a_new_ticket_shows_its_deadlines_in_business_time(sandbox: MakeSandbox) -> None:
    api = sandbox()
    with_promises(api)

    ticket = create(api, "tickets", subject="Printer")

    assert ticket["number"] == 1
    assert {clock["metric"]: clock["due_at"] for clock in ticket["clocks"]} == {
        "first_response": "2026-03-02T10:00:00Z",
        "resolution": "2026-03-02T17:00:00Z",
    }
    assert ticket["due_at"] == "2026-03-02T10:00:00Z"


def test_a_pending_ticket_stops_the_resolution_clock(sandbox: MakeSandbox) -> None:
    api = sandbox()
    with_promises(api)
    ticket = create(api, "tickets", subject="Printer")
    api.post("/v1/test-clock/advance", json={"to": "2026-03-02T09:30:00Z"})

    paused = api.patch(f"/v1/tickets/{ticket['id']}", json={"status": "pending"}).json()

    assert [(clock["state"], clock["due_at"]) for clock in paused["clocks"]] == [("paused", None), ("paused", None)]
    assert paused["clocks"][1]["remaining_seconds"] == int(7.5 * 3600)


def test_deadlines_fire_in_order_when_the_clock_is_advanced(sandbox: MakeSandbox) -> None:
    api = sandbox()
    with_promises(api)
    ticket = create(api, "tickets", subject="Printer")

    moved = api.post("/v1/test-clock/advance", json={"to": "2026-03-03T00:00:00Z"})

    assert moved.json() == {"now": "2026-03-03T00:00:00Z", "advancing_to": None, "fired_count": 4}
    after = api.get(f"/v1/tickets/{ticket['id']}").json()
    assert [(clock["metric"], clock["breached_at"]) for clock in after["clocks"]] == [
        ("first_response", "2026-03-02T10:00:00Z"),
        ("resolution", "2026-03-02T17:00:00Z"),
    ]
