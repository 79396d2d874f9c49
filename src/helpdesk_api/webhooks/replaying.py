"""Working off replays in steps: each looks at the next stretch of the log and queues what is to be sent again.

A step is one transaction with a job of its own, so a worker that dies costs nothing, and nothing is queued twice by one
replay. Steps wait while much is queued for the endpoint: what happens meanwhile is not kept behind a whole history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Uuid, bindparam, func, literal_column, select

from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import TOLD, Xid8, commit_order, events, is_settled, record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.webhooks.conditions import fitting
from helpdesk_api.webhooks.delivery_log import State
from helpdesk_api.webhooks.endpoints import ENDPOINTS, WebhookEndpoint
from helpdesk_api.webhooks.event_patterns import is_wanted
from helpdesk_api.webhooks.messages import FOR_ONE
from helpdesk_api.webhooks.models import webhook_deliveries, webhook_replays
from helpdesk_api.webhooks.queueing import put_deliveries
from helpdesk_api.webhooks.replays import (
    REPLAY,
    REPLAYS,
    CancelledReason,
    ReplayState,
    Scope,
    WebhookReplay,
    stop_replay,
)
from helpdesk_api.webhooks.requeueing import lock_of_events, lock_several, send_ended_again

_LOOKED_AT_TOGETHER: Final = 1_000
_MOST_WAITING: Final = 1_000
_SOON: Final = timedelta(seconds=1)
_ENDED_BADLY: Final = frozenset({State.FAILED, State.CANCELLED})

_tenant = bindparam("tenant", type_=Uuid)
_endpoint = bindparam("endpoint", type_=Uuid)
_HOW_FAR = Statement(
    select(webhook_replays.c.position, webhook_replays.c.began_xid, webhook_replays.c.until_xid).where(
        webhook_replays.c.tenant_id == _tenant, webhook_replays.c.id == bindparam("replay", type_=Uuid)
    )
)
_waiting = (
    select(literal_column("1"))
    .where(jobs.jobs.c.tenant_id == _tenant, jobs.jobs.c.lane == _endpoint, jobs.jobs.c.failed_at.is_(None))
    .limit(_MOST_WAITING)
    .subquery("waiting")
)
_WAITING = Statement(select(func.count()).select_from(_waiting))
_SETTLED_BELOW = Statement(select(func.pg_snapshot_xmin(func.pg_current_snapshot())))
_NEXT_EVENTS = Statement(
    select(*TOLD)
    .where(
        events.c.tenant_id == _tenant,
        is_settled(),
        events.c.xid < bindparam("until_xid", type_=Xid8),
        func.row(*commit_order()) > func.row(bindparam("xid", type_=Xid8), bindparam("seq", type_=BigInteger)),
    )
    .order_by(*commit_order())
    .limit(_LOOKED_AT_TOGETHER)
)
_at = DateTime(timezone=True)
_NEXT_DELIVERIES = Statement(
    select(webhook_deliveries.c.id, webhook_deliveries.c.state, webhook_deliveries.c.created_at)
    .where(
        webhook_deliveries.c.tenant_id == _tenant,
        webhook_deliveries.c.endpoint_id == _endpoint,
        func.row(webhook_deliveries.c.created_at, webhook_deliveries.c.id)
        > func.row(bindparam("at", type_=_at), bindparam("id", type_=Uuid)),
        webhook_deliveries.c.created_at < bindparam("until", type_=_at),
    )
    .order_by(webhook_deliveries.c.created_at, webhook_deliveries.c.id)
    .limit(_LOOKED_AT_TOGETHER)
)
_FIRST: Final = UUID(int=0)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Step:
    """What one look gave: how many were looked at and queued, and the values that say how far it has come."""

    looked_at: int
    queued: int
    is_last: bool
    values: dict[str, Any]


async def replay(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Take the next step of a replay, and leave a job for the one after it."""
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        if not await jobs.complete(ctx.tx, claimed):
            return
        running = await crud.fetch_locked(ctx, REPLAYS, UUID(claimed[0].payload["replay_id"]))
        if running.state != ReplayState.RUNNING:
            return
        again_at = await _go_on(replace(ctx, now=ctx.real_now), running)
        if again_at is not None:
            await jobs.put(ctx, [NewJob(REPLAY, claimed[0].payload, again_at, cause=cause)])


