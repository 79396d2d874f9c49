"""Writing plans: who may, and what is refused before a plan could run into it.

A plan opens tickets for the tenant, whoever wrote it; so it is written by somebody who may open tickets for everybody.
Its ticket is really opened once, under every guard there is, and taken back.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, select

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.domain.errors import ConflictError, InvalidError, Refusal
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.recurrence import dates_of, is_counted
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.visibility import check_fields
from helpdesk_api.tickets import service
from helpdesk_api.tickets.plans.opening import as_plan, values_of
from helpdesk_api.tickets.plans.progress import begin_anew, upcoming
from helpdesk_api.tickets.plans.schemas import (
    HolidayShift,
    Outcome,
    PlanTargetsInput,
    Recurs,
    TicketPlan,
    TicketPlanOccurrence,
    TicketTemplateInput,
)
from helpdesk_api.tickets.plans.tables import OCCURRENCES, TICKET_PLANS, ticket_plan_occurrences, ticket_plans
from helpdesk_api.tickets.plans.targets import Target, check_targets
from helpdesk_api.tickets.plans.timetables import Adjustment
from helpdesk_api.tickets.resources import TICKETS

MOST_PLANS: Final = 500
# What changes when a plan has its occurrences.
_TIMES: Final = frozenset(
    {
        *("recurrence", "recurs", "starts_on", "ends_on", "time_of_day", "time_zone", "lead_days", "holiday_shift"),
        *("calendar_id", "is_active"),
    }
)
_COUNT: Final = Statement(
    select(func.count()).select_from(ticket_plans).where(ticket_plans.c.tenant_id == bindparam("tenant"))
)
_LEFT_OUT: Final = Statement(
    select(ticket_plan_occurrences.c.occurs_on).where(
        ticket_plan_occurrences.c.tenant_id == bindparam("tenant"),
        ticket_plan_occurrences.c.plan_id == bindparam("plan"),
        ticket_plan_occurrences.c.outcome == Outcome.SKIPPED,
    )
)


class TooManyPlansError(ConflictError):
    """The tenant has as many plans as it may have."""

    code = "too_many_ticket_plans"
    title = "There may be no more plans"


class InvalidRecurrenceError(InvalidError):
    """The times of a plan do not go together, or give no occurrence at all."""

    code = "invalid_recurrence"
    title = "The plan has no occurrences so"


class NoOccurrenceError(InvalidError):
    """The plan has no occurrence on that date that is still to come."""

    code = "no_such_occurrence"
    title = "There is no such occurrence"


async def check_plan(ctx: Ctx, given: dict[str, Any], before: TicketPlan | None) -> dict[str, Any]:
    """Refuse a plan that its author may not write, that has no occurrences, or whose ticket could not be opened.

    Raises ReachTooNarrowError, TooManyPlansError, InvalidRecurrenceError, UnknownReferenceError, FieldNotAllowedError,
    and what opening its ticket raises.
    """
    ctx.principal.require("tickets:write")
    if not ctx.principal.reach.is_unlimited:
        message = "A plan opens tickets for the whole tenant; this caller sees some of it."
        raise ReachTooNarrowError(message)
    if before is None and await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_PLANS:
        message = f"A tenant may have {MOST_PLANS} plans."
        raise TooManyPlansError(message, params={"most": MOST_PLANS})
    whole = given if before is None else vars(before) | given
    await _check_times(ctx, whole)
    if "targets" in given:
        await check_targets(ctx, PlanTargetsInput.model_validate(given["targets"]).model_dump())
    if "ticket" in given:
        await _check_ticket(ctx, given["ticket"])
    return given


async def follow_plan(ctx: Ctx, given: Mapping[str, Any], before: TicketPlan | None, after: TicketPlan) -> None:
    """Let a plan wait for what is next, if that may be something else now."""
    del given
    if before is None or any(getattr(before, name) != getattr(after, name) for name in _TIMES):
        await begin_anew(ctx, after)


async def skip_occurrence(ctx: Ctx, plan_id: UUID, on: date) -> TicketPlanOccurrence:
    """Leave out an occurrence that is still to come; raises NotFoundError and NoOccurrenceError."""
    plan = await crud.fetch_locked(ctx, TICKET_PLANS, plan_id)
    left_out = await left_out_of(ctx, plan_id)
    for planned in await upcoming(ctx, plan):
        if planned.occurs_on < on:
            continue
        if planned.occurs_on > on or planned.adjustment is Adjustment.SKIPPED or on in left_out:
            break
        values = {"plan_id": plan.id, "occurs_on": on, "target_id": None, "planned_at": planned.planned_at}
        return await crud.add(
            ctx, OCCURRENCES, values | {"outcome": Outcome.SKIPPED, "ticket_id": None, "reason": None}
        )
    message = f"The plan has no occurrence on {on} that is still to come."
    raise NoOccurrenceError(message, pointer="/occurs_on")


async def left_out_of(ctx: Ctx, plan_id: UUID) -> set[date]:
    """Give the dates of a plan that were left out by hand."""
    return {row["occurs_on"] for row in await ctx.tx.rows(_LEFT_OUT, {"tenant": ctx.tenant_id, "plan": plan_id})}


async def _check_times(ctx: Ctx, whole: Mapping[str, Any]) -> None:
    starts_on, ends_on = whole["starts_on"], whole["ends_on"]
    if ends_on is not None and ends_on < starts_on:
        message = f"It would end on {ends_on}, before it starts on {starts_on}."
        raise InvalidRecurrenceError(message, pointer="/ends_on")
    if whole["recurs"] == Recurs.FLOATING and is_counted(whole["recurrence"]):
        message = "The rule of a floating plan begins anew each time: it cannot count. State ends_on."
        raise InvalidRecurrenceError(message, pointer="/recurrence")
    if whole["holiday_shift"] != HolidayShift.NONE and whole["calendar_id"] is None:
        message = "Without a calendar nothing tells which days are working days."
        raise InvalidRecurrenceError(message, pointer="/calendar_id")
    if whole["calendar_id"] is not None and not await crud.fetch_many(ctx, CALENDARS, [whole["calendar_id"]]):
        message = f"There is no calendar {whole['calendar_id']}."
        raise UnknownReferenceError(message, pointer="/calendar_id")
    first = next(dates_of(whole["recurrence"], starts_on, not_before=starts_on), None)
    if first is None or (ends_on is not None and first > ends_on):
        message = "The rule gives no date between start and end."
        raise InvalidRecurrenceError(message, pointer="/recurrence")


async def _check_ticket(ctx: Ctx, given: Mapping[str, Any]) -> None:
    """Open the ticket and take it back. What depends on the day, as cover by a contract does, is left for the day."""
    template = TicketTemplateInput.model_validate(given)
    stated = {f"ticket/{name}": name for name, value in template.model_dump().items() if value}
    check_fields(TICKETS.groups, ctx.principal.field_groups, stated, creating=True)
    acting = replace(as_plan(ctx, None), reactions={})
    try:
        async with undoable(acting) as part:
            await service.create_ticket(acting, await values_of(acting, template, Target(None)))
            part.undo()
    except InvalidError as refusal:
        refusal.errors = tuple(replace(error, pointer=f"/ticket{error.pointer}") for error in refusal.errors)
        raise
    except Refusal as refusal:
        if not isinstance(refusal, ConflictError):
            raise
