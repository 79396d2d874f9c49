"""How to exercise each resource: one case per resource, and the suites in this folder do the rest.

A case knows a complete valid body whose every reference points at an object of its own, and an effective change.
Everything else - scopes, events, sort keys, unique fields, columns - is read from the `Resource` and from the OpenAPI
document. A resource without a case fails the suite, and so does an operation that belongs to none and is not listed
here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.bodies import (
    JSON,
    a_calendar_version,
    a_cause,
    a_clock,
    a_clock_set_by_hand,
    a_policy,
    an_event,
    api_key,
    asset,
    asset_relation,
    asset_type,
    calendar,
    comments_of_new_ticket,
    company,
    contact,
    erasure,
    identity_provider,
    location,
    note,
    role,
    sla_policy,
    somebody_at_a_ticket,
    team,
    ticket,
    user,
)
from tests.contract.contract_bodies import (
    ENTRY,
    a_contract,
    amendment,
    an_entitlement,
    contract,
    entitlement,
    question,
    service,
)
from tests.contract.crm_bodies import crm_source, sync_conflict
from tests.contract.custom_field_bodies import custom_field
from tests.contract.endpoint_bodies import CERTIFICATE, webhook_endpoint
from tests.contract.file_bodies import a_file
from tests.contract.inbound_bodies import inbound_hook, inbound_message, token_of_a_hook
from tests.contract.merge_bodies import merge
from tests.contract.price_bodies import (
    a_ticket_to_add_up,
    act,
    price_item,
    price_list,
    price_question,
    ticket_line,
)
from tests.contract.pushed_bodies import (
    batch_of,
    external_reference,
    reference_of,
)
from tests.contract.retention_bodies import RETENTION
from tests.contract.rule_bodies import (
    a_macro,
    a_published_rule,
    a_rule,
    applied,
    bulk_change,
    macro,
    rule,
    rule_file,
    trial,
)
from tests.contract.sign_in_cases import BODIES as SIGN_IN_BODIES
from tests.contract.stored_rows import (
    export,
    id_of_a_session,
    import_,
    outbound_email,
    retention_run,
    rule_run,
    session,
    webhook_delivery,
    webhook_replay,
)
from tests.contract.ticket_bodies import a_left_out_occurrence, a_ticket_plan, ticket_link, ticket_plan, ticket_watcher
from tests.stage import Client, Stage


@dataclass(frozen=True, eq=False)
class Case:
    """One resource.

    `body` gives another valid body with every call, and creates what the body refers to; a resource that cannot be
    created over the API has `made` instead, which gives the path of a new one. `masked` is how fields are shown whose
    value in the body is a secret. `followed_by` are the events of other objects that a creation records beside its own.
    """

    plural: str
    body: Callable[[Client], JSON] | None = None
    patch: Mapping[str, Any] = field(default_factory=dict)
    cleared: str | None = None
    never_null: str = "name"
    parent: Callable[[Client], str] | None = None
    created_event: str = ""
    followed_by: tuple[str, ...] = ()
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

    body: JSON | Callable[[Client], JSON] | None = None
    parameters: Callable[[Stage, Client], dict[str, str]] | None = None


_NOTHING = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"

CASES = (
    Case("companies", company, patch={"name": "Renamed"}, cleared="notes"),
    Case("contacts", contact, patch={"emails": ["new@client.example"]}, cleared="company_id"),
    Case("locations", location, patch={"name": "Renamed"}, cleared="notes"),
    Case("asset-types", asset_type, patch={"name": "Renamed"}, cleared="description"),
    Case("asset-relations", asset_relation),
    Case("assets", asset, patch={"status": "in_repair"}, cleared="notes"),
    Case("external-references", external_reference),
    Case("merges", merge, followed_by=("company.deleted", "company.merged")),
    Case("crm-sources", crm_source, patch={"is_strict": False}, never_null="companies"),
    Case("sync-conflicts", made=sync_conflict),
    Case("exports", made=export),
    Case("imports", made=import_),
    Case("custom-fields", custom_field, patch={"label": "Renamed"}, cleared="description", never_null="label"),
    Case("teams", team, patch={"name": "Renamed"}, cleared="description"),
    Case("users", user, patch={"is_active": False}, cleared="team_id"),
    Case("roles", role, patch={"permissions": ["tickets:read", "tickets:write"]}),
    Case("calendars", calendar, patch={"time_zone": "Asia/Kathmandu", "effective_from": "2026-01-01T00:00:00Z"}),
    Case("sla-policies", sla_policy, patch={"position": 0}, cleared="description"),
    Case("services", service, patch={"is_active": False}, cleared="description"),
    Case("contracts", contract, patch={"name": "Renamed"}, cleared="notes"),
    Case("ticket-lines", ticket_line),
    Case("acts", act),
    Case("price-lists", price_list, patch={"valid_until": "2099-12-31"}, cleared="valid_from"),
    Case("price-items", price_item, patch={"price": "15.00"}, cleared="role_id"),
    Case("entitlements", entitlement, patch={"quantity": 900}, cleared="rollover_periods"),
    Case("rule-runs", made=rule_run),
    Case("macros", macro, patch={"position": 0}, cleared="description"),
    Case("rules", rule, patch={"position": 0}, cleared="description"),
    Case("tickets", ticket, patch={"priority": "urgent"}, cleared="assignee_id", never_null="subject"),
    Case("ticket-links", ticket_link),
    Case("ticket-watchers", ticket_watcher),
    Case("ticket-plans", ticket_plan, patch={"is_active": False}, cleared="ends_on", never_null="recurrence"),
    Case("ticket-plan-occurrences", made=a_left_out_occurrence),
    Case("comments", note, parent=comments_of_new_ticket, created_event="ticket.note_added"),
    Case("files", made=a_file),
    Case("api-keys", api_key, patch={"name": "Renamed"}),
    Case(
        "webhook-endpoints",
        webhook_endpoint,
        patch={"description": "Moved"},
        cleared="description",
        never_null="url",
        masked={
            "authentication": {
                "type": "basic",
                "username": "helpdesk",
                "secret": None,
                "token_url": None,
                "client_id": None,
                "scope": None,
            },
            "client_certificate": {"certificate": CERTIFICATE, "private_key": None},
        },
    ),
    Case("webhook-deliveries", made=webhook_delivery),
    Case("webhook-replays", made=webhook_replay),
    Case(
        "inbound-hooks",
        inbound_hook,
        patch={"on_recovery": "note"},
        cleared="preset",
        masked={
            "signature": {
                "scheme": "hmac",
                "header": "X-Signature",
                "encoding": "base64",
                "prefix": "v1=",
                "timestamp_header": "X-Timestamp",
                "timestamp_separator": ".",
                "secret": None,
            }
        },
    ),
    Case("inbound-messages", made=inbound_message),
    Case("erasures", made=erasure),
    Case("retention-runs", made=retention_run),
    Case("outbound-emails", made=outbound_email),
    Case("sessions", made=session),
    Case("identity-providers", identity_provider, patch={"is_enabled": False}, cleared="role_id"),
)

SINGLE_OPERATIONS: Mapping[str, Single] = {
    **{name: Single(body) for name, body in SIGN_IN_BODIES.items()},
    **{
        f"{plural}_{verb}_by_reference": Single(body, parameters=reference_of(plural))
        for plural, card in (
            ("companies", company),
            ("contacts", contact),
            ("locations", location),
            ("assets", asset),
        )
        for verb, body in (("get", None), ("put", card))
    },
    "companies_upsert": Single(batch_of(company, match_on="domain")),
    "contacts_upsert": Single(batch_of(contact, match_on="email")),
    "locations_upsert": Single(batch_of(location)),
    "assets_upsert": Single(batch_of(asset)),
    "me_end_session": Single(parameters=id_of_a_session),
    "retention_settings_get": Single(),
    "retention_settings_update": Single(RETENTION),
    "retention_apply": Single(),
    "retention_preview_get": Single(),
    "audit_list": Single(),
    "audit_seals_list": Single(),
    "files_upload": Single(),
    "test_clock_get": Single(),
    "test_clock_advance": Single({"to": "2026-03-02T09:00:00Z"}),
    "me_get": Single(),
    "permissions_list": Single(),
    "condition_fields_list": Single(),
    "rule_versions_list": Single(parameters=a_published_rule),
    "rules_analyse": Single(),
    "rules_export": Single(),
    "rules_import": Single(rule_file),
    "rules_publish": Single({"version": None}, parameters=a_rule),
    "rules_try": Single(trial, parameters=a_rule),
    "macros_apply": Single(applied, parameters=a_macro),
    "tickets_bulk": Single(bulk_change),
    "tickets_search": Single({"condition": {"not": {"field": "tags", "op": "contains", "value": "parked"}}}),
    "sla_clocks_list_due": Single(),
    "sla_clocks_count_due": Single(),
    "sla_clocks_list": Single(parameters=a_clock),
    "sla_clocks_get": Single(parameters=a_clock),
    "sla_clocks_explain": Single(parameters=a_clock),
    "sla_clocks_set_deadline": Single({"due_at": "2098-01-01T00:00:00Z", "reason": "Agreed."}, parameters=a_clock),
    "sla_clocks_release_deadline": Single(parameters=a_clock_set_by_hand),
    "sla_clocks_extend": Single(
        {
            "filter": {"ticket_ids": [_NOTHING], "company_ids": [_NOTHING], "priorities": ["high"]},
            "metrics": ["resolution"],
            "seconds": 3600,
            "reason": "Outage.",
        }
    ),
    **{f"{plural}_list_duplicates": Single() for plural in ("companies", "contacts", "locations")},
    **{f"{plural}_list_changes": Single() for plural in ("companies", "contacts", "locations")},
    "events_list": Single(),
    "events_get": Single(parameters=an_event),
    "traces_get": Single(parameters=a_cause),
    "events_stream": Single(),
    "events_create_stream_ticket": Single(),
    "events_checksum": Single(),
    "event_types_list": Single(),
    "webhook_egress_get": Single(),
    "inbound_presets_list": Single(),
    "inbound_receive": Single({"id": "disk-7", "text": "The disk is full."}, parameters=token_of_a_hook),
    "holiday_countries_list": Single(),
    "tickets_end_presence": Single(parameters=somebody_at_a_ticket),
    "sla_policy_versions_list": Single(parameters=a_policy),
    "contracts_amend": Single(amendment, parameters=a_contract),
    "coverage_check": Single(question),
    "ticket_lines_get_totals": Single(parameters=a_ticket_to_add_up),
    "price_items_look_up": Single(price_question),
    "entitlements_enter": Single(ENTRY, parameters=an_entitlement),
    "ticket_plans_preview": Single({"count": 2}, parameters=a_ticket_plan),
    "ticket_plans_skip": Single({"occurs_on": "2090-01-02"}, parameters=a_ticket_plan),
    "ticket_settings_get": Single(),
    "ticket_settings_update": Single({"open_children": "finish", "open_duplicates": "ignore"}),
    "coverage_settings_get": Single(),
    "coverage_settings_update": Single({"uncovered_tickets": "refuse"}),
    "calendar_versions_list": Single(parameters=a_calendar_version),
    "calendar_versions_get": Single(parameters=a_calendar_version),
}

# Operations whose body is, or holds, whatever a stranger may send: any JSON object, or any bytes, are a good one.
FREE_FORM = frozenset({"files_upload", "inbound_hooks_preview", "inbound_receive"})
