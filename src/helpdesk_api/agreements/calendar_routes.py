"""The endpoints of calendars and their versions."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from helpdesk_api.agreements.calendar_schemas import (
    Calendar,
    CalendarCreate,
    CalendarEdit,
    CalendarVersionDetail,
    CalendarVersions,
)
from helpdesk_api.agreements.calendar_versions import dated, keep_version, version_of, versions_of
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.sla_policies import check_policies_of
from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import change, create
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.unit_of_work import allowed

_EDIT_NOTE = (
    "The hours that are given hold from `effective_from` on, now unless it says otherwise; what is not given keeps its "
    "course. The deadlines of open tickets follow in the background: `ticket.sla_retargeted` tells each that moves, "
    "`calendar.deadlines_recomputed` the end. Hours that the targets of a policy could not be reached in are refused."
)


async def keep(ctx: Ctx, given: Mapping[str, Any], before: Calendar | None, after: Calendar) -> None:
    """Keep a version of what was edited; raises NeverOpensError, TargetOutOfReachError and TooManyVersionsError."""
    known = await keep_version(ctx, given, before, after)
    if known is not None and before is not None:
        await check_policies_of(ctx, after.id, known)


async def add_calendar(ctx: Ctx, calendar: CalendarCreate) -> Calendar:
    """Store a calendar and its first version."""
    return await create(ctx, CALENDARS, calendar.model_dump(), check=dated, follow=keep)


async def change_calendar(
    ctx: Ctx, calendar_id: UUID, given: dict[str, Any], *, expected: int | None = None
) -> Calendar:
    """Change a calendar as its endpoint does."""
    return await change(ctx, CALENDARS, calendar_id, given, expected=expected, check=dated, follow=keep)


router = ResourceRouter(CALENDARS)
add_reading(router, CALENDARS)
add_create(router, CALENDARS, CalendarCreate, check=dated, follow=keep, note="It counts as if it had always held.")
add_update(router, CALENDARS, patch_model(CalendarEdit, of="Calendar"), check=dated, follow=keep, note=_EDIT_NOTE)
add_delete(router, CALENDARS)


@router.get(
    "/{id}/versions",
    operation_id="calendar_versions_list",
    summary="List the versions of a calendar",
    description=(
        "Lists every edit of the hours, oldest first, with the instant from which on it holds. A field that an edit "
        "states holds from that instant on; a computation uses for each moment the hours in force at that moment."
    ),
)
async def list_versions(id: UUID, ctx: Annotated[Ctx, allowed("calendars:read")]) -> CalendarVersions:
    """List versions."""
    await crud.fetch(ctx, CALENDARS, id)
    return CalendarVersions.trusted({"data": await versions_of(ctx, id)})


@router.get(
    "/{id}/versions/{version_id}",
    operation_id="calendar_versions_get",
    summary="Get one version of a calendar",
    description="Reads one edit, with all the hours as they were stated after it.",
)
async def get_version(
    id: UUID, version_id: UUID, ctx: Annotated[Ctx, allowed("calendars:read")]
) -> CalendarVersionDetail:
    """Read a version."""
    await crud.fetch(ctx, CALENDARS, id)
    found = await version_of(ctx, id, version_id)
    if found is None:
        message = f"The calendar {id} has no version {version_id}."
        raise NotFoundError(message, params={"id": str(version_id)})
    return found
