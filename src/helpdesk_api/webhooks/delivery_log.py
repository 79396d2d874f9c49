"""The delivery log as rows: where each delivery stands, and every attempt at it, written in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import DateTime, Integer, Text, Uuid, any_, bindparam, case, func, null, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.webhooks.models import webhook_attempts, webhook_deliveries

_MILLISECOND = timedelta(milliseconds=1)


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt and where it leaves its delivery.

    `is_gone` means that the receiver wants nothing more at all; `quiet_until` that it wants nothing before then.
    """

    delivery_id: UUID
    endpoint_id: UUID
    number: int
    started_at: datetime
    duration: timedelta
    status: int | None
    error: str | None
    response_excerpt: str | None
    state: State
    next_attempt_at: datetime | None
    is_gone: bool
    quiet_until: datetime | None


_ATTEMPT_COLUMNS = (
    "tenant_id", "id", "delivery_id", "endpoint_id", "number", "started_at", "duration_ms", "status", "error",
    "response_excerpt",
)  # fmt: skip
_outcomes = select(
    func.unnest(bindparam("delivery_id", type_=ARRAY(Uuid))).label("delivery_id"),
    func.unnest(bindparam("number", type_=ARRAY(Integer))).label("number"),
    func.unnest(bindparam("status", type_=ARRAY(Integer))).label("status"),
    func.unnest(bindparam("error", type_=ARRAY(Text))).label("error"),
    func.unnest(bindparam("state", type_=ARRAY(Text))).label("state"),
    func.unnest(bindparam("next_attempt_at", type_=ARRAY(DateTime(timezone=True)))).label("next_attempt_at"),
).subquery("outcomes")
_now = bindparam("now", type_=DateTime(timezone=True))
_WRITE = Statement(
    update(webhook_deliveries)
    .where(webhook_deliveries.c.tenant_id == bindparam("tenant"), webhook_deliveries.c.id == _outcomes.c.delivery_id)
    .values(
        state=_outcomes.c.state,
        attempt_count=_outcomes.c.number,
        next_attempt_at=_outcomes.c.next_attempt_at,
        last_status=_outcomes.c.status,
        last_error=_outcomes.c.error,
        delivered_at=case((_outcomes.c.state == State.DELIVERED, _now), else_=webhook_deliveries.c.delivered_at),
        updated_at=_now,
        version=webhook_deliveries.c.version + 1,
    )
    .add_cte(insert_many(webhook_attempts, _ATTEMPT_COLUMNS).cte("noted"))
)
_CANCEL = Statement(
    update(webhook_deliveries)
    .where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"),
        webhook_deliveries.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )
    .values(state=State.CANCELLED, next_attempt_at=null(), updated_at=_now, version=webhook_deliveries.c.version + 1)
)


async def write_attempts(ctx: Ctx, made: Sequence[Attempt]) -> None:
    """Store attempts and move their deliveries to where they leave them, in one statement."""
    if not made:
        return
    await ctx.tx.run(
        _WRITE,
        {
            "tenant": ctx.tenant_id,
            "now": ctx.real_now,
            "tenant_id": [ctx.tenant_id] * len(made),
            "id": [new_id() for _ in made],
            "delivery_id": [attempt.delivery_id for attempt in made],
            "endpoint_id": [attempt.endpoint_id for attempt in made],
            "number": [attempt.number for attempt in made],
            "started_at": [attempt.started_at for attempt in made],
            "duration_ms": [attempt.duration // _MILLISECOND for attempt in made],
            "status": [attempt.status for attempt in made],
            "error": [attempt.error for attempt in made],
            "response_excerpt": [attempt.response_excerpt for attempt in made],
            "state": [attempt.state for attempt in made],
            "next_attempt_at": [attempt.next_attempt_at for attempt in made],
        },
    )


async def cancel_pending(ctx: Ctx, delivery_ids: Sequence[UUID]) -> None:
    """Give up deliveries whose endpoint is switched off or gone; they can be sent again by hand."""
    if delivery_ids:
        await ctx.tx.run(_CANCEL, {"tenant": ctx.tenant_id, "now": ctx.real_now, "ids": list(delivery_ids)})
