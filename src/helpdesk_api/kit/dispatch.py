"""Handing committed events to whoever subscribed, in a worker, in the transaction that ends the job.

An event reaches its subscribers at least once; a subscriber that stores what it does in this transaction does it
exactly once.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.events import commit_order, events
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work

_EVENTS_AT_ONCE = 1_000

_LOAD = Statement(
    select(events)
    .where(
        events.c.tenant_id == bindparam("tenant_id"),
        events.c.id == any_(bindparam("ids", type_=ARRAY(events.c.id.type))),
    )
    .order_by(*commit_order())
)


async def dispatch(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Run every subscriber over the events of these jobs."""
    for part in _parts(claimed):
        await _dispatch(runtime, tenant_id, part)


async def _dispatch(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    principal = system(tenant_id)
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        mine = await jobs.complete(ctx.tx, claimed)
        ids = [UUID(event_id) for job in claimed if job.id in mine for event_id in job.payload["event_ids"]]
        found = await ctx.tx.rows(_LOAD, {"tenant_id": tenant_id, "ids": ids})
        for subscriber in runtime.subscribers:
            await subscriber(ctx, found)


def _parts(claimed: Sequence[Job]) -> list[list[Job]]:
    """Divide jobs, each of which may have one event or hundreds, into what one transaction hands over."""
    parts: list[list[Job]] = [[]]
    event_count = 0
    for job in claimed:
        event_count += len(job.payload["event_ids"])
        if parts[-1] and event_count > _EVENTS_AT_ONCE:
            parts.append([])
            event_count = len(job.payload["event_ids"])
        parts[-1].append(job)
    return parts
