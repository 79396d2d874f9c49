"""Valid bodies for everything that can be created, and what they refer to; each call gives another one.

Which body belongs to which resource is said by the cases (`tests.contract.cases`).
"""

from collections.abc import Callable
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

from tests.contract.custom_field_bodies import extended
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

JSON = dict[str, Any]
Value: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"

_numbers = count(1)


def create(api: Client, plural: str, **values: Value) -> JSON:
    """Create an object by its path; gives what was answered."""
    answer = api.post(f"/v1/{plural}", json=values)
    assert answer.status_code == 201, answer.text
    created: JSON = answer.json()
    return created


def unique(word: str) -> str:
    """Give a name that no other object of this run has."""
    return f"{word} {next(_numbers)}"


def company(api: Client) -> JSON:
    """Give a company."""
    return {
        "name": unique("Company"),
        "domains": [f"c{next(_numbers)}.example"],
        "notes": "Rings twice.",
        "territory": "north",
        "tax_ids": [{"country": "IT", "kind": "vat", "number": f"IT{next(_numbers):011}"}],
        "category": "VIP",
        "parent_company_id": create(api, "companies", name=unique("Parent"))["id"],
        "default_team_id": create(api, "teams", name=unique("Team"))["id"],
        "responsible_user_id": (responsible := create(api, "users", **plain_user())["id"]),
        "observer_ids": [responsible],
        "is_active": True,
        "custom_fields": extended(api, "companies"),
    }


def plain_user() -> JSON:
    """Give a member of staff of no team."""
    return {"name": unique("Ada"), "email": f"ada{next(_numbers)}@service.example"}


def contact(api: Client) -> JSON:
    """Give a contact of a new company."""
    return {
        "name": unique("Contact"),
        "company_id": create(api, "companies", name=unique("Company"))["id"],
        "emails": [f"p{next(_numbers)}@client.example"],
        "phones": ["+390669821234"],
        "notes": "Prefers mornings.",
        "portal_role_id": create(api, "roles", **portal_role(api))["id"],
        "messengers": [{"service": "telegram", "address": unique("@luca")}],
        "preferred_channel": "messenger",
        "language": "pt-BR",
        "memberships": [{"company_id": create(api, "companies", name=unique("Other"))["id"], "role": "Buyer"}],
        "consents": [
            {
                "purpose": "newsletter",
                "is_granted": True,
                "decided_at": "2026-03-01T08:00:00Z",
                "source": "Order form 17",
            }
        ],
        "custom_fields": extended(api, "contacts"),
    }


def location(api: Client) -> JSON:
    """Give a location of a new company."""
    owner = create(api, "companies", name=unique("Company"))["id"]
    return {
        "company_id": owner,
        "name": unique("Location"),
        "kind": "warehouse",
        "address": {
            "street": "Via del Porto 3",
            "postal_code": "46100",
            "city": "Mantua",
            "region": "MN",
            "country": "IT",
        },
        "coordinates": {"latitude": 45.1564, "longitude": 10.7914},
        "geofence_radius_meters": 150,
        "time_zone": "Europe/Rome",
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
        "responsible_team_id": create(api, "teams", name=unique("Team"))["id"],
        "contact_ids": [create(api, "contacts", name=unique("Contact"))["id"]],
        "notes": "Ring at the gate.",
        "is_active": True,
        "custom_fields": extended(api, "locations"),
    }


def asset_type(api: Client) -> JSON:
    """Give an asset type."""
    del api
    return {
        "name": unique("Type"),
        "description": "Thermal printers.",
        "serial_is_unique": True,
        "inventory_is_unique": True,
    }


def asset(api: Client) -> JSON:
    """Give an asset of a new company, at a place of it, and part of another one; anybody may be in charge of it."""
    owner = create(api, "companies", name=unique("Company"))["id"]
    kind = create(api, "asset-types", **asset_type(api))["id"]
    whole = create(api, "assets", asset_type_id=kind, name=unique("Whole"), company_id=owner)["id"]
    return {
        "asset_type_id": kind,
        "name": unique("Asset"),
        "manufacturer": "Thermoprint",
        "model": "TP 400",
        "serial_number": unique("S"),
        "inventory_number": unique("I"),
        "company_id": owner,
        "location_id": create(api, "locations", company_id=owner, name=unique("Location"))["id"],
        "contact_id": create(api, "contacts", name=unique("Contact"))["id"],
        "parent_asset_id": whole,
        "status": "in_use",
        "installed_on": "2025-04-02",
        "warranty_until_on": "2027-04-01",
        "notes": "Ribbon on the second shelf.",
    }


