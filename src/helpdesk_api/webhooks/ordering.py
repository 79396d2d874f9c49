"""Order per object, for endpoints that ask for it: a later event waits for an earlier one, until that is given up.

Two things may come first: a delivery of an earlier event that is still pending, and an earlier event that has not been
dispatched yet. Events of one object are numbered in the order in which they were committed, because whoever records one
holds the object until the commit.

What waits behind a delivery is put away, and woken by the end of that delivery, the next few at a time: were all woken,
every failure would cost as much as the object has messages, and a long backlog would never be done.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Uuid, any_, bindparam, func, not_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import DISPATCH, events
from helpdesk_api.kit.jobs import jobs
from helpdesk_api.kit.sql import Statement
from helpdesk_api.webhooks.delivery_log import State
from helpdesk_api.webhooks.models import webhook_deliveries
from helpdesk_api.webhooks.outgoing import Outgoing

# What comes first is about to be dispatched, which wakes nobody: it is looked at again soon.
_SOON: Final = timedelta(milliseconds=200)
# Behind a delivery one is woken. Only what a session that had lost its lease puts away too late waits so long.
_UNLESS_WOKEN: Final = timedelta(minutes=1)
_WOKEN_TOGETHER: Final = 32

_undispatched = (
    func.jsonb_array_elements_text(jobs.c.payload["event_ids"]).table_valued("value", name="undispatched").lateral()
)
_UNDISPATCHED = Statement(
    select(events.c.object_id, func.min(events.c.seq).label("seq"))
    .select_from(jobs)
    .join(_undispatched, jobs.c.kind == DISPATCH)
    .join(events, (events.c.tenant_id == jobs.c.tenant_id) & (events.c.id == _undispatched.c.value.cast(Uuid)))
    .where(
        jobs.c.tenant_id == bindparam("tenant"),
        jobs.c.kind == DISPATCH,
        jobs.c.lane.is_(None),
        jobs.c.failed_at.is_(None),
        events.c.object_id == any_(bindparam("objects", type_=ARRAY(Uuid))),
    )
    .group_by(events.c.object_id)
)
_asked = select(
    func.unnest(bindparam("objects", type_=ARRAY(Uuid))).label("object_id"),
    func.unnest(bindparam("seqs", type_=ARRAY(BigInteger))).label("seq"),
).subquery("asked")
_PENDING_BEFORE = Statement(
    select(_asked.c.object_id, _asked.c.seq, webhook_deliveries.c.next_attempt_at)
    .ext(distinct_on(_asked.c.object_id, _asked.c.seq))
    .join(
        webhook_deliveries,
        (webhook_deliveries.c.object_id == _asked.c.object_id) & (webhook_deliveries.c.event_seq < _asked.c.seq),
    )
    .where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"),
        webhook_deliveries.c.endpoint_id == bindparam("endpoint", type_=Uuid),
        webhook_deliveries.c.state == State.PENDING,
        not_(webhook_deliveries.c.id == any_(bindparam("ours", type_=ARRAY(Uuid)))),
    )
    .order_by(_asked.c.object_id, _asked.c.seq, webhook_deliveries.c.event_seq)
)
_ended = webhook_deliveries.alias("ended")
_objects = (
    select(_ended.c.object_id)
    .where(_ended.c.tenant_id == bindparam("tenant"), _ended.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .distinct()
    .subquery("objects")
)
_next = (
    select(webhook_deliveries.c.job_id, webhook_deliveries.c.next_attempt_at)
    .where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"),
        webhook_deliveries.c.endpoint_id == bindparam("endpoint", type_=Uuid),
        webhook_deliveries.c.object_id == _objects.c.object_id,
        webhook_deliveries.c.state == State.PENDING,
    )
    .order_by(webhook_deliveries.c.event_seq)
    .limit(_WOKEN_TOGETHER)
    .lateral("next")
)
_WAKE = Statement(
    update(jobs)
    .where(
        jobs.c.tenant_id == bindparam("tenant"),
        # One that was tried waits for its own schedule.
        jobs.c.id.in_(select(_next.c.job_id).select_from(_objects).join(_next, _next.c.next_attempt_at <= func.now())),
        jobs.c.lease_token.is_(None),
        jobs.c.run_at > func.now(),
    )
    .values(run_at=bindparam("now", type_=DateTime(timezone=True)))
)


async def not_before(
    ctx: Ctx, endpoint_id: UUID, rows: Sequence[Outgoing], ours: Sequence[UUID]
) -> dict[UUID, datetime]:
    """Say which of these deliveries have to wait, and until when to leave them; `ours` are ordered by the caller.

    What is undispatched is read before what is pending: an event that is dispatched in between is then pending.
    """
    objects = list({row["object_id"] for row in rows})
    undispatched = {
        row["object_id"]: row["seq"]
        for row in await ctx.tx.rows(_UNDISPATCHED, {"tenant": ctx.tenant_id, "objects": objects})
    }
    asked = {
        "objects": [row["object_id"] for row in rows],
        "seqs": [row["event_seq"] for row in rows],
        "tenant": ctx.tenant_id,
        "endpoint": endpoint_id,
        "ours": list(ours),
    }
    pending = {
        (row["object_id"], row["seq"]): row["next_attempt_at"] for row in await ctx.tx.rows(_PENDING_BEFORE, asked)
    }
    waiting: dict[UUID, datetime] = {}
    for row in rows:
        object_id, seq = row["object_id"], row["event_seq"]
        if (object_id, seq) in pending:
            waiting[row["delivery_id"]] = max(pending[object_id, seq], ctx.real_now) + _UNLESS_WOKEN
        elif undispatched.get(object_id, seq) < seq:
            waiting[row["delivery_id"]] = ctx.real_now + _SOON
    return waiting


async def wake(ctx: Ctx, endpoint_id: UUID, ended: Sequence[UUID]) -> None:
    """Let what waited for these deliveries be looked at now: they have ended."""
    await ctx.tx.run(
        _WAKE,
        {"tenant": ctx.tenant_id, "endpoint": endpoint_id, "ids": list(ended), "now": ctx.real_now},
    )
