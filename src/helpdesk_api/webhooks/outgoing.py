"""What is about to be sent: deliveries with their events and endpoints, read in one statement."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.kit.sql import Statement
from helpdesk_api.webhooks.event_patterns import is_wanted
from helpdesk_api.webhooks.messages import FOR_ONE
from helpdesk_api.webhooks.models import webhook_deliveries, webhook_endpoint_health, webhook_endpoints

# A row of deliveries, events and endpoints: the columns of the event go by their own names.
Outgoing: TypeAlias = Record

_LOAD = Statement(
    select(
        webhook_deliveries.c.id.label("delivery_id"),
        webhook_deliveries.c.endpoint_id,
        webhook_deliveries.c.state,
        webhook_deliveries.c.attempt_count,
        webhook_endpoints.c.url,
        webhook_endpoints.c.is_enabled,
        webhook_endpoints.c.event_types,
        webhook_endpoints.c.max_in_flight,
        webhook_endpoints.c.rate_per_second,
        webhook_deliveries.c.event_seq,
        webhook_endpoints.c.ordered,
        webhook_endpoints.c.payload,
        webhook_endpoints.c.field_groups,
        webhook_endpoints.c.payload_version,
        webhook_endpoints.c.format,
        webhook_endpoints.c.verified_at,
        webhook_endpoints.c.paused_at,
        webhook_endpoints.c.headers,
        webhook_endpoints.c.authentication,
        webhook_endpoints.c.client_certificate,
        webhook_endpoints.c.sealed_keys,
        webhook_endpoints.c.sealed_previous_keys,
        webhook_endpoints.c.previous_secret_expires_at,
        webhook_endpoints.c.sealed_credentials,
        webhook_endpoint_health.c.first_failed_at,
        webhook_endpoint_health.c.failure_count,
        webhook_endpoint_health.c.failing_since,
        *(column for column in events.c if column.name not in {"tenant_id", "xid", "seq"}),
    )
    .join(
        events,
        and_(events.c.tenant_id == webhook_deliveries.c.tenant_id, events.c.id == webhook_deliveries.c.event_id),
    )
    .outerjoin(
        webhook_endpoints,
        and_(
            webhook_endpoints.c.tenant_id == webhook_deliveries.c.tenant_id,
            webhook_endpoints.c.id == webhook_deliveries.c.endpoint_id,
        ),
    )
    .outerjoin(
        webhook_endpoint_health,
        and_(
            webhook_endpoint_health.c.tenant_id == webhook_endpoints.c.tenant_id,
            webhook_endpoint_health.c.id == webhook_endpoints.c.id,
        ),
    )
    .where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"),
        webhook_deliveries.c.id == any_(bindparam("ids", type_=ARRAY(webhook_deliveries.c.id.type))),
    )
)


def is_still_wanted(row: Outgoing) -> bool:
    """Tell whether the endpoint is there, is on, and wants this type of event now: it may have changed since."""
    return bool(row["is_enabled"]) and (row["type"] in FOR_ONE or is_wanted(row["type"], row["event_types"]))


async def load(ctx: Ctx, delivery_ids: Sequence[UUID]) -> list[Outgoing]:
    """Read what these deliveries need to be sent, in the order asked for."""
    rows = await ctx.tx.rows(_LOAD, {"tenant": ctx.tenant_id, "ids": list(delivery_ids)})
    found = {row["delivery_id"]: row for row in rows}
    return [found[key] for key in delivery_ids if key in found]
