"""How to exercise each resource: one case per resource, and the suites in this folder do the rest.

A case knows a complete valid body whose every reference points at an object of its own, and an effective change.
Everything else - scopes, events, sort keys, unique fields, columns - is read from the `Resource` and from the OpenAPI
document. A resource without a case fails the suite, and so does an operation that belongs to none and is not listed
here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

from tests.contract.sign_in_cases import BODIES as SIGN_IN_BODIES
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

JSON = dict[str, Any]
Value: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"

_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """One resource.

    `body` gives another valid body with every call, and creates what the body refers to; a resource that cannot be
    created over the API has `made` instead, which gives the path of a new one. `masked` is how fields are shown whose
    value in the body is a secret.
    """

    plural: str
    body: Callable[[Client], JSON] | None = None
    patch: Mapping[str, Any] = field(default_factory=dict)
    cleared: str | None = None
    never_null: str = "name"
    parent: Callable[[Client], str] | None = None
    created_event: str = ""
    made: Callable[[Stage, Client], str] | None = None
    masked: Mapping[str, Any] = field(default_factory=dict)

    def collection(self, api: Client) -> str:
        """Give the path of a list to create in; a nested resource gets a new parent."""
        return self.parent(api) if self.parent else f"/v1/{self.plural}"

    def new_body(self, api: Client) -> JSON:
        """Give another valid body."""
        assert self.body is not None, f"{self.plural} are not created over the API"
        return self.body(api)

    def create(self, stage: Stage, api: Client, collection: str | None = None) -> tuple[str, JSON]:
        """Make a new one; gives its path and what the API says of it."""
        if self.made is not None:
            location = self.made(stage, api)
            answer = api.get(location)
        else:
            answer = api.post(collection or self.collection(api), json=self.new_body(api))
            location = answer.headers.get("location", "")
        assert answer.is_success, answer.text
        shown: JSON = answer.json()
        return location, shown

    def __str__(self) -> str:
        """Name the case in the report."""
        return self.plural


@dataclass(frozen=True)
class Single:
    """An operation that belongs to no resource with a case: a body that is valid for it, and ids for its path."""

    body: JSON | None = None
    parameters: Callable[[Stage, Client], dict[str, str]] | None = None


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
    }


def contact(api: Client) -> JSON:
    """Give a contact of a new company."""
    return {
        "name": unique("Contact"),
        "company_id": create(api, "companies", **company(api))["id"],
        "emails": [f"p{next(_numbers)}@client.example"],
        "phones": ["+390669821234"],
        "notes": "Prefers mornings.",
        "portal_role_id": create(api, "roles", **portal_role(api))["id"],
    }


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
        "special_hours": [{"on": "2026-12-12", "name": "Stocktaking", "hours": [hours]}],
        "holidays": [{"on": "2026-12-24", "name": "Christmas Eve", "start": "13:00", "end": "24:00"}],
    }


def sla_policy(api: Client) -> JSON:
    """Give a policy for one company, measured by a new calendar."""
    return {
        "name": unique("Policy"),
        "description": "As agreed.",
        "position": next(_numbers),
        "is_active": True,
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
        "conditions": {
            "company_ids": [create(api, "companies", **company(api))["id"]],
            "priorities": ["high"],
            "types": ["incident"],
        },
        "targets": [
            {"metric": "resolution", "priority": "high", "seconds": 3600, "hours": "business", "warning_percent": 50}
        ],
    }


def ticket(api: Client) -> JSON:
    """Give a ticket with everything it may refer to; the contact belongs to no company, so both references stand."""
    return {
        "subject": unique("Ticket"),
        "description": "It does not print.",
        "type": "incident",
        "priority": "normal",
        "status": "open",
        "company_id": create(api, "companies", **company(api))["id"],
        "contact_id": create(api, "contacts", **contact(api) | {"company_id": None})["id"],
        "team_id": create(api, "teams", **team(api))["id"],
        "assignee_id": create(api, "users", **user(api))["id"],
        "tags": ["printer"],
        "channel": "email",
    }


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


def webhook_endpoint(api: Client) -> JSON:
    """Give an endpoint that is switched off, so that nothing is sent while a test looks on."""
    return {
        "url": f"https://hooks{next(_numbers)}.client.example/helpdesk",
        "description": "Ticket mirror",
        "event_types": ["ticket.*"],
        "is_enabled": False,
        "max_in_flight": 8,
        "rate_per_second": 50,
        "ordered": True,
        "payload": "full",
        "format": "cloudevents",
        "metadata": {"owner": "erp-team"},
        "headers": [{"name": "X-Environment", "value": "production", "is_secret": False}],
        "authentication": {"type": "basic", "username": "helpdesk", "secret": "open sesame"},
    }


def comments_of_new_ticket(api: Client) -> str:
    """Give the path of the comments of a new ticket."""
    return f"/v1/tickets/{create(api, 'tickets', subject=unique('Ticket'))['id']}/comments"


def webhook_delivery(stage: Stage, api: Client) -> str:
    """Store a delivery that has arrived, with its attempt, as the worker would have."""
    event = an_event(stage, api)["id"]
    endpoint = create(api, "webhook-endpoints", **webhook_endpoint(api))["id"]
    (row,) = stage.sql(
        """
        WITH delivery AS (
            INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, event_id, event_type, state, attempt_count,
                last_status, delivered_at, job_id, created_at, updated_at)
            VALUES ($1, gen_random_uuid(), $2, $3, 'company.created', 'delivered', 1, 200, now(), gen_random_uuid(),
                now(), now())
            RETURNING tenant_id, id
        )
        INSERT INTO webhook_attempts (tenant_id, id, delivery_id, number, started_at, duration_ms, status)
        SELECT tenant_id, gen_random_uuid(), id, 1, now(), 12, 200 FROM delivery
        RETURNING delivery_id
        """,
        api.tenant.id,
        UUID(endpoint),
        UUID(event),
    )
    return f"/v1/webhook-deliveries/{row['delivery_id']}"


def outbound_email(stage: Stage, api: Client) -> str:
    """Store a message that has been sent, as the worker would have."""
    (row,) = stage.sql(
        """
        INSERT INTO outbound_emails (tenant_id, id, to_address, subject, state, attempt_count, sent_at, created_at,
            updated_at)
        VALUES ($1, gen_random_uuid(), 'ada@service.example', 'Your invitation', 'sent', 1, now(), now(), now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/outbound-emails/{row['id']}"


def erasure(_: Stage, api: Client) -> str:
    """Have a new contact erased, and wait until it is."""
    person = create(api, "contacts", **contact(api))
    answer = api.post(f"/v1/contacts/{person['id']}/erase", json={"reason": "Asked for by letter."})
    assert answer.status_code == 202, answer.text
    location: str = answer.headers["location"]
    # What a worker still changes would seem to be changed by whatever a test tries.
    until(lambda: api.get(location).json()["state"] == "done" or None)
    return location


def session(stage: Stage, api: Client) -> str:
    """Store a session of a new user, with its tokens, as a sign-in would have."""
    (row,) = stage.sql(
        """
        WITH opened AS (
            INSERT INTO sessions (tenant_id, id, user_id, method, expires_at, refreshed_at, created_at, updated_at)
            VALUES ($1, gen_random_uuid(), $2, 'password', now() + interval '1 day', now(), now(), now())
            RETURNING tenant_id, id
        )
        INSERT INTO session_tokens (tenant_id, id, session_id, access_hash, access_expires_at, refresh_hash,
            refresh_expires_at)
        SELECT tenant_id, gen_random_uuid(), id, '', now(), '', now() FROM opened
        RETURNING session_id
        """,
        api.tenant.id,
        UUID(create(api, "users", **user(api))["id"]),
    )
    return f"/v1/sessions/{row['session_id']}"


def id_of_a_session(stage: Stage, api: Client) -> dict[str, str]:
    """Give the id of a session that is not the caller's own."""
    return {"id": session(stage, api).rpartition("/")[2]}


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


def an_event(stage: Stage, api: Client) -> dict[str, str]:
    """Make something happen; gives the id of its event."""
    happened_to = create(api, "companies", **company(api))["id"]
    (row,) = stage.sql("SELECT id FROM events WHERE object_id = $1", UUID(happened_to))
    return {"id": str(row["id"])}


CASES = (
    Case("companies", company, patch={"name": "Renamed"}, cleared="notes"),
    Case("contacts", contact, patch={"emails": ["new@client.example"]}, cleared="company_id"),
    Case("teams", team, patch={"name": "Renamed"}, cleared="description"),
    Case("users", user, patch={"is_active": False}, cleared="team_id"),
    Case("roles", role, patch={"permissions": ["tickets:read", "tickets:write"]}),
    Case("calendars", calendar, patch={"time_zone": "Asia/Kathmandu"}),
    Case("sla-policies", sla_policy, patch={"position": 0}, cleared="description"),
    Case("tickets", ticket, patch={"priority": "urgent"}, cleared="assignee_id", never_null="subject"),
    Case("comments", note, parent=comments_of_new_ticket, created_event="ticket.note_added"),
    Case("api-keys", api_key, patch={"name": "Renamed"}),
    Case(
        "webhook-endpoints",
        webhook_endpoint,
        patch={"description": "Moved"},
        cleared="description",
        never_null="url",
        masked={"authentication": {"type": "basic", "username": "helpdesk", "secret": None}},
    ),
    Case("webhook-deliveries", made=webhook_delivery),
    Case("erasures", made=erasure),
    Case("outbound-emails", made=outbound_email),
    Case("sessions", made=session),
    Case("identity-providers", identity_provider, patch={"is_enabled": False}, cleared="role_id"),
)

# Bodies that fill the references which the body of the case must leave empty.
OTHER_BODIES: Mapping[str, tuple[Callable[[Client], JSON], ...]] = {
    "comments": (reply,),
    "api-keys": (key_of("user_id", user), key_of("contact_id", contact), key_of("role_id", role)),
}

SINGLE_OPERATIONS: Mapping[str, Single] = {
    **{name: Single(body) for name, body in SIGN_IN_BODIES.items()},
    "me_end_session": Single(parameters=id_of_a_session),
    "audit_list": Single(),
    "audit_seals_list": Single(),
    "test_clock_get": Single(),
    "test_clock_advance": Single({"to": "2026-03-02T09:00:00Z"}),
    "me_get": Single(),
    "permissions_list": Single(),
    "events_list": Single(),
    "events_get": Single(parameters=an_event),
    "event_types_list": Single(),
    "webhook_egress_get": Single(),
}

# Operations on one object beside the usual five, with a body that is valid for them.
ACTIONS: Mapping[str, JSON | None] = {
    "users_invite": None,
    "users_reset_second_factor": None,
    "sessions_end": None,
    "api_keys_revoke": None,
    "api_keys_usage": None,
    "api_keys_rotate": {"overlap_seconds": 0, "force": True},
    "contacts_reveal": {"ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40", "reason": "To call back."},
    "webhook_endpoints_rotate_secret": {"force": True},
    "webhook_endpoints_test": None,
    "webhook_endpoints_ping": None,
    "webhook_endpoints_pause": None,
    "webhook_endpoints_resume": None,
    "contacts_erase": {"reason": "Asked for by letter.", "messages": "redact"},
    "contacts_export": None,
    "users_erase": {"reason": "Asked for by letter.", "messages": "redact"},
    "users_export": None,
    "webhook_deliveries_redeliver": None,
}
