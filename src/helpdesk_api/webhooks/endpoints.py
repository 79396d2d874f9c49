"""Webhook endpoints: where messages go, which events they want, and the secrets that sign them.

A secret is shown when it is made and never again; no event, log line or answer holds it. It is stored as it is, because
signing needs it. The API is `webhooks.endpoint_routes`, sending is `webhooks.sending`.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, Strict, StringConstraints
from sqlalchemy import Text, bindparam, func, select

from helpdesk_api.domain.errors import ConflictError, NotFoundError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.crud import Resource
from helpdesk_api.kit.events import record
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.schema import Entity, Flag, Input, Line
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.webhooks.event_types import EVERY_TYPE, PATTERNS
from helpdesk_api.webhooks.models import webhook_endpoints

MOST_ENDPOINTS: Final = 20
BOTH_SECRETS_SIGN_FOR: Final = timedelta(hours=24)
REQUESTED: Final = "requested"
GONE: Final = "gone"

_tenant = webhook_endpoints.c.tenant_id == bindparam("tenant")
_ONE_AT_A_TIME = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("what", type_=Text), 0))))
_COUNT = Statement(select(func.count()).select_from(webhook_endpoints).where(_tenant))
_TEST_CLOCK = Statement(select(tenants.c.clock_at).where(tenants.c.id == bindparam("tenant")))


class TooManyEndpointsError(ConflictError):
    """The tenant has as many endpoints as it may have."""

    code = "too_many_endpoints"
    title = "There may be no more webhook endpoints"


class EndpointDisabledError(ConflictError):
    """Nothing is sent to an endpoint that is switched off."""

    code = "endpoint_disabled"
    title = "The webhook endpoint is switched off"


def _known(pattern: str) -> str:
    if pattern not in PATTERNS:
        message = "must be `*`, a type of event or a family of types such as `ticket.*`; see /v1/event-types"
        raise ValueError(message)
    return pattern


def _sorted_unique(patterns: list[str]) -> list[str]:
    return sorted(set(patterns))


EventPattern = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(PATTERNS)})]


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
    is_enabled: Annotated[Flag, Field(description="Events that happen while it is false are never sent.")] = True
    max_in_flight: Annotated[
        int, Strict(), Field(ge=1, le=64, description="How many messages may be under way at once.")
    ] = 4
    rate_per_second: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=1_000)] | None,
        Field(description="How many messages are begun in a second at most; null for no limit."),
    ] = None


class WebhookEndpoint(Entity):
    """A place that messages are sent to, without its secret."""

    url: str
    description: str | None
    event_types: Annotated[list[str], Field(examples=[["ticket.*"]])]
    is_enabled: bool
    disabled_reason: Annotated[
        str | None,
        Field(
            description="`requested`: switched off through the API. `gone`: the receiver answered 410.",
            examples=["requested", "gone"],
        ),
    ]
    disabled_at: Annotated[AwareDatetime | None, Field(description="In real time.")]
    max_in_flight: int
    rate_per_second: int | None
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
        "is_enabled": True,
        "disabled_reason": None,
        "disabled_at": None,
        "max_in_flight": 4,
        "rate_per_second": None,
        "previous_secret_expires_at": None,
    },
    filters=(Filter("is_enabled", webhook_endpoints.c.is_enabled, bool),),
    sorts=(Sort("url", webhook_endpoints.c.url, "text"),),
)


async def disable_gone(ctx: Ctx, endpoint_id: UUID, url: str) -> None:
    """Switch off an endpoint whose receiver at `url` answered 410 and record `webhook_endpoint.disabled`.

    Leaves alone an endpoint that was removed, switched off or given another URL in the meantime. `ctx` is a worker's,
    which lives in real time; the event happens in the tenant's.
    """
    try:
        before = await crud.fetch_locked(ctx, ENDPOINTS, endpoint_id)
    except NotFoundError:
        return
    if not before.is_enabled or before.url != url:
        return
    now = await ctx.tx.value(_TEST_CLOCK, {"tenant": ctx.tenant_id}) or ctx.now
    moment = replace(ctx, now=now)
    changes = crud.difference(ENDPOINTS, before, switched(ctx, is_enabled=False, reason=GONE))
    after = await crud.store_changes(moment, ENDPOINTS, before, {name: new for name, (_, new) in changes.items()})
    record(moment, "webhook_endpoint.disabled", object_id=endpoint_id, version=after.version, changes=changes)


def switched(ctx: Ctx, *, is_enabled: bool, reason: str = REQUESTED) -> dict[str, object]:
    """Give the values of the fields that say whether an endpoint is on, and if not, since when and why."""
    return {
        "is_enabled": is_enabled,
        "disabled_reason": None if is_enabled else reason,
        "disabled_at": None if is_enabled else ctx.real_now,
    }


async def check_room(ctx: Ctx) -> None:
    """Refuse one endpoint too many; two creations at once are made to count one after the other."""
    await ctx.tx.run(_ONE_AT_A_TIME, {"what": f"webhook_endpoints {ctx.tenant_id}"})
    if await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_ENDPOINTS:
        message = f"A tenant may have {MOST_ENDPOINTS} webhook endpoints."
        raise TooManyEndpointsError(message, params={"most": MOST_ENDPOINTS})


def with_secret(endpoint: WebhookEndpoint, secret: str) -> NewWebhookEndpoint:
    return NewWebhookEndpoint.trusted({**vars(endpoint), "secret": secret})
