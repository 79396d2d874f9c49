"""The examples of the document: one whole object per resource, and what follows from it.

`Resource.example` is the source. The example of a creation, a change, a page and an object with its relations are made
from it; only what belongs to no resource is written here. Ids agree throughout: the company that the example ticket
names is the example company.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from helpdesk_api.agreements.contract_routes import CONTRACT_EXAMPLES
from helpdesk_api.agreements.coverage_routes import COVERAGE_EXAMPLES
from helpdesk_api.agreements.entitlement_routes import ENTITLEMENT_EXAMPLES
from helpdesk_api.assets.asset_routes import ASSET_EXAMPLES
from helpdesk_api.automation.bulk import APPLYING_EXAMPLES
from helpdesk_api.directory.card_kinds import UPSERT_EXAMPLES
from helpdesk_api.directory.crm.reading import CRM_EXAMPLES
from helpdesk_api.directory.duplicates import DUPLICATES_EXAMPLES
from helpdesk_api.directory.transfers.exports import EXPORT_EXAMPLES
from helpdesk_api.directory.transfers.imports import IMPORT_EXAMPLES
from helpdesk_api.files.schemas import FILE_EXAMPLES
from helpdesk_api.identity.audit_schemas import AUDIT_EXAMPLE, SEAL_EXAMPLE
from helpdesk_api.identity.me import ME_EXAMPLE
from helpdesk_api.identity.permissions import FIELD_GROUPS, FOR_CONTACTS, PERMISSIONS
from helpdesk_api.identity.tenant_export import EXPORT_EXAMPLE as EXPORT
from helpdesk_api.kit.problems import catalogue
from helpdesk_api.kit.resource import Resource
from helpdesk_api.openapi.agreement_examples import AGREEMENT_EXAMPLES
from helpdesk_api.openapi.clock_examples import CLOCK_EXAMPLES
from helpdesk_api.openapi.inbound_examples import ADDED_TO_NEW_HOOK, INBOUND_EXAMPLES
from helpdesk_api.openapi.rule_examples import RULE_EXAMPLES
from helpdesk_api.openapi.schemas import Schema
from helpdesk_api.openapi.sign_in_examples import SIGN_IN_EXAMPLES
from helpdesk_api.privacy.erasures import ERASURES
from helpdesk_api.privacy.export import EXPORT_EXAMPLE
from helpdesk_api.retention.preview import PREVIEW_EXAMPLE
from helpdesk_api.tickets.asset_timelines import TIMELINE_EXAMPLES
from helpdesk_api.tickets.plans.schemas import PLAN_EXAMPLES
from helpdesk_api.tickets.reveal import REVEAL_EXAMPLE
from helpdesk_api.tickets.search import SEARCH_EXAMPLES
from helpdesk_api.tickets.ticket_settings import TICKET_SETTINGS_EXAMPLES
from helpdesk_api.webhooks.card_changes import CHANGES_EXAMPLES
from helpdesk_api.webhooks.catalogue import event_type_list
from helpdesk_api.webhooks.deliveries import ATTEMPT_EXAMPLE, DELIVERIES
from helpdesk_api.webhooks.feed import EVENT_EXAMPLE
from helpdesk_api.webhooks.inbound.messages import BODY_EXAMPLE
from helpdesk_api.webhooks.statistics import STATS_EXAMPLE

_CREATED = "2026-11-23T09:00:00Z"
_UPDATED = "2026-11-23T09:30:00Z"
_VERSION = 3
_ENDPOINT = DELIVERIES.example["endpoint_id"]
_CURSOR = "eyJleGFtcGxlIjp0cnVlfQ.c2lnbmF0dXJl"

# What a client typically changes; a resource without a line here changes its first field.
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "TicketUpdate": {"status": "pending", "priority": "urgent"},
    "CompanyUpdate": {"notes": None, "domains": ["alpine-dairy.example", "alpine.example"]},
    "ContactUpdate": {"phones": ["+390669821234", "+393331234567"]},
    "UserUpdate": {"is_active": False},
    "CalendarUpdate": {
        "holidays": [{"on": "2026-12-07", "name": "Flood"}],
        "effective_from": "2026-12-06T23:00:00Z",
    },
    "SLAPolicyUpdate": {"position": 20},
    "ServiceUpdate": {"is_active": False},
    "ContractUpdate": {"notes": None},
    "EntitlementUpdate": {"quantity": 900},
    "PriceItemUpdate": {"valid_until": "2026-12-31"},
    "TicketPlanUpdate": {"is_active": False},
    "MacroUpdate": {"is_active": False},
    "RuleUpdate": {"state": "disabled"},
    "WebhookEndpointUpdate": {"is_enabled": False},
    "InboundHookUpdate": {"mapping": {"priority": "'high'"}, "on_recovery": "note"},
}
# Creations that are also possible without naming another object; shown first, because anybody can try them as they are.
_ALONE = frozenset({"TicketCreate", "ContactCreate", "UserCreate"})
# Answers that tell more than the resource itself: their schema, that of the resource, and what they add.
_TELLING_MORE: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("NewApiKey", "ApiKey", {"key": "hd_live_<tenant and key>_<secret>_<checksum>"}),
    ("NewInboundHook", "InboundHook", ADDED_TO_NEW_HOOK),
    ("RotatedInboundHook", "InboundHook", {"secret": "<43 letters and digits>"}),
    ("InboundMessageDetail", "InboundMessage", {"body": BODY_EXAMPLE}),
    ("NewWebhookEndpoint", "WebhookEndpoint", {"secret": "whsec_<base64 of 32 bytes>"}),
    ("OutboundEmailDetail", "OutboundEmail", {"text": "Open this link to choose your password: https://desk.example/"}),
    ("WebhookDeliveryDetail", "WebhookDelivery", {"attempts": [ATTEMPT_EXAMPLE]}),
)


_STREAM = (
    f'retry: 2713\nevent: ready\nid: {_CURSOR}\ndata: {{"cursor": "{_CURSOR}"}}\n\n'
    f"id: {_CURSOR}\ndata: {json.dumps(EVENT_EXAMPLE)}\n\n:\n\n"
)


def of_schemas(resources: Sequence[Resource[Any]], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Give the example of each schema that a body may have as a whole, by its name."""
    found = dict(_of_no_resource())
    ids = _ids(resources)
    whole = {
        resource.name: {
            "id": ids[resource.name],
            "created_at": _CREATED,
            "updated_at": _UPDATED,
            "version": _VERSION,
            **resource.example,
        }
        for resource in resources
    }
    for resource in resources:
        name, example = resource.read.__name__, whole[resource.name]
        included = _included(resource, whole)
        found[name] = _in_order_of(schemas.get(name), example)
        found[f"{name}Detail"] = example | included
        found[f"{name}Page"] = {
            "data": [example],
            "page": {"next_cursor": _CURSOR, "prev_cursor": None},
            "total": None,
            **included,
        }
        fields = schemas.get(f"{name}Create", {}).get("properties", {})
        found[f"{name}Create"] = {field: example[field] for field in fields if field in example}
        if fields:
            first = next(iter(fields))
            found[f"{name}Update"] = _CHANGES.get(f"{name}Update", {first: example.get(first)})
    # With a preset, what a new hook says is not what it becomes.
    found["InboundHookCreate"] = INBOUND_EXAMPLES["InboundHookCreate"]
    found.update({name: found[base] | dict(more) for name, base, more in _TELLING_MORE})
    return found


