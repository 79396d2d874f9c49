"""The endpoints of retention: the settings, the dry run, and the runs."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import MERGE_PATCH, ResourceRouter, add_reading, tag_response
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.retention.preview import PreviewQuery, RetentionPreview, preview
from helpdesk_api.retention.runs import RUNS, RetentionRun, request_run
from helpdesk_api.retention.settings import (
    Held,
    RetentionSettings,
    RetentionSettingsUpdate,
    amend_settings,
    settings_of,
)

settings_router = APIRouter(prefix="/v1", tags=["retention-settings"], route_class=UnitOfWorkRoute)
router = ResourceRouter(RUNS)


@settings_router.get(
    "/retention-settings",
    operation_id="retention_settings_get",
    summary="Get the retention settings",
    description="Reads for how many days the tenant keeps what.",
    response_model=RetentionSettings,
)
async def get_settings(response: Response, ctx: Annotated[Ctx, allowed("retention-settings:read")]) -> Held:
    """Read the settings."""
    found = await settings_of(ctx)
    tag_response(response, found)
    return found


@settings_router.patch(
    "/retention-settings",
    operation_id="retention_settings_update",
    summary="Change the retention settings",
    description=(
        "Changes the given fields (RFC 7396) and records `retention_settings.updated`. Nothing is removed by this: a "
        "worker applies the rules once a day, and `POST /v1/retention-runs` at once. See first what would go with "
        "`GET /v1/retention-preview`."
    ),
    response_model=RetentionSettings,
)
async def update_settings(
    body: Annotated[RetentionSettingsUpdate, Body(media_type=MERGE_PATCH)],
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("retention-settings:write")],
) -> Held:
    """Change the settings."""
    changed = await amend_settings(ctx, body.given(), expected=expected)
    tag_response(response, changed)
    return changed


@settings_router.get(
    "/retention-preview",
    operation_id="retention_preview_get",
    openapi_extra=documented(PreviewQuery),
    summary="See what retention would remove",
    description=(
        "Tells what would go if the rules were applied now: how many, and from when the oldest and the newest are. "
        "Parameters stand in for the days that are set, so that a rule can be tried before it is set. Changes nothing."
    ),
)
async def get_preview(request: Request, ctx: Annotated[Ctx, allowed("retention-settings:read")]) -> RetentionPreview:
    """Tell what would go."""
    return await preview(ctx, read_query(request, PreviewQuery))


add_reading(router, RUNS)


@router.post(
    "",
    status_code=202,
    operation_id="retention_apply",
    summary="Apply the retention rules now",
    description=(
        "Has a worker remove everything that is due under the rules as they are set; follow `state` at the "
        "`Location`. Records `retention_run.created`, and `retention_run.completed` in the end. Refused while a run is "
        "under way, and while a legal hold is set."
    ),
)
async def apply_now(response: Response, ctx: Annotated[Ctx, allowed("retention-runs:write")]) -> RetentionRun:
    """Apply the rules."""
    begun = await request_run(replace(ctx, now=ctx.real_now))
    response.headers["location"] = f"/v1/retention-runs/{begun.id}"
    tag_response(response, begun)
    return begun
