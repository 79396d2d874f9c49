"""The blast radius of an edit of a calendar: which deadlines of open tickets would move, and the edit if they still do.

The edit is really made, the clocks are measured by it as `tickets.recomputing` does it, and all of it is taken back.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from sqlalchemy import Integer, Uuid, bindparam, literal_column, select, tuple_

from helpdesk_api.agreements.calendar_routes import change_calendar
from helpdesk_api.agreements.calendar_schemas import HOURS_FIELDS, Calendar, CalendarEdit
from helpdesk_api.agreements.calendar_versions import edits_of, in_force
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.resource_routes import check_given
from helpdesk_api.kit.schema import Input, patch_model
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.blast_radius import MovedDeadlines, Radius, check_plan, fingerprint, signed, told
from helpdesk_api.tickets.clock_rows import READ, TicketClock, from_row
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.recomputing import Edited, measured_anew

_AT_ONCE: Final = 100

_LIVE = Statement(
    select(*READ, sla_clocks.c.history)
    .where(
        sla_clocks.c.tenant_id == bindparam("tenant"),
        sla_clocks.c.calendar_id == bindparam("calendar"),
        # Written as the index has it.
        literal_column("state IN ('running', 'paused')"),
        tuple_(sla_clocks.c.ticket_id, sla_clocks.c.id)
        > tuple_(bindparam("after_ticket", type_=Uuid), bindparam("after_clock", type_=Uuid)),
    )
    .order_by(sla_clocks.c.ticket_id, sla_clocks.c.id)
    .limit(bindparam("most", type_=Integer))
)

CalendarUpdate: Final[Any] = patch_model(CalendarEdit, of="Calendar")


class CalendarApply(Input):
    """An edit of a calendar that was planned."""

    edit: Annotated[
        CalendarUpdate,
        Field(description="The edit that was planned, with the `effective_from` that the plan tells."),
    ]
    plan: Annotated[str, Field(max_length=400, description="That of the plan.")]


class CalendarPlan(MovedDeadlines):
    """What an edit of a calendar would do to the deadlines of open tickets."""

    calendar_id: UUID
    calendar_version: Annotated[int, Field(description="That the edit would lead to.")]
    effective_from: Annotated[
        AwareDatetime | None, Field(description="From when on the edit would hold; null for all time.")
    ]


router = APIRouter(prefix=f"/v1/{CALENDARS.plural}/{{id}}", tags=[CALENDARS.plural], route_class=UnitOfWorkRoute)

_MOVE: Final = {
    "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "clock_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e45",
    "metric": "resolution",
    "due_before": "2026-11-24T15:00:00Z",
    "due_at": "2026-11-25T15:00:00Z",
    "is_breaching": False,
}
MOVED_EXAMPLE: Final = {
    "plan": "cGxhbi1vZi1hbi1lZGl0",
    "expires_at": "2026-11-24T09:30:00Z",
    "clock_count": 12,
    "ticket_count": 1,
    "moved_count": 1,
    "earlier_count": 0,
    "breaching_count": 0,
    "moves": [_MOVE],
}
_EDIT: Final = {"holidays": [{"on": "2026-11-24", "name": "Flood"}], "effective_from": "2026-11-23T09:30:00Z"}
CALENDAR_PLAN_EXAMPLES: Final = {
    "CalendarApply": {"edit": _EDIT, "plan": MOVED_EXAMPLE["plan"]},
    "CalendarPlan": {
        **MOVED_EXAMPLE,
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
        "calendar_version": 3,
        "effective_from": "2026-11-23T09:30:00Z",
    },
}


@router.post(
    "/plan",
    operation_id="calendars_plan",
    summary="Tell which deadlines an edit would move",
    description=(
        "Makes an edit of a calendar, measures the running and paused clocks of tickets by it, and takes all of it "
        "back: nothing is changed or recorded. Refused when more than 5,000 clocks run by the calendar."
    ),
)
async def plan_edit(
    id: UUID, body: CalendarUpdate, request: Request, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> CalendarPlan:
    """Plan an edit."""
    check_given(ctx, CALENDARS, body)
    async with undoable(ctx) as part:
        calendar, radius = await _changed(ctx, id, body.given())
        part.undo()
    plan, expires_at = signed(request.app.state.runtime.signer, ctx, _named(ctx, calendar, radius))
    return CalendarPlan(
        plan=plan,
        expires_at=expires_at,
        calendar_id=id,
        calendar_version=calendar.version,
        effective_from=calendar.effective_from,
        **await told(ctx, radius),
    )


@router.post(
    "/apply",
    operation_id="calendars_apply",
    summary="Make an edit that was planned",
    description=(
        "Edits a calendar as PATCH does, but only if that moves the very deadlines that the plan told. Records what "
        "PATCH records; the deadlines follow in the background."
    ),
)
async def apply_edit(
    id: UUID, body: CalendarApply, request: Request, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> Calendar:
    """Apply a plan."""
    check_given(ctx, CALENDARS, body.edit)
    calendar, radius = await _changed(ctx, id, body.edit.given())
    check_plan(request.app.state.runtime.signer, ctx, body.plan, _named(ctx, calendar, radius))
    return await crud.fetch(ctx, CALENDARS, id)


def _named(ctx: Ctx, calendar: Calendar, radius: Radius) -> str:
    return fingerprint(ctx, calendar.model_dump(mode="json"), radius)


async def _changed(ctx: Ctx, calendar_id: UUID, given: dict[str, Any]) -> tuple[Calendar, Radius]:
    """Edit a calendar, and find which deadlines that moves."""
    if not given.keys().isdisjoint(HOURS_FIELDS):
        # Said once, so that the same edit is meant when it is applied later.
        given = {"effective_from": ctx.now} | given
    after = await change_calendar(ctx, calendar_id, given)
    # Not by `hours_of`, which remembers: this version may be taken back.
    hours = in_force(await edits_of(ctx, after.id, after.version))
    edited, radius = Edited(after.id, after.version, hours), Radius()
    async for item, history in _live(ctx, calendar_id):
        radius.count()
        if history and edited.is_ahead_of(item):
            measured, _ = await measured_anew(ctx, item, history, edited)
            radius.note(item, measured.clock)
    return after, radius


async def _live(ctx: Ctx, calendar_id: UUID) -> AsyncIterator[tuple[TicketClock, list[dict[str, Any]]]]:
    """Go through the live clocks of a calendar, a part at a time, so that others are served in between."""
    place = {"after_ticket": UUID(int=0), "after_clock": UUID(int=0)}
    rows: list[Record] = []
    while not rows or len(rows) == _AT_ONCE:
        rows = await ctx.tx.rows(_LIVE, {"tenant": ctx.tenant_id, "calendar": calendar_id, "most": _AT_ONCE, **place})
        if not rows:
            return
        for row in rows:
            yield await from_row(ctx, row), row["history"]
        place = {"after_ticket": rows[-1]["ticket_id"], "after_clock": rows[-1]["id"]}
