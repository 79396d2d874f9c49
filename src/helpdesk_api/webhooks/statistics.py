"""How an endpoint has been doing: attempts, their success and how long answers took, in steps that a plot can show.

Counted are attempts, as they were made, in real time; what became of single events is told by the delivery log.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, Float, Interval, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Instant, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.endpoints import ENDPOINTS
from helpdesk_api.webhooks.models import webhook_attempts

_MOST_STEPS: Final = 500
_WINDOW: Final = timedelta(days=1)
_STEPS_BY_DEFAULT: Final = 24
_SHARES: Final = (0.5, 0.9, 0.99)

_at = DateTime(timezone=True)
_since, _until = bindparam("since", type_=_at), bindparam("until", type_=_at)
_succeeded = webhook_attempts.c.status.between(200, 299)
_shares = bindparam("shares", list(_SHARES), type_=ARRAY(Float))


def _counting(*keys: ColumnElement[Any]) -> Statement:
    """Give the statement that counts the attempts of a window, apart for each value of the keys."""
    return Statement(
        select(
            *keys,
            func.count().label("attempt_count"),
            func.count().filter(_succeeded).label("success_count"),
            func.count().filter(webhook_attempts.c.status.is_(None)).label("unanswered_count"),
            func.percentile_disc(_shares).within_group(webhook_attempts.c.duration_ms).label("percentiles"),
            func.max(webhook_attempts.c.duration_ms).label("slowest"),
        )
        .where(
            webhook_attempts.c.tenant_id == bindparam("tenant", type_=Uuid),
            webhook_attempts.c.endpoint_id == bindparam("endpoint", type_=Uuid),
            webhook_attempts.c.started_at >= _since,
            webhook_attempts.c.started_at < _until,
        )
        .group_by(*keys)
    )


_IN_ALL = _counting()
_BY_STEP = _counting(
    func.date_bin(bindparam("step", type_=Interval), webhook_attempts.c.started_at, _since).label("begins_at")
)


class StepTooShortError(InvalidError):
    """A plot has so many points at most."""

    code = "step_too_short"
    title = "There would be too many steps"


class WindowBackwardsError(InvalidError):
    """A window begins before it ends."""

    code = "window_backwards"
    title = "The window ends before it begins"


class StatsQuery(BaseModel):
    """The window, and how long each step of it is."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[
        Instant | None, Field(description="Attempts begun from then on; absent: a day before `until`.")
    ] = None
    until: Annotated[Instant | None, Field(description="Attempts begun before then; absent: until now.")] = None
    step: Annotated[
        int | None,
        Field(ge=1, le=31 * 86_400, description="Seconds of one step; absent: the window has 24. At most 500 steps."),
    ] = None


class Latency(Output):
    """How long attempts took, in milliseconds, with or without an answer; null when there were none."""

    p50: int | None
    p90: int | None
    p99: int | None
    max: int | None


class AttemptCounts(Output):
    """What became of attempts."""

    attempt_count: int
    success_count: Annotated[int, Field(description="Answered with 2xx.")]
    unanswered_count: Annotated[int, Field(description="Timed out, refused or broken off: without any status.")]
    success_rate: Annotated[float | None, Field(description="Between 0 and 1; null when there were none.")]
    latency_ms: Latency


class StatsStep(AttemptCounts):
    """One step of the window."""

    begins_at: AwareDatetime


class WebhookStats(AttemptCounts):
    """How an endpoint has been doing in a window."""

    endpoint_id: UUID
    since: AwareDatetime
    until: AwareDatetime
    step_seconds: int
    steps: Annotated[
        list[StatsStep], Field(description="Oldest first, those without attempts too; the last may be cut by `until`.")
    ]


_COUNTS_EXAMPLE: Final = {
    "attempt_count": 1_204,
    "success_count": 1_190,
    "unanswered_count": 3,
    "success_rate": 0.9884,
    "latency_ms": {"p50": 84, "p90": 210, "p99": 1_930, "max": 15_002},
}
STATS_EXAMPLE: Final = {
    **_COUNTS_EXAMPLE,
    "since": "2026-11-23T08:30:00Z",
    "until": "2026-11-23T09:30:00Z",
    "step_seconds": 3_600,
    "steps": [{**_COUNTS_EXAMPLE, "begins_at": "2026-11-23T08:30:00Z"}],
}

router = APIRouter(prefix=f"/v1/{ENDPOINTS.plural}/{{id}}", tags=[ENDPOINTS.plural], route_class=UnitOfWorkRoute)


@router.get(
    "/stats",
    operation_id=operation(ENDPOINTS, "stats"),
    summary="Tell how a webhook endpoint has been doing",
    description=(
        "Counts the attempts of a window: how many there were, how many succeeded, and how long they took, in all and "
        "for every step of the window, as a plot needs it."
    ),
)
async def get_stats(
    id: UUID, query: Annotated[StatsQuery, Query()], ctx: Annotated[Ctx, allowed("webhook-endpoints:read")]
) -> WebhookStats:
    """Count attempts."""
    await crud.fetch(ctx, ENDPOINTS, id)
    until = query.until or ctx.real_now
    since = query.since or until - _WINDOW
    step = _step(since, until, query.step)
    window: dict[str, Any] = {"tenant": ctx.tenant_id, "endpoint": id, "since": since, "until": until}
    whole = await ctx.tx.row(_IN_ALL, window)
    found = {row["begins_at"]: row for row in await ctx.tx.rows(_BY_STEP, window | {"step": step})}
    begins = [since + number * step for number in range(-(-(until - since) // step))]
    return WebhookStats.trusted({
        **_counts(whole),
        "endpoint_id": id,
        "since": since,
        "until": until,
        "step_seconds": int(step.total_seconds()),
        "steps": [StatsStep.trusted({**_counts(found.get(at)), "begins_at": at}) for at in begins],
    })  # fmt: skip


def _step(since: datetime, until: datetime, asked: int | None) -> timedelta:
    if until <= since:
        message = f"The window from {since.isoformat()} until {until.isoformat()} holds no time."
        raise WindowBackwardsError(message, pointer="/since", location="query")
    window = until - since
    step = timedelta(seconds=asked or max(1, -(-int(window.total_seconds()) // _STEPS_BY_DEFAULT)))
    if window > _MOST_STEPS * step:
        message = f"Steps of {int(step.total_seconds())} seconds make more than {_MOST_STEPS} of the window."
        raise StepTooShortError(message, pointer="/step", location="query", params={"most": _MOST_STEPS})
    return step


def _counts(row: Record | None) -> dict[str, Any]:
    attempts: int = row["attempt_count"] if row is not None else 0
    if row is None or attempts == 0:
        nothing = Latency.trusted(dict.fromkeys(Latency.model_fields))
        counts = dict.fromkeys(("attempt_count", "success_count", "unanswered_count"), 0)
        return {**counts, "success_rate": None, "latency_ms": nothing}
    p50, p90, p99 = row["percentiles"]
    return {
        "attempt_count": attempts,
        "success_count": row["success_count"],
        "unanswered_count": row["unanswered_count"],
        "success_rate": round(row["success_count"] / attempts, 4),
        "latency_ms": Latency.trusted({"p50": p50, "p90": p90, "p99": p99, "max": row["slowest"]}),
    }