async def _go_on(ctx: Ctx, running: WebhookReplay) -> datetime | None:
    """Take a step; gives when to take the next, or None when the replay has ended."""
    endpoint = (await crud.fetch_many(ctx, ENDPOINTS, [running.endpoint_id])).get(running.endpoint_id)
    if endpoint is None or not endpoint.is_enabled:
        is_there = endpoint is not None
        reason = CancelledReason.ENDPOINT_DISABLED if is_there else CancelledReason.ENDPOINT_DELETED
        await stop_replay(ctx, running, reason)
        return None
    key = {"tenant": ctx.tenant_id, "endpoint": endpoint.id}
    if await ctx.tx.value(_WAITING, key) >= _MOST_WAITING:
        return ctx.real_now + _SOON
    if running.scope == Scope.FAILED:
        step = await _look_at_deliveries(ctx, running)
    else:
        step = await _look_at_events(ctx, running, endpoint)
    values = step.values | {
        "looked_at_count": running.looked_at_count + step.looked_at,
        "queued_count": running.queued_count + step.queued,
    }
    if not step.is_last:
        await crud.store_changes(ctx, REPLAYS, running, values)
        return ctx.real_now if step.looked_at else ctx.real_now + _SOON
    values |= {"state": ReplayState.DONE, "progress_percent": 100, "completed_at": ctx.real_now}
    done = await crud.store_changes(ctx, REPLAYS, running, values)
    changes = {"state": (running.state, done.state)}
    counts = {"looked_at_count": done.looked_at_count, "queued_count": done.queued_count}
    record(ctx, "webhook_replay.completed", object_id=done.id, version=done.version, changes=changes, data=counts)
    return None


async def _look_at_events(ctx: Ctx, running: WebhookReplay, endpoint: WebhookEndpoint) -> _Step:
    """Queue what is wanted of the next events: deliveries that have ended are sent again, missing ones are made."""
    known = await _how_far(ctx, running)
    # Read before the events: what is settled now is seen by the statement after it.
    settled_below: int = await ctx.tx.value(_SETTLED_BELOW)
    xid, seq = known["position"] or (0, 0)
    found = await ctx.tx.rows(
        _NEXT_EVENTS, {"tenant": ctx.tenant_id, "until_xid": known["until_xid"], "xid": xid, "seq": seq}
    )
    is_last = len(found) < _LOOKED_AT_TOGETHER and settled_below >= known["until_xid"]
    if not found:
        return _Step(0, 0, is_last, {})
    suiting = [(endpoint.id, row) for row in found if _is_wanted(running, endpoint, row)]
    wanted = {row["id"]: row for _, row in await fitting(ctx, {endpoint.id: endpoint.condition}, suiting)}
    locked = await lock_of_events(ctx, endpoint.id, list(wanted))
    again = await send_ended_again(ctx, endpoint.id, locked)
    missing = wanted.keys() - {row["event_id"] for row in locked}
    await put_deliveries(ctx, [(endpoint.id, row) for key, row in wanted.items() if key in missing])
    last = found[-1]
    began = known["began_xid"] or found[0]["xid"]
    values = {
        "began_xid": began,
        "position": [last["xid"], last["seq"]],
        "reached_at": last["occurred_at"],
        "progress_percent": _percent(last["xid"] - began, known["until_xid"] - began),
    }
    return _Step(len(found), len(again) + len(missing), is_last, values)


async def _look_at_deliveries(ctx: Ctx, running: WebhookReplay) -> _Step:
    """Queue those of the next deliveries that failed or were cancelled."""
    known = await _how_far(ctx, running)
    since, until = running.since, running.until
    if since is None or until is None:
        message = "a recovery has a window"
        raise LookupError(message)
    at, last_id = known["position"] or (since.isoformat(), str(_FIRST))
    found = await ctx.tx.rows(
        _NEXT_DELIVERIES,
        {
            "tenant": ctx.tenant_id,
            "endpoint": running.endpoint_id,
            "at": datetime.fromisoformat(at),
            "id": UUID(last_id),
            "until": until,
        },
    )
    ended_badly = [row["id"] for row in found if row["state"] in _ENDED_BADLY]
    locked = await lock_several(ctx, running.endpoint_id, ended_badly)
    # Somebody else may have sent one again since it was looked at.
    again = await send_ended_again(ctx, running.endpoint_id, [row for row in locked if row["state"] in _ENDED_BADLY])
    is_last = len(found) < _LOOKED_AT_TOGETHER
    if not found:
        return _Step(0, 0, is_last, {})
    reached_at: datetime = found[-1]["created_at"]
    values = {
        "position": [reached_at.isoformat(), str(found[-1]["id"])],
        "reached_at": reached_at,
        "progress_percent": _percent((reached_at - since) // _MILLISECOND, (until - since) // _MILLISECOND),
    }
    return _Step(len(found), len(again), is_last, values)


async def _how_far(ctx: Ctx, running: WebhookReplay) -> Record:
    row = await ctx.tx.row(_HOW_FAR, {"tenant": ctx.tenant_id, "replay": running.id})
    if row is None:
        message = "a replay that is locked is there"
        raise LookupError(message)
    return row


def _is_wanted(running: WebhookReplay, endpoint: WebhookEndpoint, event: Record) -> bool:
    at: datetime = event["occurred_at"]
    return (
        event["type"] not in FOR_ONE
        and is_wanted(event["type"], endpoint.event_types)
        and is_wanted(event["type"], running.event_types)
        and (running.since is None or at >= running.since)
        and (running.until is None or at < running.until)
    )


def _percent(done: int, whole: int) -> int:
    """Say how much of something is done, and 100 only of what is done by other measures too."""
    return min(99, 100 * done // max(whole, 1))
