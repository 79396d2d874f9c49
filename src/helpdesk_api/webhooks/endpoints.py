"""Webhook endpoints: where messages go, which events they want, and the secrets that sign them.

A secret is shown when it is made and never again; no event, log line or answer holds it, and it is stored sealed. What
happens to an endpoint during its life is `webhooks.endpoint_life`, what is asked of it and of who makes it
`webhooks.endpoint_checks`, the API is `webhooks.endpoint_routes`, sending is `webhooks.session`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, Strict, StringConstraints

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.permissions import FieldGroupList
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.quotas import TenantQuota
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Flag, Input, Line, single_line
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.webhooks.credentials import (
    MOST_HEADERS,
    Authentication,
    ClientCertificate,
    CustomHeader,
    WebhookAuthentication,
    WebhookCertificate,
    WebhookHeader,
    unique_headers,
)
from helpdesk_api.webhooks.event_patterns import EVERY_TYPE, EventPattern
from helpdesk_api.webhooks.models import webhook_endpoints
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS, PayloadVersionName

BOTH_SECRETS_SIGN_FOR: Final = timedelta(hours=24)


class EndpointDisabledError(ConflictError):
    """Nothing is sent to an endpoint that is switched off."""

    code = "endpoint_disabled"
    title = "The webhook endpoint is switched off"


def _sorted_unique(patterns: list[str]) -> list[str]:
    return sorted(set(patterns))


class Reason(StrEnum):
    """Why an endpoint is switched off."""

    REQUESTED = "requested"
    GONE = "gone"
    FAILING = "failing"
    UNVERIFIED = "unverified"


Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,60}$")],
        Annotated[str, StringConstraints(max_length=500), AfterValidator(single_line)],
    ],
    Field(max_length=50, description="Whatever its owner wants to remember of it.", examples=[{"owner": "erp-team"}]),
]


class Payload(StrEnum):
    """How much a message tells."""

    THIN = "thin"
    FULL = "full"


class Format(StrEnum):
    """How a message is written."""

    STANDARD = "standard"
    CLOUDEVENTS = "cloudevents"


class WebhookEndpointCreate(Input):
    """A new endpoint."""

    url: Annotated[
        str,
        StringConstraints(max_length=2_048),
        Field(description="Where to send: https, a public host name, port 443 or 8443, no user name or password."),
    ]
    description: Line | None = None
    event_types: Annotated[
        list[EventPattern],
        Field(min_length=1, max_length=100, description="Which events: types, `ticket.*`, or `*` for every event."),
        AfterValidator(_sorted_unique),
    ] = Field(default=[EVERY_TYPE])
    condition: Annotated[
        ConditionTree | None,
        Field(
            description="Of these events, those that fit; null for all. Asked of the event, and of its ticket as it is "
            "when the message is queued; an event of something else has no ticket."
        ),
    ] = None
    is_enabled: Annotated[
        Flag,
        Field(
            description="Events that happen while it is false are never sent. Nothing is sent either before the "
            "receiver has answered a ping with 2xx (`verified_at`); what happens meanwhile waits."
        ),
    ] = True
    max_in_flight: Annotated[
        int, Strict(), Field(ge=1, le=64, description="How many messages may be under way at once.")
    ] = 4
    rate_per_second: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=1_000)] | None,
        Field(description="How many messages are begun in a second at most; null for no limit."),
    ] = None
    ordered: Annotated[
        Flag,
        Field(
            description="Whether a later event of an object waits until the earlier one was delivered or given up. "
            "Events of different objects never wait for each other."
        ),
    ] = False
    payload: Annotated[
        Payload,
        Field(
            description="`thin`: what happened, without values. `full`: also the old and new values of the fields, as "
            "the event feed tells them to whoever is shown the `field_groups`."
        ),
    ] = Payload.THIN
    field_groups: Annotated[
        FieldGroupList,
        Field(
            description="The guarded fields whose values full messages tell; `*` for all. What a message of another "
            "endpoint may tell, only somebody who is shown it can choose, move or replay."
        ),
    ] = Field(default=[])
    payload_version: Annotated[
        PayloadVersionName,
        Field(
            description="The form of messages that the receiver was written for: the newest one unless it is given, "
            "and then that one until it is changed. `/v1/event-types` lists them."
        ),
    ] = PAYLOAD_VERSIONS.newest
    format: Annotated[
        Format,
        Field(
            description="`standard`: the body of Standard Webhooks. `cloudevents`: the same in a structured "
            "CloudEvents 1.0 envelope. Both are signed alike."
        ),
    ] = Format.STANDARD
    metadata: Metadata = Field(default_factory=dict)
    headers: Annotated[
        list[CustomHeader],
        Field(max_length=MOST_HEADERS, description="What every message carries besides the headers of the standard."),
        AfterValidator(unique_headers),
    ] = Field(default_factory=list)
    authentication: Annotated[
        Authentication | None, Field(description="What goes into the `authorization` header of every message.")
    ] = None
    client_certificate: Annotated[
        ClientCertificate | None, Field(description="What we show if the receiver asks for it; needs an https URL.")
    ] = None


class WebhookEndpoint(Entity):
    """A place that messages are sent to, without its secret."""

    url: str
    description: str | None
    event_types: Annotated[list[str], Field(examples=[["ticket.*"]])]
    condition: ConditionTree | None
    is_enabled: bool
    disabled_reason: Annotated[
        str | None,
        Field(
            description=(
                "`requested`: switched off through the API. `gone`: the receiver answered 410. `failing`: nothing but "
                "failures for five days. `unverified`: no ping got through."
            ),
            examples=list(Reason),
        ),
    ]
    disabled_at: Annotated[AwareDatetime | None, Field(description="In real time.")]
    verified_at: Annotated[
        AwareDatetime | None,
        Field(description="When the receiver answered a ping at this URL; nothing is sent before. In real time."),
    ]
    paused_at: Annotated[
        AwareDatetime | None, Field(description="Since when what happens waits instead of being sent; in real time.")
    ]
    max_in_flight: int
    rate_per_second: int | None
    ordered: bool
    payload: str
    field_groups: list[str]
    payload_version: Annotated[str, Field(examples=[PAYLOAD_VERSIONS.newest])]
    format: str
    metadata: dict[str, str]
    headers: list[WebhookHeader]
    authentication: WebhookAuthentication | None
    client_certificate: WebhookCertificate | None
    public_key: Annotated[str, Field(description="Verifies the ed25519 signature `v1a` of every message.")]
    previous_secret_expires_at: Annotated[
        AwareDatetime | None, Field(description="Until when the former secret signs as well; in real time.")
    ]


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint whose secret was just made."""

    shows_secret = True

    secret: Annotated[str, Field(description="Verifies signatures (Standard Webhooks 1.0): shown now and never again.")]


