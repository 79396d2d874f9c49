"""Replays: sending again to one endpoint what failed there in a window, or everything since some point.

One is asked for here and worked off in steps by `webhooks.replaying`; how far it has come can be read at any time, and
it can be cancelled. All times of a replay are real, but for the window of events, which lies in the time of the tenant.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator
from sqlalchemy import bindparam, select

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Position, record
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Input, Instant
from helpdesk_api.kit.sql import Statement
from helpdesk_api.webhooks.endpoints import ENDPOINTS, EndpointDisabledError, WebhookEndpoint
from helpdesk_api.webhooks.event_patterns import EVERY_TYPE, EventPattern
from helpdesk_api.webhooks.models import webhook_replays

REPLAY: Final = "webhooks.replay"


class Scope(StrEnum):
    """What a replay sends again."""

    FAILED = "failed"
    ALL = "all"


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class CancelledReason(StrEnum):
    """Why a replay ended before its time."""

    REQUESTED = "requested"
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_DELETED = "endpoint_deleted"


_RUNNING = Statement(
    select(webhook_replays.c.id).where(
        webhook_replays.c.tenant_id == bindparam("tenant"),
        webhook_replays.c.endpoint_id == bindparam("endpoint"),
        webhook_replays.c.state == ReplayState.RUNNING,
    )
)


class ReplayRunningError(ConflictError):
    """One replay at a time goes to an endpoint."""

    code = "replay_running"
    title = "A replay to this endpoint is running"


class ReplayEndedError(ConflictError):
    """The replay is done or was cancelled."""

    code = "replay_ended"
    title = "The replay has ended"


class WebhookRecovery(Input):
    """The window in which deliveries failed."""

    since: Annotated[Instant, Field(description="Deliveries made from then on, in real time.")]
    until: Annotated[Instant | None, Field(description="Deliveries made before then; null: until now.")] = None

    @model_validator(mode="after")
    def _in_order(self) -> "WebhookRecovery":
        check_order(self.since, self.until)
        return self


class WebhookReplayCreate(Input):
    """From which point to send again."""

    after: Annotated[
        str | None, Field(max_length=500, description="A cursor of the event feed: what happened after it.")
    ] = None
    since: Annotated[
        Instant | None, Field(description="What happened from then on, in the time of the tenant; instead of `after`.")
    ] = None
    until: Annotated[
        Instant | None, Field(description="What happened before then, in the time of the tenant; null: until now.")
    ] = None
    event_types: Annotated[
        list[EventPattern],
        Field(min_length=1, max_length=100, description="Of the events that the endpoint wants, only these."),
        AfterValidator(lambda patterns: sorted(set(patterns))),
    ] = Field(default=[EVERY_TYPE])

    @model_validator(mode="after")
    def _one_beginning(self) -> "WebhookReplayCreate":
        if (self.after is None) == (self.since is None):
            message = "needs either `after` or `since`"
            raise ValueError(message)
        check_order(self.since, self.until)
        return self


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raise ValueError for a window that ends before it begins."""
    if since is not None and until is not None and until <= since:
        message = "`until` must be after `since`"
        raise ValueError(message)


class WebhookReplay(Entity):
    """What is sent again to one endpoint, and how far that has come."""

    endpoint_id: Annotated[UUID, Field(description="May have been deleted since.")]
    scope: Annotated[
        str,
        Field(
            description="`failed`: deliveries that failed or were cancelled. `all`: every event that it wants.",
            examples=list(Scope),
        ),
    ]
    since: AwareDatetime | None
    until: AwareDatetime | None
    event_types: Annotated[list[str], Field(examples=[["ticket.*"]])]
    state: Annotated[
        str, Field(description="`running` until everything is queued or it is cancelled.", examples=list(ReplayState))
    ]
    cancelled_reason: Annotated[str | None, Field(examples=list(CancelledReason))]
    progress_percent: Annotated[int, Field(description="How much of the log has been looked at; 100 when done.")]
    looked_at_count: Annotated[int, Field(description="How many deliveries or events were looked at.")]
    queued_count: Annotated[
        int, Field(description="How many of them were queued; the delivery log tells what became of each.")
    ]
    reached_at: Annotated[AwareDatetime | None, Field(description="Time of the last one that was looked at.")]
    completed_at: Annotated[AwareDatetime | None, Field(description="When it was done or cancelled.")]


