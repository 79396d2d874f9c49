"""The endpoints of calendars."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Request, Response

from helpdesk_api.agreements.calendar_schemas import Calendar, CalendarCreate
from helpdesk_api.agreements.calendars import CALENDARS, add_calendar, change_calendar
from helpdesk_api.agreements.sla_policies import check_policies_of
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
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.unit_of_work import allowed

router = ResourceRouter(CALENDARS)
add_reading(router, CALENDARS)
add_delete(router, CALENDARS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(CALENDARS, "create"),
    summary="Create a calendar",
    description="Stores a new calendar and records `calendar.created`.",
)
async def create_calendar(
    body: CalendarCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> Calendar:
    """Create a calendar."""
    created = await add_calendar(ctx, body)
    announce_created(request, response, created)
    return created


@router.patch(
    "/{id}",
    operation_id=operation(CALENDARS, "update"),
    summary="Change a calendar",
    description=(
        "Changes the given fields and records `calendar.updated`. Clocks that already run keep the version of the "
        "calendar they were started with; the new hours hold for clocks started from now on. Hours that the "
        "targets of a policy could not be reached in are refused."
    ),
)
async def update_calendar(
    id: UUID,
    body: Annotated[patch_model(CalendarCreate), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("calendars:write")],
) -> Calendar:
    """Change a calendar."""
    changed, is_new_version = await change_calendar(ctx, id, body.given(), expected=expected)
    if is_new_version:
        await check_policies_of(ctx, changed)
    tag_response(response, changed)
    return changed
