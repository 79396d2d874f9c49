"""Webhook deliveries over the API: what was sent where, what came back, and sending it again."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import bindparam, func, null, select, update

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud, jobs, lanes
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.listing import Filter, PageQuery
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.schema import Entity, Output, Page
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.webhooks.delivery_log import State
from helpdesk_api.webhooks.endpoints import ENDPOINTS, EndpointDisabledError
from helpdesk_api.webhooks.models import webhook_attempts, webhook_deliveries
from helpdesk_api.webhooks.queueing import delivery_job

_SOON: Final = timedelta(seconds=1)

_ATTEMPTS = Statement(
    select(*(column for column in webhook_attempts.c if column.name not in {"tenant_id", "id", "delivery_id"}))
    .where(
        webhook_attempts.c.tenant_id == bindparam("tenant"),
        webhook_attempts.c.delivery_id == bindparam("delivery", type_=webhook_attempts.c.delivery_id.type),
    )
    .order_by(webhook_attempts.c.number)
    .limit(1_000)
)
_JOB_OF = Statement(
    select(webhook_deliveries.c.job_id).where(
        webhook_deliveries.c.tenant_id == bindparam("tenant"), webhook_deliveries.c.id == bindparam("delivery")
    )
)
# A job that a worker holds is left to it: taking it away would send the message twice.
_waiting = (
    select(jobs.jobs.c.id)
    .where(
        jobs.jobs.c.tenant_id == bindparam("tenant"),
        jobs.jobs.c.id == bindparam("job"),
        jobs.jobs.c.lease_token.is_(None),
    )
    .with_for_update(skip_locked=True)
    .cte("waiting")
)
_HASTEN = Statement(
    update(jobs.jobs)
    .where(jobs.jobs.c.tenant_id == bindparam("tenant"), jobs.jobs.c.id == _waiting.c.id)
    .values(run_at=func.now(), failed_at=null(), failure_count=0)
)


class DeliveryInProgressError(ConflictError):
    """The delivery is being sent at this moment."""

    code = "delivery_in_progress"
    title = "The delivery is just being sent"


class WebhookDelivery(Entity):
    """One event on its way to one endpoint. All times are real, also in a sandbox."""

    endpoint_id: Annotated[UUID, Field(description="May have been deleted since; the log remains.")]
    event_id: Annotated[UUID, Field(description="Sent as `webhook-id`, the same with every attempt.")]
    event_type: Annotated[str, Field(examples=["ticket.created"])]
    state: Annotated[
        str,
        Field(
            description=(
                "`pending`: will be tried. `delivered`: the receiver answered 2xx. `failed`: the last attempt of the "
                "schedule failed, or the receiver asked for no more. `cancelled`: its endpoint was off when it fell "
                "due, or did not want it any more."
            ),
            examples=list(State),
        ),
    ]
    attempt_count: int
    next_attempt_at: Annotated[AwareDatetime | None, Field(description="Null unless pending.")]
    last_status: Annotated[int | None, Field(description="HTTP status of the last answer; null if there was none.")]
    last_error: Annotated[
        str | None,
        Field(description="Why the last attempt got no answer.", examples=["timeout", "connect_failed", "tls_failed"]),
    ]
    delivered_at: Annotated[AwareDatetime | None, Field(description="When the receiver last took it.")]


class WebhookAttempt(Output):
    """One attempt and what came back."""

    number: int
    started_at: AwareDatetime
    duration_ms: int
    status: Annotated[int | None, Field(description="HTTP status; null when there was no answer.")]
    error: Annotated[str | None, Field(description="Why there was no answer.", examples=["timeout"])]
    response_excerpt: Annotated[str | None, Field(description="The beginning of the answer, up to 1 KB, as text.")]


class WebhookDeliveryDetail(WebhookDelivery):
    """A delivery with its attempts."""

    attempts: Annotated[list[WebhookAttempt], Field(description="Oldest first.")]


DELIVERIES = Resource(
    name="webhook_delivery",
    plural="webhook-deliveries",
    table=webhook_deliveries,
    read=WebhookDelivery,
    example={
        "endpoint_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
        "event_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
        "event_type": "ticket.status_changed",
        "state": "pending",
        "attempt_count": 1,
        "next_attempt_at": "2026-11-23T09:30:06Z",
        "last_status": 503,
        "last_error": None,
        "delivered_at": None,
    },
    filters=(
        Filter("endpoint_id", webhook_deliveries.c.endpoint_id, UUID),
        Filter("event_id", webhook_deliveries.c.event_id, UUID),
        Filter("event_type", webhook_deliveries.c.event_type, str),
        Filter("state", webhook_deliveries.c.state, State),
    ),
)
ATTEMPT_EXAMPLE = {
    "number": 1,
    "started_at": "2026-11-23T09:30:00Z",
    "duration_ms": 412,
    "status": 503,
    "error": None,
    "response_excerpt": "upstream is restarting",
}

_QUERY: Any = DELIVERIES.listing.query_model

router = ResourceRouter(DELIVERIES)


@router.get(
    "",
    operation_id=operation(DELIVERIES, "list"),
    summary="List webhook deliveries",
    description="Pages through the deliveries to all endpoints, newest first unless `sort` says otherwise.",
)
async def list_deliveries(
    request: Request, query: Annotated[_QUERY, Query()], ctx: Annotated[Ctx, allowed("webhook-deliveries:read")]
) -> Page[WebhookDelivery]:
    """List deliveries."""
    listed: PageQuery = query
    found = await find_page(ctx, DELIVERIES.listing, listed, request.app.state.runtime.signer)
    rows = [WebhookDelivery.from_record(row) for row in found.rows]
    return Page[WebhookDelivery].trusted({"data": rows, "page": found.page, "total": found.total})


@router.get(
    "/{id}",
    operation_id=operation(DELIVERIES, "get"),
    summary="Get one webhook delivery",
    description="Reads one delivery with every attempt at it and what the receiver answered.",
)
async def get_delivery(
    id: UUID, response: Response, ctx: Annotated[Ctx, allowed("webhook-deliveries:read")]
) -> WebhookDeliveryDetail:
    """Read a delivery."""
    found = await crud.fetch(ctx, DELIVERIES, id)
    attempts = await ctx.tx.all(WebhookAttempt, _ATTEMPTS, {"tenant": ctx.tenant_id, "delivery": id})
    tag_response(response, found)
    return WebhookDeliveryDetail.trusted({**vars(found), "attempts": attempts})


@router.post(
    "/{id}/redeliver",
    status_code=202,
    operation_id=operation(DELIVERIES, "redeliver"),
    summary="Send a webhook delivery again",
    description=(
        "Sends it now, under the same `webhook-id`. One that is pending is only tried sooner; any other starts the "
        "schedule of retries anew. Refused while it is just being sent and while its endpoint is off."
    ),
)
async def redeliver(
    id: UUID, response: Response, ctx: Annotated[Ctx, allowed("webhook-deliveries:write")]
) -> WebhookDelivery:
    """Send a delivery again."""
    sent = await send_again(replace(ctx, now=ctx.real_now), id)
    tag_response(response, sent)
    return sent


async def send_again(ctx: Ctx, delivery_id: UUID) -> WebhookDelivery:
    """Make a delivery due now, in real time as `ctx` is.

    The job is locked before the delivery, in the order in which a worker that records attempts takes them.
    """
    seen = await crud.fetch(ctx, DELIVERIES, delivery_id)
    await check_endpoint(ctx, seen.endpoint_id)
    values: dict[str, Any] = {"next_attempt_at": ctx.now}
    if seen.state == State.PENDING:
        key = {"tenant": ctx.tenant_id, "delivery": delivery_id}
        job_id = await ctx.tx.value(_JOB_OF, key)
        hastened = await ctx.tx.run(_HASTEN, {"tenant": ctx.tenant_id, "job": job_id})
        if not hastened:
            raise _in_progress(delivery_id)
        before = await crud.fetch_locked(ctx, DELIVERIES, delivery_id)
    else:
        before = await crud.fetch_locked(ctx, DELIVERIES, delivery_id)
        if before.state == State.PENDING:
            raise _in_progress(delivery_id)
        job = delivery_job(
            ctx,
            delivery_id,
            before.endpoint_id,
            event_type=before.event_type,
            attempts_before=before.attempt_count,
        )
        (job_id,) = await jobs.put(ctx, [job])
        values |= {"state": State.PENDING, "job_id": job_id}
    await lanes.reopen(ctx, seen.endpoint_id)
    sent = await crud.store_changes(ctx, DELIVERIES, before, values)
    record(ctx, "webhook_delivery.redelivered", object_id=delivery_id, version=sent.version)
    return sent


async def check_endpoint(ctx: Ctx, endpoint_id: UUID) -> None:
    """Refuse to send to an endpoint that is off or was deleted; raises EndpointDisabledError."""
    endpoint = (await crud.fetch_many(ctx, ENDPOINTS, [endpoint_id])).get(endpoint_id)
    if endpoint is None or not endpoint.is_enabled:
        message = f"The endpoint {endpoint_id} is switched off or deleted; nothing can be sent to it."
        raise EndpointDisabledError(message)


def _in_progress(delivery_id: UUID) -> DeliveryInProgressError:
    return DeliveryInProgressError(f"The delivery {delivery_id} is just being sent.", retry_after=_SOON)
