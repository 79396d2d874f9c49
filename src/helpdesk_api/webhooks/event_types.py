"""The catalogue of event types: every name that is ever recorded, what it means and how its message looks.

It is what endpoints may subscribe to, what `GET /v1/event-types` lists and what the OpenAPI document describes under
`webhooks`. Recording an event stays with the service that knows it has happened; a test compares what is recorded with
what stands here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from helpdesk_api.webhooks.event_description import CREATED_FIRST, EventType, event, stored
from helpdesk_api.webhooks.work_event_types import CONTRACT, ENTITLEMENT, TICKET, TICKET_SUMMARY

_MERGED: Final = (
    event("merge.created", "Client cards were made one.", "loser_ids", "state", "winner_id", version=CREATED_FIRST),
    event("merge.undone", "A merge was undone: the cards are there again.", "state", "undone_at"),
    event("company.merged", "Others were merged into a company; `details` names them and counts what followed."),
    event("company.restored", "A company is there again, because its merge was undone.", "name"),
    event("contact.merged", "Others were merged into a contact; `details` names them and counts what followed."),
    event("contact.restored", "A contact is there again, because its merge was undone.", "name"),
    event("location.merged", "Others were merged into a location; `details` names them and counts what followed."),
    event("location.restored", "A location is there again, because its merge was undone.", "name"),
)
_LOOKED_AT: Final = (
    event("user.unusual_reading", "A member of staff has read unusually many client cards within an hour."),
    event("contact.revealed", "Somebody was shown the contact details of a contact, for the ticket named in `data`."),
    *(
        event(f"{name}.viewed_as", f"Somebody read the API as this {called} would.")
        for name, called in (("contact", "contact"), ("user", "user"), ("role", "role"), ("api_key", "API key"))
    ),
)
_WEBHOOK_ENDPOINT: Final = (
    event(
        "webhook_endpoint.disabled",
        "An endpoint was switched off because of how its receiver answers; `disabled_reason` says how.",
        *("disabled_at", "disabled_reason", "is_enabled"),
    ),
    event(
        "webhook_endpoint.secret_rotated",
        "An endpoint got a new secret; until `previous_secret_expires_at` the former one signs as well.",
        "previous_secret_expires_at",
    ),
    event(
        "webhook_endpoint.verified",
        "The receiver of an endpoint answered a ping; what was waiting is sent from now on.",
        "verified_at",
    ),
    event(
        "webhook_endpoint.failing",
        "Nothing but failures at an endpoint: it is switched off when that has lasted for five days.",
    ),
    event("webhook_endpoint.ping", "Asks the receiver whether it is there; it is sent to this one endpoint only."),
    event("webhook_endpoint.test", "Somebody asked for a test; it is sent to this one endpoint only."),
)
_INBOUND: Final = (
    *stored("inbound_hook", "An inbound hook", "is_enabled", "mapping", "name", "signature", changing="mapping"),
    event(
        "inbound_hook.token_rotated",
        "An inbound hook got a new address; until `previous_token_expires_at` the former one takes messages as well.",
        "previous_token_expires_at",
    ),
    event(
        "inbound_hook.secret_rotated",
        "An inbound hook got a new secret; until `previous_secret_expires_at` the former one signs as well.",
        "previous_secret_expires_at",
    ),
    event("inbound_message.created", "A message came in through a hook.", "hook_id", "state", version=CREATED_FIRST),
    event(
        "inbound_message.failed",
        "Nothing could be done about some of a message that came in; it is kept, and can be retried.",
        version=CREATED_FIRST,
    ),
    event("inbound_message.retried", "What had failed of a message was tried again.", "state"),
)
_RETENTION: Final = (
    event("retention_settings.updated", "For how long things are kept was changed.", "events_days"),
    event("retention_run.created", "Somebody, or the worker, began to apply the rules.", version=CREATED_FIRST),
    event("retention_run.completed", "The rules were applied; `data` tells how much was removed under which."),
    event(
        "retention_run.events_purged",
        "Old events were removed from the log; `data` tells of which seals, and the places of those that were kept.",
    ),
)
_TRANSFERS: Final = (
    event(
        "export.created",
        "Somebody asked for client cards as a file.",
        *("resource", "format", "filter", "state"),
        version=CREATED_FIRST,
    ),
    event("export.completed", "The file of an export is there; `data` tells which and of how many cards.", "state"),
    event(
        "import.created",
        "Somebody had a file of client cards written.",
        *("file_id", "resource", "format", "source", "state"),
        version=CREATED_FIRST,
    ),
    event(
        "import.completed", "Every row of an import was looked at; `data` tells how many had which outcome.", "state"
    ),
    event("import.cancelled", "An import was stopped; `data` tells how far it had come.", "state"),
    event("import.failed", "The file of an import was refused; `data` tells why.", "state"),
    event("export.failed", "An export came to nothing; `data` tells why.", "state"),
)
_REST: Final = (
    event("erasure.created", "Somebody asked for a person to be erased.", "person_id", version=CREATED_FIRST),
    event("person.erased", "A person was erased: delete your copies too. Its object is the contact or user."),
    event("person.exported", "Somebody read everything that is stored about a contact or user."),
    event("test_clock.advanced", "Somebody moved the test clock of the sandbox; its object is the tenant.", "now"),
    event("webhook_delivery.redelivered", "Somebody had a delivery sent again."),
    event(
        "webhook_replay.created",
        "Somebody asked for events to be sent again to an endpoint.",
        *("endpoint_id", "event_types", "scope", "since", "state"),
        version=CREATED_FIRST,
    ),
    event("webhook_replay.completed", "All that a replay was asked for is queued; `data` tells how much.", "state"),
    event("webhook_replay.cancelled", "A replay ended before its time.", "cancelled_reason", "state"),
)

_TENANT: Final = (
    event("tenant.updated", "The operator of this service changed name, quotas or origins.", "cors_origins"),
    event("tenant.exported", "The operator of this service exported everything that the tenant has."),
    event("tenant.suspended", "The operator of this service suspended the tenant: it was not served.", "suspended_at"),
    event("tenant.resumed", "The tenant is served again; what waited goes on.", "suspended_at"),
    event("tenant.deletion_scheduled", "The tenant is deleted at `purge_at` unless it is restored.", "purge_at"),
    event("tenant.deletion_cancelled", "The tenant was restored and will not be deleted.", "purge_at"),
)
_SIGN_IN: Final = (
    event("session.created", "Somebody signed in; `data` tells who and by which method.", version=CREATED_FIRST),
    event(
        "session.failed",
        "A sign-in was refused; `data` tells the method, the reason and, if known, the person.",
        version=CREATED_FIRST,
    ),
    event("session.ended", "A session ended before its time; `data` tells why."),
    event("user.invited", "A user was sent a link to choose a password with."),
    event("user.password_reset_requested", "Somebody asked for a link to choose a new password for a user."),
    event("user.password_changed", "The password of a user was set or changed; other sessions ended with it."),
    event("user.second_factor_added", "A user is asked for a code of an authenticator app from now on."),
    event("user.second_factor_removed", "A user is asked for no second factor any more."),
    event("user.identity_connected", "A person at an identity provider was recognised as this user."),
    event("contact.magic_link_sent", "A contact asked for a link to sign in with, and it was sent."),
    event("sign_in_settings.updated", "Where the front ends of the tenant are was changed.", "staff_url"),
)

_FILE: Final = (
    event(
        "file.created", "A file was uploaded; its name is told by nothing but the file itself.", version=CREATED_FIRST
    ),
    event("file.attached", "A file was hung on the ticket or comment that `data` names."),
    event("file.deleted", "A file was deleted, by hand or because nobody had attached it within a day."),
)

EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    dict(
        [
            *TICKET,
            *_FILE,
            *_TENANT,
            *stored("company", "A company", "domains", "is_active", "name", changing="name"),
            *stored("contact", "A contact", "company_id", "emails", "name", "phones", changing="emails"),
            *stored("location", "A location", "company_id", "contact_ids", "name", changing="name"),
            *stored("asset_type", "An asset type", "name", changing="serial_is_unique"),
            event(
                "asset_relation.created",
                "Two assets were related.",
                *("company_id", "source_asset_id", "target_asset_id", "type"),
                version=CREATED_FIRST,
            ),
            event(
                "asset_relation.deleted",
                "Two assets are not related any more; `changes` holds how they were.",
                *("company_id", "source_asset_id", "target_asset_id", "type"),
            ),
            *stored(
                "ticket_plan", "A plan", "is_active", "name", "recurrence", "ticket", "targets", changing="is_active"
            ),
            event(
                "ticket_plan_occurrence.created",
                "An occurrence of a plan has come, or was left out; `changes` tell what came of it for a target.",
                *("occurs_on", "outcome", "plan_id", "planned_at", "reason", "target_id", "ticket_id"),
                version=CREATED_FIRST,
            ),
            event(
                "ticket_link.created",
                "Two tickets were linked.",
                *("source_ticket_id", "target_ticket_id", "type"),
                version=CREATED_FIRST,
            ),
            event(
                "ticket_link.deleted",
                "Two tickets are not linked any more; `changes` holds how they were.",
                *("source_ticket_id", "target_ticket_id", "type"),
            ),
            event(
                "ticket_watcher.created",
                "Somebody began to watch a ticket.",
                *("contact_id", "ticket_id", "user_id"),
                version=CREATED_FIRST,
            ),
            event(
                "ticket_watcher.deleted",
                "Somebody watches a ticket no longer; `changes` holds who.",
                *("contact_id", "ticket_id", "user_id"),
            ),
            event(
                "ticket_settings.updated",
                "What becomes of linked tickets when one is finished was changed.",
                "open_children",
            ),
            *stored(
                "asset",
                "An asset",
                *("asset_type_id", "company_id", "location_id", "name", "status"),
                changing="location_id",
            ),
            *stored(
                "custom_field",
                "A custom field",
                *("choices", "key", "label", "resource", "type"),
                changing="label",
                removable=False,
            ),
            event(
                "external_reference.created",
                "A client card got an id in another system.",
                *("company_id", "external_id", "source"),
                version=CREATED_FIRST,
            ),
            event(
                "external_reference.deleted",
                "A client card lost its id in another system; `changes` holds its last values.",
                *("company_id", "external_id", "source"),
            ),
            event(
                "external_reference.updated",
                "An id in another system goes to another card, because its card was merged or is there again.",
                "company_id",
            ),
            *TICKET_SUMMARY,
            *_MERGED,
            *stored(
                "crm_source",
                "A CRM source",
                *("companies", "contacts", "is_strict", "source"),
                changing="companies",
            ),
            event(
                "sync_conflict.created",
                "A source says something else of a field than the card, which it may not change.",
                *("company_id", "field", "source", "state"),
                version=CREATED_FIRST,
            ),
            event(
                "sync_conflict.updated",
                "A source says something new of such a field; what was resolved is open again.",
                "state",
            ),
            event(
                "sync_conflict.resolved",
                "It was decided whose value holds, or both say the same by now.",
                *("resolution", "state"),
            ),
            *stored("team", "A team", "description", "name", changing="name"),
            *stored("user", "A user", "email", "is_active", "name", "role_id", "team_id", changing="team_id"),
            *stored("role", "A role", "field_groups", "name", "permissions", "reach", changing="permissions"),
            *stored(
                "calendar",
                "A calendar",
                *("holidays", "name", "seasons", "time_zone", "weekly_hours"),
                changing="holidays",
            ),
            event(
                "calendar.deadlines_recomputed",
                "The deadlines of open tickets follow an edit of a calendar now; `details` counts those that moved.",
            ),
            *stored("service", "A service", "is_active", "name", "needs_contract", changing="is_active"),
            *stored("contract", "A contract", "name", "number", "status", changing="name"),
            *CONTRACT,
            event(
                "act.created",
                "An act was issued.",
                *("company_id", "contract_id", "currency", "gross", "number", "ticket_id"),
                version=CREATED_FIRST,
            ),
            event(
                "ticket_line.created",
                "Work or a part was noted on a ticket, or a line was taken back; `changes` tells what.",
                *("billing", "code", "kind", "minutes", "quantity", "ticket_id"),
                version=CREATED_FIRST,
            ),
            *stored("price_list", "A price list", "audience", "currency", "name", changing="valid_until"),
            *stored("price_item", "An item of a price list", "code", "price", "price_list_id", changing="valid_until"),
            *stored("entitlement", "An entitlement", "contract_id", "kind", "name", "quantity", changing="quantity"),
            *ENTITLEMENT,
            *stored("sla_policy", "An SLA policy", "name", "position", "targets", changing="targets"),
            *stored("rule", "A rule", "actions", "name", "occasions", "position", "state", changing="state"),
            *stored("macro", "A macro", "actions", "is_active", "name", changing="is_active"),
            event("rule.failed", "What a rule wanted to do was refused and undone; `data` tells where and why."),
            event("rule.disabled", "A rule failed five times in a row and does not fire any more.", "state"),
            *stored("api_key", "An API key", "name", "scopes", changing="revoked_at", removable=False),
            event(
                "api_key.rotated",
                "An API key got a new secret; until `previous_secret_expires_at` the former one works as well.",
                "previous_secret_expires_at",
            ),
            *stored(
                "webhook_endpoint", "A webhook endpoint", "event_types", "is_enabled", "url", changing="is_enabled"
            ),
            *_WEBHOOK_ENDPOINT,
            *_TRANSFERS,
            *_REST,
            *_INBOUND,
            *_RETENTION,
            *_SIGN_IN,
            *stored(
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
