"""Bodies of what hangs together with tickets."""

from tests.contract.bodies import JSON, calendar, create, ticket, unique, user
from tests.stage import Client, Stage


def ticket_link(api: Client) -> JSON:
    """Give a link between two new tickets."""
    source, target = (create(api, "tickets", subject=unique("Linked"))["id"] for _ in range(2))
    return {"type": "child_of", "source_ticket_id": source, "target_ticket_id": target}


def ticket_watcher(api: Client) -> JSON:
    """Give a new user who watches a new ticket."""
    ticket = create(api, "tickets", subject=unique("Watched"))["id"]
    person = create(api, "users", **user(api))
    return {"ticket_id": ticket, "user_id": person["id"]}


def watching_contact(api: Client) -> JSON:
    """Give a new contact who watches a new ticket."""
    person = create(api, "contacts", name=unique("Contact"))
    return {"ticket_id": create(api, "tickets", subject=unique("Watched"))["id"], "contact_id": person["id"]}


def ticket_plan(api: Client) -> JSON:
    """Give a plan that opens nothing for a long time; its ticket and its targets name all that they may."""
    opened = ticket(api)
    template = {name: opened[name] for name in opened if name not in {"status", "channel", "snoozed_until"}}
    return {
        "name": unique("Plan"),
        "recurrence": "FREQ=DAILY",
        "recurs": "fixed",
        "starts_on": "2090-01-02",
        "ends_on": "2090-12-31",
        "time_of_day": "08:00",
        "time_zone": "Europe/Rome",
        "lead_days": 7,
        "holiday_shift": "next",
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
        "catch_up": "all",
        "overlap": "suppress",
        "targets": {
            "asset_ids": [opened["asset_id"]],
            "asset_type_ids": [create(api, "asset-types", name=unique("Type"))["id"]],
            "location_ids": [opened["location_id"]],
        },
        "group_by": "location",
        "ticket": template,
        "is_active": True,
    }


def a_ticket_plan(stage: Stage, api: Client) -> dict[str, str]:
    """Make a plan; gives its id."""
    del stage
    return {"id": create(api, "ticket-plans", **ticket_plan(api))["id"]}


def a_left_out_occurrence(stage: Stage, api: Client) -> str:
    """Leave out an occurrence; gives its path."""
    path = f"/v1/ticket-plans/{a_ticket_plan(stage, api)['id']}/skip"
    return f"/v1/ticket-plan-occurrences/{api.post(path, json={'occurs_on': '2090-01-02'}).json()['id']}"
