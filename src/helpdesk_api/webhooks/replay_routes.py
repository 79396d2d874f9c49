"""The endpoints of replays: beginning one at an endpoint, reading how far it is, and cancelling it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, operation, tag_response
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.endpoint_checks import check_payload
from helpdesk_api.webhooks.endpoints import ENDPOINTS
from helpdesk_api.webhooks.event_patterns import is_wanted
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.event_visibility import check_subscription
from helpdesk_api.webhooks.feed import position_of
from helpdesk_api.webhooks.feed_start import check_position
from helpdesk_api.webhooks.replays import (
    REPLAYS,
    WebhookRecovery,
    WebhookReplay,
    WebhookReplayCreate,
    cancel_replay,
    lock_for_replay,
    start_recovery,
    start_replay,
)

_Writing = Annotated[Ctx, allowed("webhook-endpoints:write")]

router = ResourceRouter(REPLAYS)
add_reading(router, REPLAYS)

starting = APIRouter(prefix=f"/v1/{ENDPOINTS.plural}/{{id}}", tags=[ENDPOINTS.plural], route_class=UnitOfWorkRoute)


@starting.post(
    "/recover",
    status_code=202,
    operation_id=operation(ENDPOINTS, "recover"),
    summary="Send again what failed at a webhook endpoint",
    description=(
        "Sends every delivery of the window that failed or was cancelled once more, under the same `webhook-id`, each "
        "with a new schedule of retries. A worker does it in steps: follow `progress_percent` at the `Location`, where "
        "it can be cancelled. One replay at a time goes to an endpoint. Records `webhook_replay.created`."
    ),
)
async def recover(id: UUID, body: WebhookRecovery, response: Response, ctx: _Writing) -> WebhookReplay:
    """Recover a window."""
    return _announced(response, await start_recovery(ctx, id, body))


@starting.post(
    "/replay",
    status_code=202,
    operation_id=operation(ENDPOINTS, "replay"),
    summary="Send events again to a webhook endpoint",
    description=(
        "Sends the events since a cursor of the feed or a point in time to this endpoint, as far as it wants them: "
        "what was delivered before arrives again under the same `webhook-id`, and what happened before the endpoint "
        "was created arrives for the first time. What happens from now on is sent as usual and not part of it. A "
        "worker does it in steps, and waits while a thousand messages are queued for the endpoint. Records "
        "`webhook_replay.created`."
    ),
)
async def replay(
    id: UUID, body: WebhookReplayCreate, request: Request, response: Response, ctx: _Writing
) -> WebhookReplay:
    """Replay from a point."""
    runtime = request.app.state.runtime
    endpoint = await lock_for_replay(ctx, id)
    check_payload(ctx, endpoint.payload, endpoint.field_groups)
    sent = [name for name in EVENT_TYPES if is_wanted(name, endpoint.event_types) and is_wanted(name, body.event_types)]
    check_subscription(ctx, runtime.resources, sent)
    position = None if body.after is None else position_of(runtime.signer, ctx.tenant_id, body.after)
    if position is not None:
        await check_position(ctx, position)
    return _announced(response, await start_replay(ctx, id, body, position))


@router.post(
    "/{id}/cancel",
    operation_id=operation(REPLAYS, "cancel"),
    summary="Cancel a webhook replay",
    description="Queues nothing more; what is queued already is still sent. Records `webhook_replay.cancelled`.",
)
async def cancel(id: UUID, response: Response, ctx: Annotated[Ctx, allowed("webhook-replays:write")]) -> WebhookReplay:
    """Cancel a replay."""
    cancelled = await cancel_replay(ctx, id)
    tag_response(response, cancelled)
    return cancelled


def _announced(response: Response, started: WebhookReplay) -> WebhookReplay:
    response.headers["location"] = f"/v1/{REPLAYS.plural}/{started.id}"
    tag_response(response, started)
    return started