def alone(name: str, example: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the example of a creation without ids of other objects, where that is enough; else None."""
    return {field: value for field, value in example.items() if not field.endswith("_id")} if name in _ALONE else None


def of_operation(operation_id: str, status: str) -> dict[str, Any] | str | None:
    """Give the example of an answer that its schema alone does not determine, or None."""
    match operation_id, status:
        case "problems_list", "200":
            known = catalogue()
            return {code: known[code].model_dump() for code in ("not_found", "stale_version")}
        case "test_clock_advance", "202":
            return {"now": "2026-03-14T11:20:00Z", "advancing_to": "2026-04-01T00:00:00Z", "fired_count": 500}
        case "tenants_export", "200":
            return EXPORT
        case "acts_get_document", "200":
            return {"format": "helpdesk-act", "format_version": 1, "number": 17, "currency": "EUR", "lines": []}
        case "files_get_content", "200":
            return "17:02 E0417 paper jam at dock 3"
        case "events_stream", "200":
            return _STREAM
        case _:
            return None


def _of_no_resource() -> Iterator[tuple[str, Any]]:
    yield "Advance", {"to": "2026-04-01T00:00:00Z"}
    yield "TestClock", {"now": "2026-04-01T00:00:00Z", "advancing_to": None, "fired_count": 12}
    yield "Alive", {"status": "alive"}
    yield "Ready", {"status": "ready"}
    yield "ProblemType", catalogue()["stale_version"].model_dump()
    yield "Me", ME_EXAMPLE
    yield from SIGN_IN_EXAMPLES
    yield from (AGREEMENT_EXAMPLES | CONTRACT_EXAMPLES | COVERAGE_EXAMPLES | ENTITLEMENT_EXAMPLES).items()
    yield from (
        UPSERT_EXAMPLES
        | CRM_EXAMPLES
        | ASSET_EXAMPLES
        | TIMELINE_EXAMPLES
        | FILE_EXAMPLES
        | EXPORT_EXAMPLES
        | IMPORT_EXAMPLES
    ).items()
    yield "RevealRequest", {"ticket_id": EVENT_EXAMPLE["object_id"], "reason": "To call back about the printer."}
    yield "RevealedContact", REVEAL_EXAMPLE
    yield from CLOCK_EXAMPLES.items()
    yield from INBOUND_EXAMPLES.items()
    yield from RULE_EXAMPLES.items()
    yield from (APPLYING_EXAMPLES | TICKET_SETTINGS_EXAMPLES | PLAN_EXAMPLES).items()
    yield from SEARCH_EXAMPLES.items()
    yield (
        "Catalogue",
        {
            "permissions": [
                {"name": name, "description": PERMISSIONS[name], "for_contacts": name in FOR_CONTACTS}
                for name in ("tickets:read", "tickets:write")
            ],
            "field_groups": [{"name": name, "description": meaning} for name, meaning in FIELD_GROUPS.items()],
        },
    )
    yield "SecretRotation", {"force": False}
    yield "KeyRotation", {"overlap_seconds": 3_600, "force": False}
    yield (
        "ApiKeyUsage",
        {
            "since": "2026-10-24",
            "data": [
                {
                    "operation_id": "companies_list",
                    "request_count": 1_204,
                    "refused_count": 3,
                    "last_used_at": _UPDATED,
                }
            ],
        },
    )
    yield "WebhookRecovery", {"since": "2026-11-22T00:00:00Z", "until": None}
    yield "WebhookReplayCreate", {"after": None, "since": "2026-11-22T00:00:00Z", "until": None, "event_types": ["*"]}
    yield "WebhookTestRequest", {"type": "ticket.created", "data": {"object": {"version": 7}}, "is_free_form": False}
    yield "WebhookRetry", {"filter": {"endpoint_id": _ENDPOINT, "state": ["failed"]}}
    yield (
        "WebhookRetryResults",
        {
            "results": [{"index": 0, "id": EVENT_EXAMPLE["object_id"], "status": 202, "error": None}],
            "has_more": False,
        },
    )
    yield "WebhookStats", STATS_EXAMPLE | {"endpoint_id": _ENDPOINT}
    yield "WebhookTest", {"event_id": EVENT_EXAMPLE["id"]}
    yield "AuditPage", {"data": [AUDIT_EXAMPLE], "page": {"next_cursor": _CURSOR}}
    page = {"next_cursor": _CURSOR, "prev_cursor": None}
    yield "AuditSealPage", {"data": [SEAL_EXAMPLE], "page": page, "total": None}
    yield "PersonExport", EXPORT_EXAMPLE
    yield "RetentionSettingsUpdate", {"closed_tickets_days": 730, "events_days": 365}
    yield "RetentionPreview", PREVIEW_EXAMPLE
    yield "ErasureCreate", {"reason": ERASURES.example["reason"], "messages": "erase"}
    yield "Event", EVENT_EXAMPLE
    yield from (CHANGES_EXAMPLES | DUPLICATES_EXAMPLES).items()
    yield (
        "EventFeed",
        {"data": [EVENT_EXAMPLE], "page": {"next_cursor": _CURSOR, "has_more": False, "kept_since": None}},
    )
    yield from _of_live_events()
    yield "EventTypeList", _event_types()
    yield "WebhookEgress", {"networks": ["198.51.100.0/28", "2001:db8::/64"]}


def _event_types() -> dict[str, Any]:
    listed = event_type_list().model_dump(mode="json")
    (first, *_) = listed["data"]
    # The schema of a message is long, and the same but for two words in every entry.
    first["data_schema"] = {"title": first["type"], "type": "object", "properties": {"type": {"const": first["type"]}}}
    return listed | {"data": [first]}


def _ids(resources: Sequence[Resource[Any]]) -> dict[str, str]:
    """Give each resource's example an id: the one by which other examples refer to it, where they do."""
    ids = {resource.name: str(uuid5(NAMESPACE_URL, resource.plural)) for resource in resources}
    for resource in resources:
        for field, value in resource.example.items():
            for name in ids:
                if field.endswith("_id") and f"_{name}_id".endswith(f"_{field}") and value is not None:
                    ids[name] = value
        for include in resource.includes:
            ids[include.resource.name] = resource.example.get(include.column) or ids[include.resource.name]
    return ids


def _included(resource: Resource[Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    if not resource.includes:
        return {}
    parts: dict[str, dict[str, Any]] = {}
    for include in resource.includes:
        example = whole[include.resource.name]
        if include.column == "id":
            # It goes by the id of what it is sent along with.
            example = {**example, "id": whole[resource.name]["id"]}
        parts.setdefault(include.resource.plural.replace("-", "_"), {})[example["id"]] = example
    return {"included": parts}


def _in_order_of(schema: Schema | None, example: Mapping[str, Any]) -> dict[str, Any]:
    """Put the fields into the order in which the schema tells them; others follow."""
    fields = list((schema or {}).get("properties", {}))
    return {field: example[field] for field in fields if field in example} | dict(example)


def _of_live_events() -> Iterator[tuple[str, Any]]:
    user_id = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03"
    present = {"user_id": user_id, "state": "typing", "expires_at": _UPDATED}
    yield "Present", present
    yield "PresenceList", {"data": [present]}
    yield "PresenceInput", {"state": "typing", "user_id": user_id}
    yield (
        "Checksum",
        {
            "collection": "tickets",
            "object_count": 1_042,
            "checksum": "5d1f0c9e0ab34f6e8c0b7d3a91f2e4c6",
            "cursor": _CURSOR,
        },
    )
    yield "StreamTicket", {"ticket": "hd_ticket_<tenant and ticket>_<secret>_<checksum>", "expires_at": _UPDATED}