REPLAYS = Resource(
    name="webhook_replay",
    plural="webhook-replays",
    table=webhook_replays,
    read=WebhookReplay,
    example={
        "endpoint_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
        "scope": "all",
        "since": "2026-11-22T00:00:00Z",
        "until": None,
        "event_types": ["ticket.*"],
        "state": "running",
        "cancelled_reason": None,
        "progress_percent": 40,
        "looked_at_count": 12_000,
        "queued_count": 3_150,
        "reached_at": "2026-11-22T14:05:11Z",
        "completed_at": None,
    },
    filters=(
        Filter("endpoint_id", webhook_replays.c.endpoint_id, UUID),
        Filter("state", webhook_replays.c.state, ReplayState),
    ),
)


async def start_recovery(ctx: Ctx, endpoint_id: UUID, window: WebhookRecovery) -> WebhookReplay:
    """Begin to send again what failed in a window; raises EndpointDisabledError and ReplayRunningError."""
    await lock_for_replay(ctx, endpoint_id)
    return await _start(
        ctx,
        endpoint_id,
        {
            "scope": Scope.FAILED,
            "since": window.since,
            "until": window.until or ctx.real_now,
            "event_types": [EVERY_TYPE],
        },
    )


async def start_replay(
    ctx: Ctx, endpoint_id: UUID, wanted: WebhookReplayCreate, position: Position | None
) -> WebhookReplay:
    """Begin to send again what happened since a point, to an endpoint that `lock_for_replay` gave."""
    return await _start(
        ctx,
        endpoint_id,
        {
            "scope": Scope.ALL,
            "since": wanted.since,
            "until": wanted.until,
            "event_types": wanted.event_types,
            "position": None if position is None else list(position),
        },
    )


async def lock_for_replay(ctx: Ctx, endpoint_id: UUID) -> WebhookEndpoint:
    """Lock an endpoint to which a replay may begin; raises EndpointDisabledError and ReplayRunningError."""
    endpoint = await crud.fetch_locked(ctx, ENDPOINTS, endpoint_id)
    if not endpoint.is_enabled:
        message = f"The endpoint {endpoint_id} is switched off; switch it on first."
        raise EndpointDisabledError(message)
    running = await ctx.tx.value(_RUNNING, {"tenant": ctx.tenant_id, "endpoint": endpoint_id})
    if running is not None:
        message = f"The replay {running} to this endpoint is running; wait for its end or cancel it."
        raise ReplayRunningError(message, params={"replay_id": str(running)})
    return endpoint


async def _start(ctx: Ctx, endpoint_id: UUID, values: dict[str, Any]) -> WebhookReplay:
    in_real_time = replace(ctx, now=ctx.real_now)
    started = await crud.add(
        in_real_time,
        REPLAYS,
        {
            "endpoint_id": endpoint_id,
            "state": ReplayState.RUNNING,
            "progress_percent": 0,
            "looked_at_count": 0,
            "queued_count": 0,
            **values,
        },
    )
    await jobs.put(ctx, [NewJob(REPLAY, {"replay_id": str(started.id)}, ctx.real_now, cause=ctx.cause)])
    return started


async def cancel_replay(ctx: Ctx, replay_id: UUID) -> WebhookReplay:
    """Stop a replay; raises ReplayEndedError for one that is not running."""
    before = await crud.fetch_locked(ctx, REPLAYS, replay_id)
    if before.state != ReplayState.RUNNING:
        message = f"The replay {replay_id} is {before.state}."
        raise ReplayEndedError(message, params={"state": before.state})
    return await stop_replay(ctx, before, CancelledReason.REQUESTED)


async def stop_replay(ctx: Ctx, running: WebhookReplay, reason: CancelledReason) -> WebhookReplay:
    """End a replay that the caller has locked, before its time."""
    in_real_time = replace(ctx, now=ctx.real_now)
    values = {"state": ReplayState.CANCELLED, "cancelled_reason": reason, "completed_at": ctx.real_now}
    stopped = await crud.store_changes(in_real_time, REPLAYS, running, values)
    changes = {"state": (running.state, stopped.state), "cancelled_reason": (None, stopped.cancelled_reason)}
    record(in_real_time, "webhook_replay.cancelled", object_id=running.id, version=stopped.version, changes=changes)
    return stopped
