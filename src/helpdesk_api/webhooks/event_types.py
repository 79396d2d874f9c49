"""The catalogue of event types: every name that is ever recorded, what it means and how its message looks.

It is what endpoints may subscribe to, what `GET /v1/event-types` lists and what the OpenAPI document describes under
`webhooks`. Recording an event stays with the service that knows it has happened; a test compares what is recorded with
what stands here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from helpdesk_api.webhooks.messages import path_of
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS

EVERY_TYPE: Final = "*"
_CREATED_FIRST: Final = 1
_CHANGED_SINCE: Final = 4
_OBJECT_ID: Final = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. `example` is the whole message that a webhook endpoint receives for it, in the newest form.

    `since` is the first version of the product that records it; a type that comes later names its own.
    """

    description: str
    object_type: str
    example: Mapping[str, Any]
    since: str = "0.1.0"


def _type(name: str, description: str, *changed_fields: str, version: int = _CHANGED_SINCE) -> tuple[str, EventType]:
    object_type = name.partition(".")[0]
    example = {
        "type": name,
        "payload_version": PAYLOAD_VERSIONS.newest,
        "timestamp": "2026-11-23T09:30:00Z",
        "data": {
            "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
            "object": {
                "type": object_type,
                "id": _OBJECT_ID,
                "version": version,
                "path": path_of(object_type, _OBJECT_ID),
            },
            "changed_fields": sorted(changed_fields),
            "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
            "cause": {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"},
            "changes": None,
            "details": None,
        },
    }
    return name, EventType(description, object_type, example)


def _stored(name: str, called: str, *fields: str, changing: str, removable: bool = True) -> list[tuple[str, EventType]]:
    """Describe the life of a stored object: created, updated and, if it may be removed, deleted."""
    types = [
        _type(f"{name}.created", f"{called} was created.", *fields, version=_CREATED_FIRST),
        _type(f"{name}.updated", f"{called} was changed.", changing),
    ]
    if removable:
        types.append(_type(f"{name}.deleted", f"{called} was deleted; `changes` holds its last values.", *fields))
    return types


_TICKET: Final = (
    _type(
        "ticket.created",
        "A ticket was created.",
        *("number", "subject", "type", "priority", "status", "company_id", "contact_id", "channel"),
        version=_CREATED_FIRST,
    ),
    _type("ticket.updated", "Fields of a ticket other than status and assignment were changed.", "priority", "tags"),
    _type("ticket.deleted", "A closed ticket was removed with everything on it, under the rules of retention."),
    _type("ticket.status_changed", "A ticket moved to another status.", "status"),
    _type("ticket.assigned", "A ticket was given to another team or assignee, or taken from them.", "assignee_id"),
    _type("ticket.reply_added", "A user or a contact replied publicly."),
    _type("ticket.note_added", "A user or an inbound hook added an internal note. No event or message holds its text."),
    _type("ticket.sla_started", "A clock of an SLA policy started to run for a ticket.", version=_CREATED_FIRST),
    _type("ticket.sla_warning", "A clock of a ticket reached its warning before the deadline."),
    _type("ticket.sla_breached", "The deadline of a clock passed before what was promised was done."),
    _type(
        "ticket.sla_escalated",
        "A clock of a ticket reached an escalation step; `data` tells which, and whether the clock got it too late.",
    ),
    _type("ticket.sla_escalation_failed", "What an escalation step was to change was refused; `data` tells why."),
    _type("ticket.sla_paused", "A clock of a ticket was paused, because the ticket waits."),
    _type("ticket.sla_resumed", "A paused clock of a ticket runs again, with a later deadline."),
    _type("ticket.sla_met", "A clock of a ticket stopped in time: the promise was kept."),
    _type("ticket.sla_missed", "A clock of a ticket stopped after its deadline: the promise was kept late."),
    _type("ticket.sla_cancelled", "A clock of a ticket ended because nothing promises it any more."),
    _type("ticket.sla_reopened", "A stopped clock runs again, because the ticket was opened again."),
    _type("ticket.sla_retargeted", "A clock of a ticket got another target or deadline."),
    _type("ticket.sla_extended", "More time was granted to a clock of a ticket; `data` tells the reason."),
    _type("ticket.sla_deadline_set", "The deadline of a clock was set by hand; `data` tells the reason."),
    _type("ticket.sla_deadline_released", "A deadline that was set by hand was taken back."),
    _type("ticket.rule_applied", "A rule fired for a ticket; `data` tells which version of which."),
    _type("ticket.rules_ended", "Rules were kept from going on with a ticket; `data` tells the limit and the rules."),
)
_CONTRACT: Final = (
    _type(
        "contract.amended",
        "Terms of a contract were stated for a span of time; `data` tells which, for when, and why.",
    ),
    _type("contract.status_changed", "A contract has begun, ended, or was suspended, resumed or amended.", "status"),
    _type("contract.notice_due", "The last chance for giving notice before a term of a contract ends has come."),
)
_LOOKED_AT: Final = (
    _type("user.unusual_reading", "A member of staff has read unusually many client cards within an hour."),
    _type("contact.revealed", "Somebody was shown the contact details of a contact, for the ticket named in `data`."),
    *(
        _type(f"{name}.viewed_as", f"Somebody read the API as this {called} would.")
        for name, called in (("contact", "contact"), ("user", "user"), ("role", "role"), ("api_key", "API key"))
    ),
)
_WEBHOOK_ENDPOINT: Final = (
    _type(
        "webhook_endpoint.disabled",
        "An endpoint was switched off because of how its receiver answers; `disabled_reason` says how.",
        *("disabled_at", "disabled_reason", "is_enabled"),
    ),
    _type(
        "webhook_endpoint.secret_rotated",
        "An endpoint got a new secret; until `previous_secret_expires_at` the former one signs as well.",
        "previous_secret_expires_at",
    ),
    _type(
        "webhook_endpoint.verified",
        "The receiver of an endpoint answered a ping; what was waiting is sent from now on.",
        "verified_at",
    ),
    _type(
        "webhook_endpoint.failing",
        "Nothing but failures at an endpoint: it is switched off when that has lasted for five days.",
    ),
    _type("webhook_endpoint.ping", "Asks the receiver whether it is there; it is sent to this one endpoint only."),
    _type("webhook_endpoint.test", "Somebody asked for a test; it is sent to this one endpoint only."),
)
_INBOUND: Final = (
    *_stored("inbound_hook", "An inbound hook", "is_enabled", "mapping", "name", "signature", changing="mapping"),
    _type(
        "inbound_hook.token_rotated",
        "An inbound hook got a new address; until `previous_token_expires_at` the former one takes messages as well.",
        "previous_token_expires_at",
    ),
    _type(
        "inbound_hook.secret_rotated",
        "An inbound hook got a new secret; until `previous_secret_expires_at` the former one signs as well.",
        "previous_secret_expires_at",
    ),
    _type("inbound_message.created", "A message came in through a hook.", "hook_id", "state", version=_CREATED_FIRST),
    _type(
        "inbound_message.failed",
        "Nothing could be done about some of a message that came in; it is kept, and can be retried.",
        version=_CREATED_FIRST,
    ),
    _type("inbound_message.retried", "What had failed of a message was tried again.", "state"),
)
_RETENTION: Final = (
    _type("retention_settings.updated", "For how long things are kept was changed.", "events_days"),
    _type("retention_run.created", "Somebody, or the worker, began to apply the rules.", version=_CREATED_FIRST),
    _type("retention_run.completed", "The rules were applied; `data` tells how much was removed under which."),
    _type(
        "retention_run.events_purged",
        "Old events were removed from the log; `data` tells of which seals, and the places of those that were kept.",
    ),
)
_REST: Final = (
    _type("erasure.created", "Somebody asked for a person to be erased.", "person_id", version=_CREATED_FIRST),
    _type("person.erased", "A person was erased: delete your copies too. Its object is the contact or user."),
    _type("person.exported", "Somebody read everything that is stored about a contact or user."),
    _type("test_clock.advanced", "Somebody moved the test clock of the sandbox; its object is the tenant.", "now"),
    _type("webhook_delivery.redelivered", "Somebody had a delivery sent again."),
    _type(
        "webhook_replay.created",
        "Somebody asked for events to be sent again to an endpoint.",
        *("endpoint_id", "event_types", "scope", "since", "state"),
        version=_CREATED_FIRST,
    ),
    _type("webhook_replay.completed", "All that a replay was asked for is queued; `data` tells how much.", "state"),
    _type("webhook_replay.cancelled", "A replay ended before its time.", "cancelled_reason", "state"),
)

_TENANT: Final = (
    _type("tenant.updated", "The operator of this service changed name, quotas or origins.", "cors_origins"),
    _type("tenant.exported", "The operator of this service exported everything that the tenant has."),
    _type("tenant.suspended", "The operator of this service suspended the tenant: it was not served.", "suspended_at"),
    _type("tenant.resumed", "The tenant is served again; what waited goes on.", "suspended_at"),
    _type("tenant.deletion_scheduled", "The tenant is deleted at `purge_at` unless it is restored.", "purge_at"),
    _type("tenant.deletion_cancelled", "The tenant was restored and will not be deleted.", "purge_at"),
)
_SIGN_IN: Final = (
    _type("session.created", "Somebody signed in; `data` tells who and by which method.", version=_CREATED_FIRST),
    _type(
        "session.failed",
        "A sign-in was refused; `data` tells the method, the reason and, if known, the person.",
        version=_CREATED_FIRST,
    ),
    _type("session.ended", "A session ended before its time; `data` tells why."),
    _type("user.invited", "A user was sent a link to choose a password with."),
    _type("user.password_reset_requested", "Somebody asked for a link to choose a new password for a user."),
    _type("user.password_changed", "The password of a user was set or changed; other sessions ended with it."),
    _type("user.second_factor_added", "A user is asked for a code of an authenticator app from now on."),
    _type("user.second_factor_removed", "A user is asked for no second factor any more."),
    _type("user.identity_connected", "A person at an identity provider was recognised as this user."),
    _type("contact.magic_link_sent", "A contact asked for a link to sign in with, and it was sent."),
    _type("sign_in_settings.updated", "Where the front ends of the tenant are was changed.", "staff_url"),
)

_FILE: Final = (
    _type(
        "file.created", "A file was uploaded; its name is told by nothing but the file itself.", version=_CREATED_FIRST
    ),
    _type("file.attached", "A file was hung on the ticket or comment that `data` names."),
    _type("file.deleted", "A file was deleted, by hand or because nobody had attached it within a day."),
)

EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    dict(
        [
            *_TICKET,
            *_FILE,
            *_TENANT,
            *_stored("company", "A company", "domains", "is_active", "name", changing="name"),
            *_stored("contact", "A contact", "company_id", "emails", "name", "phones", changing="emails"),
            *_stored("location", "A location", "company_id", "contact_ids", "name", changing="name"),
            *_stored("asset_type", "An asset type", "name", changing="serial_is_unique"),
            _type(
                "asset_relation.created",
                "Two assets were related.",
                *("company_id", "source_asset_id", "target_asset_id", "type"),
                version=_CREATED_FIRST,
            ),
            _type(
                "asset_relation.deleted",
                "Two assets are not related any more; `changes` holds how they were.",
                *("company_id", "source_asset_id", "target_asset_id", "type"),
            ),
            *_stored(
                "asset",
                "An asset",
                *("asset_type_id", "company_id", "location_id", "name", "status"),
                changing="location_id",
            ),
            *_stored(
                "custom_field",
                "A custom field",
                *("choices", "key", "label", "resource", "type"),
                changing="label",
                removable=False,
            ),
            _type(
                "external_reference.created",
                "A client card got an id in another system.",
                *("company_id", "external_id", "source"),
                version=_CREATED_FIRST,
            ),
            _type(
                "external_reference.deleted",
                "A client card lost its id in another system; `changes` holds its last values.",
                *("company_id", "external_id", "source"),
            ),
            *_stored(
                "crm_source",
                "A CRM source",
                *("companies", "contacts", "is_strict", "source"),
                changing="companies",
            ),
            _type(
                "sync_conflict.created",
                "A source says something else of a field than the card, which it may not change.",
                *("company_id", "field", "source", "state"),
                version=_CREATED_FIRST,
            ),
            _type(
                "sync_conflict.updated",
                "A source says something new of such a field; what was resolved is open again.",
                "state",
            ),
            _type(
                "sync_conflict.resolved",
                "It was decided whose value holds, or both say the same by now.",
                *("resolution", "state"),
            ),
            *_stored("team", "A team", "description", "name", changing="name"),
            *_stored("user", "A user", "email", "is_active", "name", "role_id", "team_id", changing="team_id"),
            *_stored("role", "A role", "field_groups", "name", "permissions", "reach", changing="permissions"),
            *_stored(
                "calendar",
                "A calendar",
                *("holidays", "name", "seasons", "time_zone", "weekly_hours"),
                changing="holidays",
            ),
            _type(
                "calendar.deadlines_recomputed",
                "The deadlines of open tickets follow an edit of a calendar now; `details` counts those that moved.",
            ),
            *_stored("service", "A service", "is_active", "name", "needs_contract", changing="is_active"),
            *_stored("contract", "A contract", "name", "number", "status", changing="name"),
            *_CONTRACT,
            *_stored("sla_policy", "An SLA policy", "name", "position", "targets", changing="targets"),
            *_stored("rule", "A rule", "actions", "name", "occasions", "position", "state", changing="state"),
            *_stored("macro", "A macro", "actions", "is_active", "name", changing="is_active"),
            _type("rule.failed", "What a rule wanted to do was refused and undone; `data` tells where and why."),
            _type("rule.disabled", "A rule failed five times in a row and does not fire any more.", "state"),
            *_stored("api_key", "An API key", "name", "scopes", changing="revoked_at", removable=False),
            _type(
                "api_key.rotated",
                "An API key got a new secret; until `previous_secret_expires_at` the former one works as well.",
                "previous_secret_expires_at",
            ),
            *_stored(
                "webhook_endpoint", "A webhook endpoint", "event_types", "is_enabled", "url", changing="is_enabled"
            ),
            *_WEBHOOK_ENDPOINT,
            *_REST,
            *_INBOUND,
            *_RETENTION,
            *_SIGN_IN,
            *_stored(
                "identity_provider",
                "An identity provider",
                "audiences",
                "email_domains",
                "issuer",
                "name",
                changing="is_enabled",
            ),
            *_LOOKED_AT,
        ]
    )
)

PATTERNS: Final = frozenset(
    {EVERY_TYPE, *EVENT_TYPES, *(f"{event_type.object_type}.*" for event_type in EVENT_TYPES.values())}
)


def _known(pattern: str) -> str:
    if pattern not in PATTERNS:
        message = "must be `*`, a type of event or a family of types such as `ticket.*`; see /v1/event-types"
        raise ValueError(message)
    return pattern


EventPattern = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(PATTERNS)})]


def is_wanted(event_type: str, patterns: Iterable[str]) -> bool:
    """Tell whether a type is among the patterns: `*`, `ticket.*` or the type itself."""
    return not {EVERY_TYPE, f"{event_type.partition('.')[0]}.*", event_type}.isdisjoint(patterns)
