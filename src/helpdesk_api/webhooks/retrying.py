"""Dead letters sent again in bulk: deliveries that failed or were cancelled, named one by one or found by a filter.

One delivery is sent again by `webhooks.deliveries`, all of an endpoint in a window by `webhooks.replays`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import Select, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import ConflictError, Refusal
from helpdesk_api.kit import crud, lanes
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.problems import Problem, problem_of, status_of
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Input, Instant, Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.deliveries import DELIVERIES, check_endpoint
from helpdesk_api.webhooks.delivery_log import State
from helpdesk_api.webhooks.event_patterns import EVERY_TYPE, EventPattern, is_wanted
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.models import webhook_deliveries, webhook_endpoints
from helpdesk_api.webhooks.replays import check_order
from helpdesk_api.webhooks.requeueing import lock_several, send_ended_again

MOST_RETRIED: Final = 100
_ACCEPTED: Final = 202


class DeliveryPendingError(ConflictError):
    """The delivery is on its way already."""

    code = "delivery_pending"
    title = "The delivery is on its way"


class RetryFilter(Input):
    """Which dead letters, of endpoints that are switched on."""

    endpoint_id: UUID | None = None
    event_types: Annotated[
        list[EventPattern], Field(min_length=1, max_length=100, description="Types, `ticket.*`, or `*`.")
    ] = Field(default=[EVERY_TYPE])
    state: Annotated[
        list[Literal["failed", "cancelled"]],
        Field(min_length=1, max_length=2),
        AfterValidator(lambda states: sorted(set(states))),
    ] = Field(default=["cancelled", "failed"])
    since: Annotated[Instant | None, Field(description="Deliveries made from then on, in real time.")] = None
    until: Annotated[Instant | None, Field(description="Deliveries made before then, in real time.")] = None

    @model_validator(mode="after")
    def _in_order(self) -> "RetryFilter":
        check_order(self.since, self.until)
        return self


class WebhookRetry(Input):
    """Which deliveries to send again."""

    ids: Annotated[
        list[UUID] | None,
        Field(min_length=1, max_length=MOST_RETRIED, description="These, also some that were delivered."),
    ] = None
    filter: Annotated[
        RetryFilter | None, Field(description="Instead of `ids`: the oldest 100 dead letters that fit.")
    ] = None

    @model_validator(mode="after")
    def _one_way(self) -> "WebhookRetry":
        if (self.ids is None) == (self.filter is None):
            message = "needs either `ids` or `filter`"
            raise ValueError(message)
        if self.ids is not None and len(set(self.ids)) < len(self.ids):
            message = "names a delivery twice"
            raise ValueError(message)
        return self


class RetryResult(Output):
    """What became of one delivery."""

    index: Annotated[int, Field(description="Its place in `ids`, or among those that the filter found.")]
    id: UUID
    status: Annotated[int, Field(description="202 when it is sent again; else the status of the problem.")]
    error: Annotated[Problem | None, Field(description="Why it is not sent again; null when it is.")]


class WebhookRetryResults(Output):
    """What became of each delivery."""

    results: list[RetryResult]
    has_more: Annotated[bool, Field(description="Whether the filter fits more dead letters: call again for them.")]


router = APIRouter(prefix=f"/v1/{DELIVERIES.plural}", tags=[DELIVERIES.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/retry",
    status_code=207,
    operation_id=operation(DELIVERIES, "retry"),
    summary="Send dead letters again in bulk",
    description=(
        "Sends up to 100 deliveries that have ended once more, under the same `webhook-id`, each with a new schedule "
        "of retries, and tells for each in `results` whether it will. What is pending is refused, and so is what goes "
        "to an endpoint that is off. Records `webhook_delivery.redelivered` for each."
    ),
)
async def retry(
    body: WebhookRetry, request: Request, ctx: Annotated[Ctx, allowed("webhook-deliveries:write")]
) -> WebhookRetryResults:
    """Send dead letters again."""
    ids, has_more = (body.ids, False) if body.ids is not None else await _found(ctx, body.filter or RetryFilter())
    refused = await retry_all(replace(ctx, now=ctx.real_now), ids)
    path = request.url.path
    results = [
        RetryResult.trusted({
            "index": index,
            "id": delivery_id,
            "status": status_of(refused[delivery_id]) if delivery_id in refused else _ACCEPTED,
            "error": problem_of(refused[delivery_id], request_id=ctx.request_id, instance=path)
            if delivery_id in refused
            else None,
        })
        for index, delivery_id in enumerate(ids)
    ]  # fmt: skip
    return WebhookRetryResults.trusted({"results": results, "has_more": has_more})


async def retry_all(ctx: Ctx, delivery_ids: Sequence[UUID]) -> dict[UUID, Refusal]:
    """Send deliveries again, in real time as `ctx` is; gives the refusals of those that are not, by id."""
    seen = await crud.fetch_many(ctx, DELIVERIES, list(delivery_ids))
    refused: dict[UUID, Refusal] = {key: DELIVERIES.missing(key) for key in delivery_ids if key not in seen}
    by_endpoint: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for delivery in seen.values():
        by_endpoint[delivery.endpoint_id].append(delivery.id)
    # In one order, for whoever retries to several endpoints.
    for endpoint_id in sorted(by_endpoint):
        try:
            await check_endpoint(ctx, endpoint_id)
        except ConflictError as refusal:
            refused |= dict.fromkeys(by_endpoint[endpoint_id], refusal)
            continue
        locked = await lock_several(ctx, endpoint_id, by_endpoint[endpoint_id])
        sent = await send_ended_again(ctx, endpoint_id, locked)
        for row in locked:
            if row["id"] in sent:
                record(ctx, "webhook_delivery.redelivered", object_id=row["id"], version=row["version"] + 1)
            else:
                refused[row["id"]] = DeliveryPendingError(f"The delivery {row['id']} is on its way already.")
        if sent:
            await lanes.reopen(ctx, endpoint_id)
    return refused


async def _found(ctx: Ctx, wanted: RetryFilter) -> tuple[list[UUID], bool]:
    """Find the oldest dead letters, and whether there are more."""
    rows = await ctx.tx.rows(_finding(ctx, wanted))
    return [row["id"] for row in rows[:MOST_RETRIED]], len(rows) > MOST_RETRIED


def _finding(ctx: Ctx, wanted: RetryFilter) -> Select[Any]:
    table = webhook_deliveries
    types = [name for name in EVENT_TYPES if is_wanted(name, wanted.event_types)]
    found = (
        select(table.c.id)
        .join(
            webhook_endpoints,
            (webhook_endpoints.c.tenant_id == table.c.tenant_id) & (webhook_endpoints.c.id == table.c.endpoint_id),
        )
        .where(
            table.c.tenant_id == ctx.tenant_id,
            webhook_endpoints.c.is_enabled,
            table.c.event_type == any_(literal(types, ARRAY(table.c.event_type.type))),
            table.c.state == any_(literal([str(State(state)) for state in wanted.state], ARRAY(table.c.state.type))),
        )
        .order_by(table.c.created_at, table.c.id)
        .limit(MOST_RETRIED + 1)
    )
    if wanted.endpoint_id is not None:
        found = found.where(table.c.endpoint_id == wanted.endpoint_id)
    if wanted.since is not None:
        found = found.where(table.c.created_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(table.c.created_at < wanted.until)
    return found
