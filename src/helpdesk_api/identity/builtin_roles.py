"""The built-in roles, as every tenant gets them when it is created."""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.identity.permissions import (
    CLIENT_COMMERCIAL,
    CLIENT_INTERNAL,
    CONTACT_DETAILS,
    STAFF_DETAILS,
    TICKET_INTERNAL,
    TICKET_PRICES,
)

_FILES = ["files:read", "files:write"]
_CONVERSATION = [
    *_FILES,
    *("comments:read", "comments:write", "notes:read", "notes:write", "tickets:read", "tickets:write"),
    *("ticket-links:read", "ticket-links:write", "ticket-watchers:read", "ticket-watchers:write"),
]
_CARDS = [
    "asset-relations:read",
    "asset-relations:write",
    "asset-types:read",
    "asset-types:write",
    "assets:list",
    "assets:read",
    "assets:write",
    "companies:list",
    "companies:read",
    "companies:write",
    "contacts:list",
    "contacts:read",
    "contacts:write",
    "locations:list",
    "locations:read",
    "locations:write",
]
_PORTAL = [
    *_FILES,
    "assets:list",
    "assets:read",
    "comments:read",
    "comments:write",
    "companies:list",
    "companies:read",
    "contacts:list",
    "contacts:read",
    "custom-fields:read",
    "locations:list",
    "locations:read",
    "tickets:create",
    "tickets:read",
]
_SURROUNDINGS = [
    "calendars:read",
    "custom-fields:read",
    "macros:read",
    "roles:read",
    "sla-policies:read",
    "teams:read",
    "users:read",
]


def _role(name: str, reach: str, permissions: list[str], *groups: str, audience: str = "staff") -> Mapping[str, Any]:
    return {
        "name": name,
        "audience": audience,
        "permissions": sorted(permissions),
        "reach": reach,
        "field_groups": sorted(groups),
    }


BUILT_IN: Final[Mapping[str, Mapping[str, Any]]] = {
    "admin": _role("Administrator", "all", ["*:read", "*:write", "contacts:reveal", "view-as:use"], "*"),
    "supervisor": _role(
        "Supervisor",
        "all",
        [
            *(*_CONVERSATION, *_SURROUNDINGS, *_CARDS, "contacts:reveal", "crm-sources:read", "events:read"),
            *("merges:read", "merges:write", "sync-conflicts:read", "sync-conflicts:write", "ticket-summaries:read"),
            *("contracts:read", "contracts:write", "services:read", "services:write"),
            *("entitlements:read", "entitlements:write"),
            *("price-items:read", "price-items:write", "price-lists:read", "price-lists:write"),
            *("acts:read", "acts:write", "ticket-lines:read", "ticket-lines:write"),
        ],
        *(CLIENT_INTERNAL, CONTACT_DETAILS, STAFF_DETAILS, TICKET_INTERNAL, TICKET_PRICES),
    ),
    "agent": _role(
        "Agent",
        "all",
        [
            *_CONVERSATION,
            *_SURROUNDINGS,
            "asset-relations:read",
            "asset-types:read",
            "assets:read",
            "companies:read",
            "contacts:create",
            "contacts:read",
            "contacts:reveal",
            "contracts:read",
            "entitlements:read",
            "locations:read",
            "price-items:read",
            "price-lists:read",
            "services:read",
            "ticket-lines:read",
            "ticket-lines:write",
            "ticket-summaries:read",
        ],
        *(CLIENT_INTERNAL, STAFF_DETAILS, TICKET_INTERNAL),
    ),
    "light_agent": _role(
        "Light agent",
        "all",
        [
            *_FILES,
            "asset-relations:read",
            "asset-types:read",
            "assets:read",
            "comments:read",
            "companies:read",
            "contacts:read",
            "custom-fields:read",
            "locations:read",
            "macros:read",
            "notes:read",
            "notes:write",
            "services:read",
            "teams:read",
            "ticket-links:read",
            "ticket-watchers:read",
            "tickets:read",
            "users:read",
        ],
        *(CLIENT_INTERNAL, STAFF_DETAILS, TICKET_INTERNAL),
    ),
    "contractor": _role(
        "Contractor",
        "team",
        [
            *(*_FILES, "comments:read", "comments:write", "custom-fields:read"),
            *("ticket-links:read", "tickets:read", "tickets:write"),
        ],
        TICKET_INTERNAL,
    ),
    "contact": _role("Contact", "own", [*_PORTAL], CONTACT_DETAILS, audience="contact"),
    "contact_manager": _role(
        "Contact manager", "company", [*_PORTAL, "contacts:create", "roles:read"], CONTACT_DETAILS, audience="contact"
    ),
    "crm_sync": _role(
        "CRM sync",
        "all",
        [
            *(*_CARDS, "crm-sources:read", "custom-fields:read", "events:read", "merges:read"),
            *("sync-conflicts:read", "external-references:read", "external-references:write"),
            *("acts:read", "contracts:read", "contracts:write", "entitlements:read", "entitlements:write"),
            *("services:read", "ticket-summaries:read"),
            *("price-items:read", "price-items:write", "price-lists:read", "price-lists:write"),
        ],
        CLIENT_COMMERCIAL,
        CLIENT_INTERNAL,
        CONTACT_DETAILS,
    ),
    "auditor": _role("Auditor", "all", ["*:read"], CLIENT_INTERNAL, STAFF_DETAILS, TICKET_INTERNAL),
}