ENDPOINTS = Resource(
    name="webhook_endpoint",
    plural="webhook-endpoints",
    table=webhook_endpoints,
    read=WebhookEndpoint,
    example={
        "url": "https://hooks.alpine-dairy.example/helpdesk",
        "description": "Ticket mirror in the ERP",
        "event_types": ["company.*", "ticket.*"],
        "condition": {"not": {"field": "event.actor_type", "op": "eq", "value": "api_key"}},
        "is_enabled": True,
        "disabled_reason": None,
        "disabled_at": None,
        "max_in_flight": 4,
        "rate_per_second": None,
        "verified_at": "2026-11-23T09:30:01Z",
        "paused_at": None,
        "ordered": False,
        "payload": "thin",
        "field_groups": [],
        "payload_version": PAYLOAD_VERSIONS.newest,
        "format": "standard",
        "metadata": {"owner": "erp-team"},
        "headers": [{"name": "X-Environment", "value": "production", "is_secret": False}],
        "authentication": None,
        "client_certificate": None,
        "public_key": "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "previous_secret_expires_at": None,
    },
    quota=TenantQuota(tenants.c.quota_webhook_endpoints, webhook_endpoints),
    filters=(Filter("is_enabled", webhook_endpoints.c.is_enabled, bool),),
    sorts=(Sort("url", webhook_endpoints.c.url, "text"),),
)


def switched(ctx: Ctx, *, is_enabled: bool, reason: Reason = Reason.REQUESTED) -> dict[str, object]:
    """Give the values of the fields that say whether an endpoint is on, and if not, since when and why."""
    return {
        "is_enabled": is_enabled,
        "disabled_reason": None if is_enabled else reason,
        "disabled_at": None if is_enabled else ctx.real_now,
    }


def with_secret(endpoint: WebhookEndpoint, secret: str) -> NewWebhookEndpoint:
    return NewWebhookEndpoint.trusted({**vars(endpoint), "secret": secret})
