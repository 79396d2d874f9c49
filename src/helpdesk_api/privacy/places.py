"""Where a person may be named: every text of every table of a tenant, unless it is said here why not.

A table that is added is searched without being named. What is excepted either cannot hold a person, or is what
identifies somebody else, or is searched in a way of its own by `privacy.erasing`.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ARRAY, Column, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.sql import metadata

EVERY_COLUMN: Final = "*"

EXCEPTED: Final[dict[str, dict[str, str]]] = {
    "audit_seals": {EVERY_COLUMN: "hashes only"},
    "calendar_versions": {EVERY_COLUMN: "hours and holidays, which clocks are measured by and nobody may change"},
    "calendars": {EVERY_COLUMN: "hours and holidays; a version of its own stands for every change"},
    "card_keys": {EVERY_COLUMN: "follows the cards, by a trigger"},
    "companies": {"name": "names a company", "domains": "name a company", "tax_ids": "name a company"},
    "contacts": {
        "name": "names its own person", "emails": "are of its own person", "phones": "are of its own person",
        "messengers": "are of its own person",
    },
    "locations": {"time_zone": "a name of a zone", "coordinates": "numbers"},
    "card_redirects": {EVERY_COLUMN: "ids, and words of ours"},
    "card_provenance": {EVERY_COLUMN: "names of fields and sources, instants and numbers"},
    "crm_sources": {EVERY_COLUMN: "names of fields and sources, and words of ours"},
    "merges": {"card_type": "a word of ours", "state": "a word of ours", "moved_counts": "numbers",
               "still_named_counts": "numbers"},
    "sync_conflicts": {
        "source": "a name of ours", "field": "names a field", "state": "a word of ours", "resolution": "a word of ours",
    },
    "contract_versions": {
        "time_zone": "a name of a zone", "renewal": "a word of ours", "services": "ids",
    },
    "contracts": {"status": "a word of ours"},
    "entitlement_entries": {
        "kind": "a word of ours", "from_account": "a word of ours", "to_account": "a word of ours",
        "source": "names a system", "reference": "an id in that system",
    },
    "entitlement_grants": {"account": "a word of ours"},
    "entitlements": {
        "kind": "a word of ours", "currency": "a code", "time_zone": "a name of a zone", "rollover": "a word of ours",
        "overage": "a word of ours",
    },
    "acts": {
        "currency": "a code", "document": "ids, numbers, and names of companies and of what is sold",
        "sha256": "a hash",
    },
    "ticket_lines": {
        "kind": "a word of ours", "code": "names what is sold", "name": "names what is sold", "unit": "names a unit",
        "billing": "a word of ours", "currency": "a code",
    },
    "price_items": {
        "code": "names what is sold", "name": "names what is sold", "kind": "a word of ours", "unit": "names a unit",
        "time_of_day": "a word of ours",
    },
    "price_lists": {
        "currency": "a code", "audience": "a word of ours", "categories": "name kinds of companies",
    },
    "services": {"categories": "name kinds of companies", "territories": "name territories"},
    "custom_field_values": {EVERY_COLUMN: "follows the rows that hold the values, by a trigger"},
    "custom_fields": {
        "resource": "words of ours", "key": "values are called by it", "type": "words of ours",
        "group": "words of ours", "choices": "values name them", "depends_on": "the key of a field",
        "required_when": "ids and words of ours",
    },
    "erasures": {EVERY_COLUMN: "the ledger itself; its reason is redacted when it is done"},
    "event_redactions": {EVERY_COLUMN: "hashes only"},
    "files": {
        "media_type": "a name of a format", "detected_media_type": "a name of a format", "sha256": "a hash",
        "uploaded_by_type": "a word of ours",
    },
    "events": {EVERY_COLUMN: "searched by a way of its own, through `redact_event`"},
    "external_references": {EVERY_COLUMN: "ids in other systems; those of an erased person are removed"},
    "idempotency_keys": {EVERY_COLUMN: "whole answers, searched by a way of their own"},
    "inbound_hooks": {"mapping": "expressions, which look for no person", "signature": "names of headers"},
    "inbound_messages": {"body": "JSON as others write it, searched by a way of its own"},
    "ticket_plans": {
        "recurrence": "a rule of dates", "recurs": "a word of ours", "time_of_day": "a time",
        "time_zone": "a name of a zone", "holiday_shift": "a word of ours", "catch_up": "a word of ours",
        "overlap": "a word of ours", "targets": "ids", "group_by": "a word of ours",
    },
    "ticket_plan_occurrences": {"outcome": "a word of ours", "reason": "a word of ours"},
    "rules": {"occasions": "words of ours"},
    "rule_runs": {
        "outcome": "a word of ours", "reason": "a word of ours", "occasions": "words of ours",
        "answers": "places and fields of conditions", "cause_type": "a word of ours", "cause_id": "an id",
    },
    "rule_versions": {"occasions": "words of ours"},
    "sla_policy_versions": {"state": "a word of ours", "targets": "numbers and words of ours"},
    "sla_clocks": {
        "conduct": "words of ours", "history": "instants, numbers and words of ours", "escalations": "likewise",
    },
    "sla_policies": {"targets": "numbers and words of ours"},
    "users": {"name": "names its own person", "email": "is of its own person"},
    "webhook_endpoints": {
        "url": "another address would be another receiver", "headers": "another header would be another request",
        "authentication": "another name would be refused", "client_certificate": "another one would be refused",
        "event_types": "words of ours", "public_key": "made by us",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """The columns of a table that are searched."""

    table: Table
    columns: tuple[Column[Any], ...]


def places() -> list[Place]:
    """Give everything that is searched, in the order of the names of the tables."""
    owned = (table for _, table in sorted(metadata.tables.items()) if "tenant_id" in table.c)
    found = (Place(table, _searched(table)) for table in owned)
    return [place for place in found if place.columns]


def _searched(table: Table) -> tuple[Column[Any], ...]:
    excepted = EXCEPTED.get(table.name, {})
    if EVERY_COLUMN in excepted:
        return ()
    constraints = (item for item in table.constraints if isinstance(item, UniqueConstraint))
    # What is unique is how people tell such things apart; two of them erased would be one.
    unique = {column.name for item in constraints for column in item.columns}
    return tuple(
        column for column in table.c if _is_text(column) and column.name not in excepted and column.name not in unique
    )


def _is_text(column: Column[Any]) -> bool:
    kind = column.type
    return isinstance(kind, Text | JSONB) or (isinstance(kind, ARRAY) and isinstance(kind.item_type, Text))
