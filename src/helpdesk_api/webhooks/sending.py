"""Sending deliveries: load a batch, post all of it at once, then record what came of it.

No transaction is open while the network is used. Between loading and recording only the lease of the jobs holds; what
another worker has taken over meanwhile is not recorded, because that worker sends it again. So a delivery arrives at
least once, every time under the same `webhook-id`.
"""

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.retry import Abort, Delivered, DisableEndpoint, Retry, judge, next_delay
from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, Ctx, Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.outbound import OutboundError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.webhooks.delivery_log import Attempt, State, cancel_pending, write_attempts
from helpdesk_api.webhooks.endpoints import disable_gone
from helpdesk_api.webhooks.messages import message_of
from helpdesk_api.webhooks.models import webhook_deliveries, webhook_endpoints
from helpdesk_api.webhooks.signing import sign

log = structlog.get_logger()

# Its own source: whoever seeds the global one means something else by it.
_JITTER = random.SystemRandom()

_HEADERS: Final = {"content-type": "application/json", "user-agent": "helpdesk-api"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

_LOAD = Statement(
    select(
        webhook_deliveries.c.id.label("delivery_id"),
        webhook_deliveries.c.endpoint_id,
        webhook_deliveries.c.state,
        webhook_deliveries.c.attempt_count,
        webhook_endpoints.c.url,
        webhook_endpoints.c.is_enabled,
        webhook_endpoints.c.secret,
        webhook_endpoints.c.previous_secret,
        webhook_endpoints.c.previous_secret_expires_at,
        *(column for column in events.c if column.name not in {"tenant_id", "xid", "seq", "data"}),
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
    .where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"),
        webhook_deliveries.c.id == any_(bindparam("ids", type_=ARRAY(webhook_deliveries.c.id.type))),
    )
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back for one delivery: a status, or the reason why there is none."""

    job: Job
    delivery: Record
    status: int | None
    headers: Mapping[str, str]
    error: str | None
    excerpt: str | None
    duration: timedelta


async def deliver(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Send the deliveries of these jobs, which all go to one endpoint, and record what came of each."""
    principal = Principal("system", None, tenant_id)
    cause = Cause("job", str(claimed[0].id))
    by_delivery = {UUID(job.payload["delivery_id"]): job for job in claimed}
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id, read_only=True) as ctx:
        started_at = ctx.real_now
        found = await ctx.tx.rows(_LOAD, {"tenant": tenant_id, "ids": list(by_delivery)})
    waiting = [row for row in found if row["state"] == State.PENDING]
    unwanted = [row["delivery_id"] for row in waiting if not row["is_enabled"]]
    answers = await asyncio.gather(
        *(_post(runtime, by_delivery[row["delivery_id"]], row, started_at) for row in waiting if row["is_enabled"])
    )
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        attempts = [_judged(answer, started_at, now=ctx.real_now) for answer in answers]
        ours = await _end_jobs(ctx, claimed, attempts, by_delivery)
        recorded = [attempt for attempt in attempts if by_delivery[attempt.delivery_id].id in ours]
        await write_attempts(ctx, recorded)
        await cancel_pending(ctx, [key for key in unwanted if by_delivery[key].id in ours])
        if any(attempt.is_gone for attempt in recorded):
            await disable_gone(ctx, waiting[0]["endpoint_id"], waiting[0]["url"])
    for attempt in recorded:
        runtime.metrics.webhook_attempt("retried" if attempt.state is State.PENDING else attempt.state)
    if len(ours) < len(claimed):
        log.warning("webhook.lease_lost", job_count=len(claimed) - len(ours), endpoint_id=str(claimed[0].lane))


async def _post(runtime: Runtime, job: Job, delivery: Record, at: datetime) -> _Answer:
    body = message_of(delivery)
    signature = sign(_secrets(delivery, at), str(delivery["id"]), int(at.timestamp()), body)
    try:
        response = await runtime.outbound.post(delivery["url"], content=body, headers=_HEADERS | signature)
    except OutboundError as error:
        return _Answer(job, delivery, None, {}, error.reason, None, error.duration)
    excerpt = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", response.body_excerpt.decode(errors="replace"))
    return _Answer(job, delivery, response.status, response.headers, None, excerpt, response.duration)


def _secrets(delivery: Record, at: datetime) -> list[str]:
    """Give the secrets that sign now: the present one first, and the former one while it is still accepted."""
    expires_at = delivery["previous_secret_expires_at"]
    if expires_at is None or expires_at <= at:
        return [delivery["secret"]]
    return [delivery["secret"], delivery["previous_secret"]]


def _judged(answer: _Answer, started_at: datetime, *, now: datetime) -> Attempt:
    """Decide what an answer means for its delivery: done, given up, or tried again and when."""
    number: int = answer.delivery["attempt_count"] + 1
    state, again_at, is_gone = State.FAILED, None, False
    match judge(answer.status, answer.headers, now=now):
        case Delivered():
            state = State.DELIVERED
        case DisableEndpoint():
            is_gone = True
        case Abort():
            pass
        case Retry(retry_after=asked):
            made = number - answer.job.payload["attempts_before"]
            delay = next_delay(made, jitter=_JITTER.random(), retry_after=asked)
            if delay is not None:
                state, again_at = State.PENDING, now + delay
    return Attempt(
        delivery_id=answer.delivery["delivery_id"],
        number=number,
        started_at=started_at,
        duration=answer.duration,
        status=answer.status,
        error=answer.error,
        response_excerpt=answer.excerpt,
        state=state,
        next_attempt_at=again_at,
        is_gone=is_gone,
    )


async def _end_jobs(
    ctx: Ctx, claimed: Sequence[Job], attempts: Sequence[Attempt], by_delivery: Mapping[UUID, Job]
) -> set[UUID]:
    """End the jobs, or put them off to their next attempt; gives the ids of those that were still ours."""
    later = {by_delivery[a.delivery_id].id: a.next_attempt_at for a in attempts if a.next_attempt_at is not None}
    done = [job for job in claimed if job.id not in later]
    ours = await jobs.complete(ctx.tx, done) if done else set()
    return ours | (await jobs.postpone(ctx.tx, later, claimed) if later else set())
