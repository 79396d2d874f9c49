"""Small makers of what tests need; each states a default for all that does not matter to the test."""

from typing import Any
from uuid import uuid4

from tests.stage import Client

Json = dict[str, Any]

OFFICE = {day: [{"start": "09:00", "end": "17:00"}] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")}


def create(api: Client, path: str, **values: object) -> Json:
    """Create something and give it as the API shows it."""
    answer = api.post(f"/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    created: Json = answer.json()
    return created


def get(api: Client, path: str) -> Json:
    """Read something that must be there."""
    answer = api.get(f"/v1/{path}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def patch(api: Client, path: str, **values: object) -> Json:
    """Change something."""
    answer = api.patch(f"/v1/{path}", json=values)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


def advance(api: Client, to: str) -> Json:
    """Move the test clock."""
    answer = api.post("/v1/test-clock/advance", json={"to": to})
    assert answer.status_code == 200, answer.text
    moved: Json = answer.json()
    return moved


def a_company(api: Client, **values: object) -> Json:
    """Make a company."""
    return create(api, "companies", **{"name": f"Company {uuid4()}"} | values)


def a_contact(api: Client, **values: object) -> Json:
    """Make a contact."""
    return create(api, "contacts", **{"name": "Luca Ferri"} | values)


def a_user(api: Client, **values: object) -> Json:
    """Make an active user."""
    return create(api, "users", **{"name": "Ada Moretti", "email": f"{uuid4()}@service.example"} | values)


def a_calendar(api: Client, **values: object) -> Json:
    """Make a calendar that is open from 09:00 to 17:00 UTC on working days."""
    defaults = {"name": f"Calendar {uuid4()}", "time_zone": "Etc/UTC", "weekly_hours": OFFICE}
    return create(api, "calendars", **defaults | values)


def a_policy(api: Client, **values: object) -> Json:
    """Make a policy: an hour to respond, a working day to resolve, for every ticket."""
    defaults: Json = {
        "name": f"Policy {uuid4()}",
        "position": 1,
        "targets": [
            {"metric": "first_response", "seconds": 3_600},
            {"metric": "resolution", "seconds": 8 * 3_600, "warning_percent": 50},
        ],
    }
    if "calendar_id" not in values:
        defaults["calendar_id"] = a_calendar(api)["id"]
    return create(api, "sla-policies", **defaults | values)


def a_ticket(api: Client, **values: object) -> Json:
    """Make a ticket."""
    return create(api, "tickets", **{"subject": "The printer prints blank labels"} | values)


def a_reply(api: Client, ticket: Json, **author: object) -> Json:
    """Reply on a ticket."""
    return create(api, f"tickets/{ticket['id']}/comments", kind="reply", body="On it.", **author)


def a_note(api: Client, ticket: Json, **author: object) -> Json:
    """Note something on a ticket."""
    return create(api, f"tickets/{ticket['id']}/comments", kind="note", body="Toner is on order.", **author)


def clock(ticket: Json, metric: str) -> Json:
    """Give one clock of a ticket."""
    (found,) = [item for item in ticket["clocks"] if item["metric"] == metric]
    result: Json = found
    return result