def asset_relation(api: Client) -> JSON:
    """Give a relation between two new assets of a company."""
    whole = asset(api)
    other = {**whole, "serial_number": None, "inventory_number": None, "parent_asset_id": None}
    ends = [create(api, "assets", **each)["id"] for each in (whole, other)]
    return {"type": "depends_on", "source_asset_id": ends[0], "target_asset_id": ends[1]}


def portal_role(api: Client) -> JSON:
    """Give a role for contacts."""
    del api
    return {"name": unique("Portal role"), "audience": "contact", "permissions": ["tickets:read"], "reach": "own"}


def role(api: Client) -> JSON:
    """Give a role for staff that sees the clients of a territory."""
    del api
    return {
        "name": unique("Role"),
        "audience": "staff",
        "permissions": ["tickets:read"],
        "reach": "territory",
        "company_ids": [],
        "territories": ["north"],
        "field_groups": ["ticket.internal"],
    }


def team(api: Client) -> JSON:
    """Give a team."""
    return {"name": unique("Team"), "description": "Second line."}


def user(api: Client) -> JSON:
    """Give a user in a new team."""
    return {
        "name": unique("User"),
        "email": f"u{next(_numbers)}@service.example",
        "team_id": create(api, "teams", **team(api))["id"],
        "role_id": create(api, "roles", **role(api))["id"],
        "is_active": True,
    }


def calendar(api: Client) -> JSON:
    """Give a calendar with every kind of entry."""
    hours = {"start": "09:00", "end": "17:00"}
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return {
        "name": unique("Calendar"),
        "time_zone": "Europe/Rome",
        "weekly_hours": {day: [{**hours}] for day in days},
        "seasons": [
            {
                "name": "Summer",
                "first_on": "2026-07-01",
                "last_on": "2026-08-31",
                "repeats_yearly": True,
                "weekly_hours": {day: [{**hours}] for day in days},
            }
        ],
        "special_hours": [{"on": "2026-12-12", "name": "Stocktaking", "hours": [hours]}],
        "holidays": [{"on": "2026-12-24", "name": "Christmas Eve", "start": "13:00", "end": "24:00", "source": "own"}],
    }


def sla_policy(api: Client) -> JSON:
    """Give a policy for one company, measured by a new calendar."""
    step = {
        "key": "lead", "percent": None, "offset_seconds": -600, "raise_priority_to": "urgent", "assignee_id": None,
        "team_id": create(api, "teams", **team(api))["id"], "notify_assignee": True, "notify_team": False,
        "notify_user_ids": [create(api, "users", **user(api))["id"]],
    }  # fmt: skip
    return {
        "name": unique("Policy"),
        "description": "As agreed.",
        "position": next(_numbers),
        "is_active": True,
        "state": "draft",
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
        "uses_location_calendar": True,
        "condition": {
            "all": [
                {"field": "company.category", "op": "eq", "value": unique("Category")},
                {
                    "any": [
                        {"field": "location.kind", "op": "eq", "value": "ward"},
                        {"not": {"field": "tags", "op": "contains", "value": "printer"}},
                    ]
                },
            ]
        },
        "targets": [
            {
                "metric": "resolution",
                "priority": "high",
                "seconds": 3600,
                "days": None,
                "hours": "business",
                "warning_percent": 50,
                "pauses_in": ["pending"],
                "on_reopen": "restart",
                "on_change": "keep",
                "escalations": [step],
            }
        ],
    }


def _contract_of(api: Client, company_id: str) -> str:
    """Make a contract of a client; gives its id."""
    contract: str = create(api, "contracts", number=unique("SC"), name="Service")["id"]
    terms = {"starts_at": "2026-01-01T00:00:00Z", "company_ids": [company_id]}
    answer = api.post(f"/v1/contracts/{contract}/amend", json={"terms": terms})
    assert answer.is_success, answer.text
    return contract


def ticket(api: Client) -> JSON:
    """Give a ticket with everything it may refer to; the contact belongs to no company, so both references stand."""
    return {
        "subject": unique("Ticket"),
        "description": "It does not print.",
        "type": "incident",
        "priority": "normal",
        "status": "open",
        "company_id": (owner := create(api, "companies", name=unique("Company"))["id"]),
        "contact_id": create(api, "contacts", name=unique("Contact"))["id"],
        "location_id": create(api, "locations", company_id=owner, name=unique("Location"))["id"],
        "asset_id": create(
            api,
            "assets",
            company_id=owner,
            name=unique("Asset"),
            asset_type_id=create(api, "asset-types", name=unique("Type"))["id"],
        )["id"],
        "service_id": create(api, "services", name=unique("Service"))["id"],
        "contract_id": _contract_of(api, owner),
        "team_id": create(api, "teams", **team(api))["id"],
        "assignee_id": create(api, "users", **user(api))["id"],
        "tags": ["printer"],
        "channel": "email",
        "snoozed_until": "2098-01-01T00:00:00Z",
        "custom_fields": extended(api, "tickets"),
    }


