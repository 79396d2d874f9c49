"""The catalogue of permissions and field groups: everything that a role or a key can be given, and what it means.

A permission is `resource:verb`. `write` holds `create`; `*:read` and `*:write` stand for every resource. Which
operation asks for which permission is said in the route's signature, which field belongs to which group in the read
model; tests compare both with this page.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.visibility import EVERY_GROUP

_RESOURCES: Final = {
    "tickets": "tickets",
    "ticket-links": "how tickets are linked",
    "ticket-watchers": "who watches tickets",
    "ticket-plans": "plans that open tickets, with what their tickets say",
    "ticket-settings": "what becomes of linked tickets when one is finished",
    "comments": "public replies on tickets",
    "notes": "internal notes on tickets",
    "files": "files on tickets and comments; who sees those sees them",
    "companies": "client companies",
    "contacts": "the people at client companies",
    "locations": "the places of clients that are served",
    "asset-relations": "how assets are related",
    "asset-types": "kinds of equipment",
    "assets": "the equipment of clients",
    "custom-fields": "the custom fields of tickets and client cards",
    "external-references": "the ids by which client cards go in other systems",
    "merges": "merges of client cards, and undo them",
    "imports": "imports of client cards, which may be written besides",
    "exports": "exports of client cards, each as far as the list is allowed",
    "crm-sources": "which fields of client cards other systems own",
    "sync-conflicts": "what other systems say of client cards and may not",
    "teams": "teams",
    "users": "members of staff",
    "roles": "roles",
    "calendars": "calendars",
    "sla-policies": "SLA policies",
    "services": "what is offered to clients",
    "contracts": "contracts, with all that has been agreed",
    "ticket-lines": "what was done and handed over on tickets; writing draws on entitlements",
    "acts": "acts, which tell clients what was done and what it comes to; writing issues them",
    "price-lists": "price lists, and whom they are for",
    "price-items": "what costs how much",
    "entitlements": "what clients may use under contracts, with its ledger; writing enters what was used",
    "rules": "rules, which change tickets by themselves",
    "macros": "macros; applying one needs what its actions need",
    "api-keys": "API keys",
    "sessions": "the sessions of people who signed in",
    "identity-providers": "identity providers, whose word decides who somebody is",
    "sign-in-settings": "where the front ends of the tenant are",
    "webhook-endpoints": "webhook endpoints",
    "webhook-deliveries": "webhook deliveries",
    "webhook-replays": "replays of webhooks",
    "inbound-hooks": "inbound hooks",
    "inbound-messages": "messages that came in through inbound hooks",
    "retention-settings": "for how long things are kept",
    "retention-runs": "runs of the retention rules, which remove for good",
    "test-clock": "the test clock of a sandbox tenant",
}

PERMISSIONS: Final[Mapping[str, str]] = {
    **{f"{name}:read": f"Read {meaning}." for name, meaning in _RESOURCES.items()},
    **{f"{name}:write": f"Create, change and remove {meaning}." for name, meaning in _RESOURCES.items()},
    "audit:read": "Read the audit trail of everything in the tenant.",
    "rule-runs:read": "Read what came of rules that were tried on tickets.",
    "ticket-plan-occurrences:read": "Read what came of the occurrences of plans.",
    "outbound-emails:read": "Read what was sent to whom by e-mail; in a sandbox with its text, which may sign in.",
    "events:read": "Follow the event feed, as far as the objects themselves may be read.",
    "tickets:create": "Open tickets.",
    "ticket-summaries:read": "Read how many tickets a client card has, without the tickets.",
    "contacts:create": "Add contacts.",
    "companies:list": "List client companies in bulk. Without it a list must be narrowed to a name or a domain.",
    "contacts:list": "List contacts in bulk. Without it a list must be narrowed to an address, phone or company.",
    "locations:list": "List locations in bulk. Without it a list must be narrowed to a company or a name.",
    "assets:list": "List assets in bulk. Without it a list must be narrowed to a company, a location or a number.",
    "contacts:reveal": "Be shown the contact details of the contact of a ticket one works on, with a reason, audited.",
    "erasures:read": "Read who was erased, why, and the proof of it.",
    "erasures:write": "Have people erased for good.",
    "person-exports:read": "Read everything that is stored about a person, audited.",
    "view-as:use": "Read as somebody else would, audited.",
}
WILDCARDS: Final = ("*:read", "*:write")

# What somebody at a client may ever be allowed; everything else is for staff and integrations.
FOR_CONTACTS: Final = frozenset(
    {
        "tickets:read",
        "tickets:create",
        "comments:read",
        "comments:write",
        "files:read",
        "files:write",
        "companies:read",
        "companies:list",
        "contacts:read",
        "contacts:list",
        "contacts:create",
        "locations:read",
        "locations:list",
        "assets:read",
        "assets:list",
        "custom-fields:read",
        "roles:read",
    }
)

CONTACT_DETAILS: Final = "client.contact_details"
CLIENT_INTERNAL: Final = "client.internal"
CLIENT_COMMERCIAL: Final = "client.commercial"
STAFF_DETAILS: Final = "staff.contact_details"
TICKET_INTERNAL: Final = "ticket.internal"
TICKET_PRICES: Final = "ticket.prices"

FIELD_GROUPS: Final[Mapping[str, str]] = {
    CONTACT_DETAILS: "Addresses, phones and messengers of contacts, tax ids of companies; masked for the others.",
    CLIENT_INTERNAL: "What staff note about clients: category, who looks after them, memberships, consents.",
    CLIENT_COMMERCIAL: "What belongs to sales: the custom fields of the group `commercial`.",
    STAFF_DETAILS: "E-mail addresses of staff; masked for the others.",
    TICKET_INTERNAL: "Team, assignee and tags of tickets, and their custom fields of the group `internal`.",
    TICKET_PRICES: "What lines of tickets cost; needed to give a price or a discount.",
}


class UnknownPermissionError(InvalidError):
    """There is no such permission; `GET /v1/permissions` lists them."""

    code = "unknown_permission"
    title = "There is no such permission"


class UnknownFieldGroupError(InvalidError):
    """There is no such field group; `GET /v1/permissions` lists them."""

    code = "unknown_field_group"
    title = "There is no such field group"


def _sorted_unique(names: list[str]) -> list[str]:
    return sorted(set(names))


Permission = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z]+(-[a-z]+)*):[a-z]+$", max_length=60)]
PermissionList = Annotated[
    list[Permission],
    Field(max_length=200, description="`resource:verb`; `*:read` and `*:write` stand for every resource."),
    AfterValidator(_sorted_unique),
]
FieldGroupList = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^(\*|[a-z]+(\.[a-z]+(_[a-z]+)*)*)$", max_length=60)]],
    Field(max_length=50, description="The guarded fields that are shown; `*` for all."),
    AfterValidator(_sorted_unique),
]


def check_known(permissions: Iterable[str], groups: Iterable[str], *, named: str) -> None:
    """Raise UnknownPermissionError or UnknownFieldGroupError; `named` is the field that lists the permissions."""
    for index, permission in enumerate(permissions):
        if permission not in PERMISSIONS and permission not in WILDCARDS:
            message = f"There is no permission {permission}; GET /v1/permissions lists them."
            raise UnknownPermissionError(message, pointer=f"/{named}/{index}")
    for index, group in enumerate(groups):
        if group != EVERY_GROUP and group not in FIELD_GROUPS:
            message = f"There is no field group {group}; GET /v1/permissions lists them."
            raise UnknownFieldGroupError(message, pointer=f"/field_groups/{index}")
