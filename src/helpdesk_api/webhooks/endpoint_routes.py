"""The endpoints of webhook endpoints: the usual ones, a new secret, and a test."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Request, Response
from pydantic import Field

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch, check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource import (
    MERGE_PATCH,
    ResourceRouter,
    add_delete,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Flag, Input, Output, patch_model
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.webhooks.endpoints import (
    BOTH_SECRETS_SIGN_FOR,
    ENDPOINTS,
    EndpointDisabledError,
    NewWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointCreate,
    check_room,
    switched,
    with_secret,
)
from helpdesk_api.webhooks.models import webhook_endpoints
from helpdesk_api.webhooks.signing import new_secret


class SecretRotatingError(ConflictError):
    """The secret was replaced a short while ago, and the former one still signs."""

    code = "secret_rotating"
    title = "The former secret is still in use"


class SecretRotation(Input):
    """How to replace a secret."""

    force: Annotated[
        Flag, Field(description="Replace it even while the former secret still signs, which then ends at once.")
    ] = False


_GENTLY = SecretRotation()


class WebhookTest(Output):
    """A test that is on its way."""

    event_id: Annotated[UUID, Field(description="The event that is sent; `webhook-deliveries?event_id=` follows it.")]


router = ResourceRouter(ENDPOINTS)
add_reading(router, ENDPOINTS)
add_delete(router, ENDPOINTS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(ENDPOINTS, "create"),
    summary="Create a webhook endpoint",
    description=(
        "Stores an endpoint, makes its secret and shows it this once. Events recorded from now on are sent to it. A "
        "tenant may have 20 endpoints."
    ),
)
async def create_endpoint(
    body: WebhookEndpointCreate,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("webhook-endpoints:write")],
) -> NewWebhookEndpoint:
    """Create an endpoint."""
    request.app.state.runtime.outbound.check_url(body.url)
    await check_room(ctx)
    secret = new_secret()
    values = body.model_dump() | switched(ctx, is_enabled=body.is_enabled) | {"secret": secret}
    created = await crud.add(ctx, ENDPOINTS, values)
    announce_created(request, response, created)
    return with_secret(created, secret)


@router.patch(
    "/{id}",
    operation_id=operation(ENDPOINTS, "update"),
    summary="Change a webhook endpoint",
    description=(
        "Changes the given fields (RFC 7396) and records `webhook_endpoint.updated`. Switching an endpoint on clears "
        "the reason why it was off. A delivery that falls due while its endpoint is off is cancelled, and can be sent "
        "again by hand."
    ),
)
async def update_endpoint(
    id: UUID,
    body: Annotated[patch_model(WebhookEndpointCreate), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("webhook-endpoints:write")],
) -> WebhookEndpoint:
    """Change an endpoint."""
    changes = body.model_dump(exclude_unset=True)
    if "url" in changes:
        request.app.state.runtime.outbound.check_url(changes["url"])
    before = await crud.fetch_locked(ctx, ENDPOINTS, id)
    if changes.get("is_enabled", before.is_enabled) is not before.is_enabled:
        changes |= switched(ctx, is_enabled=changes["is_enabled"])
    changed = await crud.amend(ctx, ENDPOINTS, id, changes, expected=expected)
    tag_response(response, changed)
    return changed


@router.post(
    "/{id}/rotate-secret",
    operation_id=operation(ENDPOINTS, "rotate_secret"),
    summary="Replace the secret of a webhook endpoint",
    description=(
        "Makes a new secret and shows it this once. For 24 hours messages carry two signatures, by the new and by the "
        "former secret, so that the receiver can be changed without losing any. Replacing it again within that time is "
        "refused, unless `force` is true. Records `webhook_endpoint.secret_rotated`."
    ),
)
async def rotate_secret(
    id: UUID,
    body: Annotated[SecretRotation, Body()] = _GENTLY,
    *,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("webhook-endpoints:write")],
) -> NewWebhookEndpoint:
    """Replace a secret."""
    before = await crud.fetch_locked(ctx, ENDPOINTS, id)
    check_version(before.version, expected)
    until = before.previous_secret_expires_at
    if until is not None and until > ctx.real_now and not body.force:
        message = f"The former secret signs until {until.isoformat()}; use `force` to end it now."
        raise SecretRotatingError(message, params={"previous_secret_expires_at": until.isoformat()})
    secret = new_secret()
    expires_at = ctx.real_now + BOTH_SECRETS_SIGN_FOR
    values = {
        "secret": secret,
        "previous_secret": webhook_endpoints.c.secret,
        "previous_secret_expires_at": expires_at,
    }
    rotated = await crud.store_changes(ctx, ENDPOINTS, before, values)
    record(
        ctx,
        "webhook_endpoint.secret_rotated",
        object_id=id,
        version=rotated.version,
        changes={"previous_secret_expires_at": (until, expires_at)},
    )
    tag_response(response, rotated)
    return with_secret(rotated, secret)


@router.post(
    "/{id}/test",
    status_code=202,
    operation_id=operation(ENDPOINTS, "test"),
    summary="Send a test to a webhook endpoint",
    description="Records a `webhook_endpoint.test` event and sends it to this endpoint only, whatever it wants else.",
)
async def send_test(id: UUID, ctx: Annotated[Ctx, allowed("webhook-endpoints:write")]) -> WebhookTest:
    """Send a test."""
    endpoint = await crud.fetch(ctx, ENDPOINTS, id)
    if not endpoint.is_enabled:
        message = f"The endpoint {id} is switched off; switch it on to test it."
        raise EndpointDisabledError(message)
    record(ctx, "webhook_endpoint.test", object_id=id, version=endpoint.version)
    return WebhookTest(event_id=ctx.events[-1].id)