def a_clock(stage: Stage, api: Client) -> dict[str, str]:
    """Name a ticket and the clock that a policy has started for it."""
    del stage
    target = {"metric": "resolution", "seconds": 3_600, "hours": "calendar"}
    create(api, "sla-policies", name=unique("Policy"), position=1, targets=[target])
    made = create(api, "tickets", **ticket(api))
    return {"id": made["id"], "clock": made["clocks"][0]["id"]}


def a_clock_set_by_hand(stage: Stage, api: Client) -> dict[str, str]:
    """Name a ticket and a clock whose deadline was set by hand."""
    found = a_clock(stage, api)
    path = f"/v1/tickets/{found['id']}/sla/{found['clock']}/manual-deadline"
    answer = api.post(path, json={"due_at": "2098-01-01T00:00:00Z", "reason": "Agreed."})
    assert answer.status_code == 200, answer.text
    return found


def note(api: Client) -> JSON:
    """Give an internal note by a new user."""
    return {"kind": "note", "body": unique("Note"), "author_user_id": create(api, "users", **user(api))["id"]}


def reply(api: Client) -> JSON:
    """Give a public reply by a new contact without a company."""
    author = create(api, "contacts", **contact(api) | {"company_id": None})
    return {"kind": "reply", "body": unique("Reply"), "author_contact_id": author["id"]}


def api_key(api: Client) -> JSON:
    """Give a key that may do little."""
    return {
        "name": unique("Key"),
        "scopes": ["tickets:read"],
        "field_groups": ["ticket.internal"],
        "allowed_networks": ["203.0.113.0/24"],
        "expires_at": "2100-01-01T00:00:00Z",
    }


def key_of(holder: str, make: Callable[[Client], JSON]) -> Callable[[Client], JSON]:
    """Give a body for a key that stands for somebody."""
    plural = f"{holder.removesuffix('_id')}s"
    return lambda api: api_key(api) | {holder: create(api, plural, **make(api))["id"]}


def comments_of_new_ticket(api: Client) -> str:
    """Give the path of the comments of a new ticket."""
    return f"/v1/tickets/{create(api, 'tickets', subject=unique('Ticket'))['id']}/comments"


def erasure(_: Stage, api: Client) -> str:
    """Have a new contact erased, and wait until it is."""
    person = create(api, "contacts", **contact(api))
    answer = api.post(f"/v1/contacts/{person['id']}/erase", json={"reason": "Asked for by letter."})
    assert answer.status_code == 202, answer.text
    location: str = answer.headers["location"]
    # What a worker still changes would seem to be changed by whatever a test tries.
    until(lambda: api.get(location).json()["state"] == "done" or None)
    return location


def identity_provider(api: Client) -> JSON:
    """Give a provider that may make users."""
    return {
        "name": unique("Provider"),
        "issuer": f"https://login{next(_numbers)}.service.example",
        "jwks_url": "https://login.service.example/keys",
        "audiences": ["front-end"],
        "algorithms": ["RS256", "ES256"],
        "email_claim": "mail",
        "name_claim": "display_name",
        "email_domains": ["service.example"],
        "auto_provision": False,
        "role_id": create(api, "roles", **role(api))["id"],
        "is_enabled": True,
    }


def a_policy(stage: Stage, api: Client) -> dict[str, str]:
    """Make a policy; gives its id."""
    del stage
    return {"id": create(api, "sla-policies", **sla_policy(api))["id"]}


def a_calendar_version(stage: Stage, api: Client) -> dict[str, str]:
    """Make a calendar; gives its id and its version."""
    del stage
    calendar_id = create(api, "calendars", **calendar(api))["id"]
    (version,) = api.get(f"/v1/calendars/{calendar_id}/versions").json()["data"]
    return {"id": calendar_id, "version_id": version["id"]}


def somebody_at_a_ticket(_: Stage, api: Client) -> dict[str, str]:
    """Give the ids of a ticket and of a user."""
    ticket_id = create(api, "tickets", subject=unique("Ticket"))["id"]
    return {"id": ticket_id, "user_id": create(api, "users", **user(api))["id"]}


def a_cause(stage: Stage, api: Client) -> dict[str, str]:
    """Make something happen; gives the request that did it."""
    answer = api.post("/v1/companies", json={"name": unique("Company")})
    del stage
    return {"cause": answer.headers["x-request-id"]}


def an_event(stage: Stage, api: Client) -> dict[str, str]:
    """Make something happen; gives the id of its event."""
    happened_to = create(api, "companies", name=unique("Company"))["id"]
    (row,) = stage.sql("SELECT id FROM events WHERE object_id = $1", UUID(happened_to))
    return {"id": str(row["id"])}
