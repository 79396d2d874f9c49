"""What can be done with a webhook endpoint besides changing it: ping, pause, resume, and a new secret.

Testing one is `webhooks.test_messages`.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response
from pydantic import Field

from helpdesk_api.kit import crud, lanes
from helpdesk_api.kit.conditional import IfMatch, check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource_routes import operation, tag_response
from helpdesk_api.kit.rotation import SecretRotatingError
from helpdesk_api.kit.schema import Flag, Input
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks import endpoint_life
from helpdesk_api.webhooks.endpoints import (
    BOTH_SECRETS_SIGN_FOR,
    ENDPOINTS,
    NewWebhookEndpoint,
    WebhookEndpoint,
    with_secret,
)
from helpdesk_api.webhooks.models import webhook_endpoints
from helpdesk_api.webhooks.signing import SigningKeys
from helpdesk_api.webhooks.test_messages import WebhookTest

_Writing = Annotated[Ctx, allowed("webhook-endpoints:write")]


class SecretRotation(Input):
    """How to replace a secret."""

    force: Annotated[
        Flag, Field(description="Replace it even while the former secret still signs, which then ends at once.")
    ] = False


_GENTLY = SecretRotation()


router = APIRouter(prefix=f"/v1/{ENDPOINTS.plural}/{{id}}", tags=[ENDPOINTS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/rotate-secret",
    operation_id=operation(ENDPOINTS, "rotate_secret"),
    summary="Replace the secret of a webhook endpoint",
    description=(
        "Makes a new secret and a new pair of keys, and shows the secret this once. For 24 hours messages carry the "
        "signatures of the new and of the former keys, so that the receiver can be changed without losing any. "
        "Replacing them again within that time is refused, unless `force` is true. Records "
        "`webhook_endpoint.secret_rotated`."
    ),
)
async def rotate_secret(
    id: UUID,
    body: Annotated[SecretRotation, Body()] = _GENTLY,
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: _Writing,
) -> NewWebhookEndpoint:
    """Replace a secret."""
    before = await crud.fetch_locked(ctx, ENDPOINTS, id)
    check_version(before.version, expected)
    until = before.previous_secret_expires_at
    if until is not None and until > ctx.real_now and not body.force:
        message = f"The former secret signs until {until.isoformat()}; use `force` to end it now."
        raise SecretRotatingError(message, params={"previous_secret_expires_at": until.isoformat()})
    keys = SigningKeys.new()
    expires_at = ctx.real_now + BOTH_SECRETS_SIGN_FOR
    values = {
        "public_key": keys.public_key,
        "sealed_keys": endpoint_life.sealed_keys(ctx, request.app.state.runtime.sealer, id, keys),
        "sealed_previous_keys": webhook_endpoints.c.sealed_keys,
        "previous_secret_expires_at": expires_at,
    }
    rotated = await crud.store_changes(ctx, ENDPOINTS, before, values)
    record(
        ctx,
        "webhook_endpoint.secret_rotated",
        object_id=id,
        version=rotated.version,
        changes={
            "previous_secret_expires_at": (until, expires_at),
            "public_key": (before.public_key, rotated.public_key),
        },
    )
    tag_response(response, rotated)
    return with_secret(rotated, keys.secret)


@router.post(
    "/ping",
    status_code=202,
    operation_id=operation(ENDPOINTS, "ping"),
    summary="Ping a webhook endpoint",
    description=(
        "Records a `webhook_endpoint.ping` event and sends it to this endpoint only, also while that is paused or not "
        "yet verified. An answer of 2xx verifies the endpoint: `webhook_endpoint.verified` is recorded and what waited "
        "is sent."
    ),
)
async def ping_endpoint(id: UUID, ctx: _Writing) -> WebhookTest:
    """Send a ping."""
    endpoint_life.ping(ctx, await endpoint_life.switched_on(ctx, id))
    return WebhookTest(event_id=ctx.events[-1].id)


@router.post(
    "/pause",
    operation_id=operation(ENDPOINTS, "pause"),
    summary="Pause a webhook endpoint",
    description=(
        "Lets what happens wait instead of being sent, until the endpoint is resumed; what is under way is finished. "
        "Waiting uses up no attempts."
    ),
)
async def pause(id: UUID, *, response: Response, expected: IfMatch, ctx: _Writing) -> WebhookEndpoint:
    """Pause an endpoint."""
    before = await crud.fetch_locked(ctx, ENDPOINTS, id)
    paused_at = before.paused_at or ctx.real_now
    after = await crud.amend(ctx, ENDPOINTS, id, {"paused_at": paused_at}, expected=expected)
    await lanes.shut(ctx, id)
    tag_response(response, after)
    return after


@router.post(
    "/resume",
    operation_id=operation(ENDPOINTS, "resume"),
    summary="Resume a webhook endpoint",
    description="Sends what waited, and from now on everything as it happens.",
)
async def resume(id: UUID, *, response: Response, expected: IfMatch, ctx: _Writing) -> WebhookEndpoint:
    """Resume an endpoint."""
    after = await crud.amend(ctx, ENDPOINTS, id, {"paused_at": None}, expected=expected)
    await lanes.reopen(ctx, id)
    tag_response(response, after)
    return after
