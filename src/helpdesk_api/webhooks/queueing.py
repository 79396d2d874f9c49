"""Turning events into deliveries: one for every endpoint that wants the event, each with the job that sends it.

It runs where events are dispatched, in the transaction that ends the dispatch, so an event becomes a delivery exactly
once. Deliveries themselves record no events, or they would never end.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.webhooks.conditions import fitting
from helpdesk_api.webhooks.event_patterns import is_wanted
from helpdesk_api.webhooks.messages import FOR_ONE, PING
from helpdesk_api.webhooks.models import webhook_deliveries, webhook_endpoints

DELIVER: Final = "webhooks.deliver"
DELIVER_PING: Final = "webhooks.ping"

_COLUMNS = (
    "tenant_id", "id", "endpoint_id", "event_id", "event_type", "object_id", "event_seq", "state", "attempt_count",
    "next_attempt_at", "job_id", "created_at", "updated_at", "version",
)  # fmt: skip
_ENABLED = Statement(
    select(*(webhook_endpoints.c[name] for name in ("id", "event_types", "condition", "since_xid", "since_snapshot")))
    .where(webhook_endpoints.c.tenant_id == bindparam("tenant"), webhook_endpoints.c.is_enabled)
    .order_by(webhook_endpoints.c.id)
)
# A replay may have been there before the dispatch of an event, or the other way round.
_QUEUE = Statement(
    insert_many(webhook_deliveries, _COLUMNS).on_conflict_do_nothing(
        index_elements=["tenant_id", "endpoint_id", "event_id"]
    )
)


async def queue_deliveries(ctx: Ctx, events: Sequence[Record]) -> None:
    """Store a delivery and its job for each of these events and each endpoint that wants it."""
    endpoints = await ctx.tx.rows(_ENABLED, {"tenant": ctx.tenant_id})
    wanted = [(endpoint["id"], event) for event in events for endpoint in endpoints if _is_for(endpoint, event)]
    conditions = {endpoint["id"]: endpoint["condition"] for endpoint in endpoints}
    await put_deliveries(ctx, await fitting(ctx, conditions, wanted))


async def put_deliveries(ctx: Ctx, wanted: Sequence[tuple[UUID, Record]]) -> None:
    """Store a delivery and its job for each of these endpoints and events that has none yet.

    The lanes are locked before the deliveries are stored, by whoever does so. A job without a delivery ends by itself.
    """
    if not wanted:
        return
    ids = [new_id() for _ in wanted]
    job_ids = await jobs.put(
        ctx,
        [
            delivery_job(ctx, delivery_id, endpoint_id, event_type=event["type"], attempts_before=0)
            for delivery_id, (endpoint_id, event) in zip(ids, wanted, strict=True)
        ],
    )
    size = len(wanted)
    await ctx.tx.run(
        _QUEUE,
        {
            "tenant_id": [ctx.tenant_id] * size,
            "id": ids,
            "endpoint_id": [endpoint_id for endpoint_id, _ in wanted],
            "event_id": [event["id"] for _, event in wanted],
            "event_type": [event["type"] for _, event in wanted],
            "object_id": [event["object_id"] for _, event in wanted],
            "event_seq": [event["seq"] for _, event in wanted],
            "state": ["pending"] * size,
            "attempt_count": [0] * size,
            "next_attempt_at": [ctx.real_now] * size,
            "job_id": job_ids,
            "created_at": [ctx.real_now] * size,
            "updated_at": [ctx.real_now] * size,
            "version": [1] * size,
        },
    )


def delivery_job(ctx: Ctx, delivery_id: UUID, endpoint_id: UUID, *, event_type: str, attempts_before: int) -> NewJob:
    """Give the job that sends a delivery now, on its endpoint's lane; its schedule starts after `attempts_before`.

    A ping waits for nothing: it has to get through before the lane is opened.
    """
    payload = {"delivery_id": str(delivery_id), "attempts_before": attempts_before}
    if event_type == PING:
        return NewJob(DELIVER_PING, payload, run_at=ctx.real_now)
    return NewJob(DELIVER, payload, run_at=ctx.real_now, lane=endpoint_id)


def _is_for(endpoint: Record, event: Record) -> bool:
    if not _is_since(endpoint, event["xid"]):
        return False
    if event["type"] in FOR_ONE:
        return bool(event["object_id"] == endpoint["id"])
    return is_wanted(event["type"], endpoint["event_types"])


def _is_since(endpoint: Record, xid: int) -> bool:
    """Tell whether a transaction had not ended when an endpoint was created.

    One that had begun before is among them: who creates an endpoint and then reads what is there sees nothing of it.
    """
    if xid >= endpoint["since_xid"]:
        return True
    if endpoint["since_snapshot"] is None:
        return False
    _, beyond, running = endpoint["since_snapshot"]
    return xid >= beyond or xid in running
