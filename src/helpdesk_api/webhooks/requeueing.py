"""Sending many deliveries of one endpoint again, in a few statements: those that have ended start their schedule anew.

One delivery is sent again by `webhooks.deliveries`, which also hastens one that is pending. What is pending here is on
its way already and is left alone.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.webhooks.delivery_log import State
from helpdesk_api.webhooks.models import webhook_deliveries
from helpdesk_api.webhooks.queueing import delivery_job


def _locking(condition: ColumnElement[bool]) -> Statement:
    """Give the statement that locks deliveries, in one order for whoever locks several."""
    columns = (
        webhook_deliveries.c[name] for name in ("id", "event_id", "event_type", "attempt_count", "state", "version")
    )
    return Statement(
        select(*columns)
        .where(
            webhook_deliveries.c.tenant_id == bindparam("tenant"),
            webhook_deliveries.c.endpoint_id == bindparam("endpoint"),
            condition,
        )
        .order_by(webhook_deliveries.c.id)
        .with_for_update()
    )


_ids = bindparam("ids", type_=ARRAY(Uuid))
_OF_EVENTS = _locking(webhook_deliveries.c.event_id == any_(_ids))
_OF_IDS = _locking(webhook_deliveries.c.id == any_(_ids))
_again = select(
    func.unnest(_ids).label("id"), func.unnest(bindparam("jobs", type_=ARRAY(Uuid))).label("job_id")
).subquery("again")
_SEND_AGAIN = Statement(
    update(webhook_deliveries)
    .where(webhook_deliveries.c.tenant_id == bindparam("tenant"), webhook_deliveries.c.id == _again.c.id)
    .values(
        state=State.PENDING,
        next_attempt_at=bindparam("now", type_=webhook_deliveries.c.updated_at.type),
        updated_at=bindparam("now", type_=webhook_deliveries.c.updated_at.type),
        job_id=_again.c.job_id,
        version=webhook_deliveries.c.version + 1,
    )
)


async def lock_of_events(ctx: Ctx, endpoint_id: UUID, event_ids: Sequence[UUID]) -> list[Record]:
    """Lock the deliveries of these events to one endpoint, as far as there are any."""
    return await ctx.tx.rows(_OF_EVENTS, _key(ctx, endpoint_id, event_ids))


async def lock_several(ctx: Ctx, endpoint_id: UUID, delivery_ids: Sequence[UUID]) -> list[Record]:
    """Lock these deliveries to one endpoint, as far as they are there."""
    return await ctx.tx.rows(_OF_IDS, _key(ctx, endpoint_id, delivery_ids))


async def send_ended_again(ctx: Ctx, endpoint_id: UUID, locked: Sequence[Record]) -> list[UUID]:
    """Make those of the locked deliveries that have ended due now; gives their ids."""
    ended = [row for row in locked if row["state"] != State.PENDING]
    if not ended:
        return []
    ids = [row["id"] for row in ended]
    again = [
        delivery_job(ctx, row["id"], endpoint_id, event_type=row["event_type"], attempts_before=row["attempt_count"])
        for row in ended
    ]
    job_ids = await jobs.put(ctx, again)
    await ctx.tx.run(_SEND_AGAIN, {"tenant": ctx.tenant_id, "now": ctx.real_now, "ids": ids, "jobs": job_ids})
    return ids


def _key(ctx: Ctx, endpoint_id: UUID, ids: Sequence[UUID]) -> dict[str, object]:
    return {"tenant": ctx.tenant_id, "endpoint": endpoint_id, "ids": list(ids)}
