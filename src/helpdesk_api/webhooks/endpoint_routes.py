"""The endpoints of webhook endpoints: the usual ones. What else can be done with one is `webhooks.endpoint_actions`."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Body, Request, Response

from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import (
    MERGE_PATCH,
    ResourceRouter,
    add_delete,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.webhooks import endpoint_life
from helpdesk_api.webhooks.conditions import check_condition
from helpdesk_api.webhooks.credentials import Authentication
from helpdesk_api.webhooks.endpoint_checks import check_payload, check_room
from helpdesk_api.webhooks.endpoints import (
    ENDPOINTS,
    NewWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointCreate,
)
from helpdesk_api.webhooks.event_visibility import check_subscription

_TELLING: Final = frozenset({"url", "event_types", "condition", "payload", "field_groups"})

router = ResourceRouter(ENDPOINTS)
add_reading(router, ENDPOINTS)
add_delete(router, ENDPOINTS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(ENDPOINTS, "create"),
    summary="Create a webhook endpoint",
    description=(
        "Stores an endpoint, makes its keys, shows the secret this once, and sends a signed ping. Once the receiver "
        "has answered that with 2xx, `verified_at` is set and every event recorded from now on is sent, those that "
        "waited first. A tenant may have 20 endpoints."
    ),
)
async def create_endpoint(
    body: WebhookEndpointCreate,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("webhook-endpoints:write")],
) -> NewWebhookEndpoint:
    """Create an endpoint."""
    runtime = request.app.state.runtime
    runtime.outbound.check_url(body.url)
    _check_token_url(runtime, body.authentication)
    check_payload(ctx, body.payload, body.field_groups)
    check_subscription(ctx, runtime.resources, body.event_types)
    await check_condition(ctx, body.condition)
    await check_room(ctx)
    created = await endpoint_life.make(ctx, runtime.sealer, body.model_dump())
    announce_created(request, response, created)
    return created


@router.patch(
    "/{id}",
    operation_id=operation(ENDPOINTS, "update"),
    summary="Change a webhook endpoint",
    description=(
        "Changes the given fields (RFC 7396) and records `webhook_endpoint.updated`. Another URL has to be verified by "
        "a ping, which is sent at once, and so has an endpoint that is switched on again. A delivery that falls due "
        "while its endpoint is off is cancelled, and can be sent again by hand."
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
    runtime = request.app.state.runtime
    changes = body.given()
    _check_token_url(runtime, getattr(body, "authentication", None))
    if "url" in changes:
        runtime.outbound.check_url(changes["url"])
    if not changes.keys().isdisjoint(_TELLING):
        # Who changes where messages go or what they tell has all of it sent, also what was chosen before.
        whole = vars(await crud.fetch_locked(ctx, ENDPOINTS, id)) | changes
        check_payload(ctx, whole["payload"], whole["field_groups"])
        check_subscription(ctx, runtime.resources, whole["event_types"])
        await check_condition(ctx, whole["condition"])
    changed = await endpoint_life.change(ctx, runtime.sealer, id, changes, expected=expected)
    tag_response(response, changed)
    return changed


def _check_token_url(runtime: Runtime, authentication: Authentication | None) -> None:
    if authentication is not None and authentication.token_url is not None:
        runtime.outbound.check_url(authentication.token_url, pointer="/authentication/token_url")
