"""What may be done with one object beside the usual five operations, with a body that is valid for each."""

from collections.abc import Mapping

from tests.contract.bodies import JSON
from tests.contract.calendar_bodies import CALENDAR_EDIT
from tests.contract.inbound_bodies import MAPPING

_WITHOUT_BODY = (
    "files_create_link", "files_get_content", "tickets_get_presence", "tickets_get_times", "assets_get_impact",
    "assets_list_placements", "assets_list_timeline", "users_invite", "users_reset_second_factor", "sessions_end",
    "api_keys_revoke", "api_keys_usage", "companies_get_provenance", "contacts_get_provenance",
    "locations_get_provenance", "contracts_list_versions", "entitlements_get_balance", "entitlements_list_entries",
    "merges_undo", "acts_get_document", "imports_list_rows",
)  # fmt: skip

# Operations on one object beside the usual five, with a body that is valid for them.
ACTIONS: Mapping[str, JSON | None] = {
    **dict.fromkeys(_WITHOUT_BODY),
    "tickets_set_presence": {"state": "viewing", "user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03"},
    "ticket_lines_reverse": {"note": "It was the wrong ticket."},
    "sync_conflicts_resolve": {"keep": "theirs"},
    "api_keys_rotate": {"overlap_seconds": 0, "force": True},
    "contacts_reveal": {"ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40", "reason": "To call back."},
    "calendars_take_holidays": {
        "country": "IT",
        "subdivision": "RM",
        "categories": ["public"],
        "first_year": 2026,
        "last_year": 2028,
        "language": "en_US",
        "effective_from": "2026-01-01T00:00:00Z",
        "dry_run": False,
    },
    "calendars_refresh_holidays": {
        "first_year": 2026,
        "last_year": 2028,
        "effective_from": "2026-01-01T00:00:00Z",
        "dry_run": False,
    },
    "calendars_plan": CALENDAR_EDIT,
    "calendars_apply": {"edit": CALENDAR_EDIT, "plan": "bm90IGEgcGxhbg"},
    "calendars_import": {
        "file": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261231\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "first_year": 2026,
        "last_year": 2028,
        "replace": False,
        "effective_from": "2026-01-01T00:00:00Z",
        "dry_run": False,
    },
    "webhook_endpoints_rotate_secret": {"force": True},
    "webhook_endpoints_test": {"type": "ticket.created", "data": {"object": {"version": 7}}, "is_free_form": False},
    "webhook_endpoints_ping": None,
    "webhook_endpoints_pause": None,
    "webhook_endpoints_resume": None,
    "webhook_endpoints_recover": {"since": "2026-03-02T09:00:00Z", "until": "2026-03-03T09:00:00Z"},
    "webhook_endpoints_replay": {
        "after": None,
        "since": "2026-03-02T09:00:00Z",
        "until": "2026-03-03T09:00:00Z",
        "event_types": ["ticket.*"],
    },
    "webhook_endpoints_stats": None,
    "webhook_replays_cancel": None,
    "imports_start": {
        "file_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48",
        "resource": "companies",
        "format": "csv",
        "source": "crm",
        "match_on": "domain",
        "encoding": "utf-8",
        "mapping": {"Account": "name", "Owner": None},
        "dry_run": True,
    },
    "imports_cancel": None,
    "exports_start": {
        "resource": "companies",
        "format": "csv",
        "filter": "is_active=true&sort=name",
        "fields": ["name", "custom_fields"],
        "has_byte_order_mark": True,
    },
    "inbound_hooks_rotate_token": {"overlap_seconds": 0, "force": True},
    "inbound_hooks_rotate_secret": {"overlap_seconds": 0, "force": True, "secret": "ten geese under Grado"},
    "inbound_hooks_preview": {"body": {"id": "disk-7"}, "mapping": MAPPING},
    "inbound_messages_retry": None,
    "webhook_deliveries_retry": {
        "ids": None,
        "filter": {
            "endpoint_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
            "event_types": ["ticket.*"],
            "state": ["failed"],
            "since": "2026-03-02T09:00:00Z",
            "until": "2026-03-03T09:00:00Z",
        },
    },
    "contacts_erase": {"reason": "Asked for by letter.", "messages": "redact"},
    "contacts_export": None,
    "users_erase": {"reason": "Asked for by letter.", "messages": "redact"},
    "users_export": None,
    "webhook_deliveries_redeliver": None,
}
