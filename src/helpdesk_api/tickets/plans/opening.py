"""Opening the tickets of plans when their time has come, and writing down what came of each occurrence.

Everything is asked again by then: the calendar, the targets, and whether somebody left the occurrence out. A ticket is
opened as any other is, by the plan; one that is refused is told of and holds up nothing else. What was missed is made
up for as the plan says.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Uuid, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Ctx, Principal
from helpdesk_api.kit.deadlines import DueDeadline, Unfired
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import WriteConflictError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.visibility import EVERY_GROUP
from helpdesk_api.tickets import service
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.plans.progress import expect, following, is_unfinished, progress_of
from helpdesk_api.tickets.plans.schemas import CatchUp, Outcome, Overlap, Recurs, TicketPlan, TicketTemplateInput
from helpdesk_api.tickets.plans.tables import OCCURRENCES, TICKET_PLANS, ticket_plan_occurrences, ticket_plans
from helpdesk_api.tickets.plans.targets import Target, targets_of
from helpdesk_api.tickets.plans.timetables import Adjustment, Planned, timetable_of
from helpdesk_api.tickets.schemas import TicketCreate

# In one transaction: whoever opens a ticket meanwhile waits for the counter of tickets.
_DATES_AT_ONCE: Final = 50
_TICKETS_AT_ONCE: Final = 50
_MISSED_AFTER: Final = timedelta(days=1)
_NOT_OURS: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL})

_some = (
    ticket_plans.c.tenant_id == bindparam("tenant"),
    ticket_plans.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
)
_HOLD_FREE: Final = Statement(
    select(*TICKET_PLANS.columns).where(*_some).order_by(ticket_plans.c.id).with_for_update(skip_locked=True)
)
_KNOWN: Final = Statement(select(ticket_plans.c.id).where(*_some))
_of_plan = (
    ticket_plan_occurrences.c.tenant_id == bindparam("tenant"),
    ticket_plan_occurrences.c.plan_id == bindparam("plan", type_=Uuid()),
)
_HAS_COME: Final = Statement(
    select(
        func.count().label("rows"),
        # What is about the occurrence as a whole.
        func.count().filter(ticket_plan_occurrences.c.target_id.is_(None)).label("whole"),
    ).where(*_of_plan, ticket_plan_occurrences.c.occurs_on == bindparam("on", type_=Date()))
)
_target = bindparam("target", type_=Uuid())
_LAST_TICKET: Final = Statement(
    select(tickets.c.solved_at)
    .select_from(
        ticket_plan_occurrences.join(
            tickets,
            (tickets.c.tenant_id == ticket_plan_occurrences.c.tenant_id)
            & (tickets.c.id == ticket_plan_occurrences.c.ticket_id),
        )
    )
    .where(
        *_of_plan,
        or_(
            ticket_plan_occurrences.c.target_id == _target,
            ticket_plan_occurrences.c.target_id.is_(None) & _target.is_(None),
        ),
    )
    .order_by(ticket_plan_occurrences.c.occurs_on.desc())
    .limit(1)
)


async def turn(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
    """Open what is due by some plans; one that somebody is at is left for later."""
    params = {"tenant": ctx.tenant_id, "ids": [deadline.object_id for deadline in due]}
    held = {plan.id: plan for plan in await ctx.tx.all(TicketPlan, _HOLD_FREE, params)}
    for deadline in due:
        plan = held.get(deadline.object_id)
        if plan is not None:
            at = max(ctx.now, deadline.due_at, plan.updated_at)
            moment = replace(ctx, now=at, cause=Cause("deadline", str(deadline.id)))
            await _turn(as_plan(moment, plan.id), plan, deadline)
    waiting = {deadline.id for deadline in due if deadline.object_id not in held}
    if not waiting:
        return Unfired()
    known = {row["id"] for row in await ctx.tx.rows(_KNOWN, params)}
    orphans = {deadline.id for deadline in due if deadline.object_id not in known}
    return Unfired(waiting=waiting - orphans, orphans=orphans)


def as_plan(ctx: Ctx, plan_id: UUID | None) -> Ctx:
    """Give the context in which a plan acts: for the tenant."""
    principal = Principal(
        "ticket_plan",
        plan_id,
        ctx.tenant_id,
        field_groups=frozenset({EVERY_GROUP}),
        is_sandbox=ctx.principal.is_sandbox,
    )
    return replace(ctx, principal=principal)


async def values_of(ctx: Ctx, template: TicketTemplateInput, target: Target) -> dict[str, Any]:
    """Give the values of a ticket for a target; for a card that was merged stands its winner."""
    values: dict[str, Any] = template.model_dump() | dict(target.values)
    if target.id is not None:
        # The target names its company.
        values["company_id"] = None
    for name, resource in (("company_id", COMPANIES), ("contact_id", CONTACTS)):
        if values[name] is not None and resource.successor is not None:
            values[name] = await resource.successor(ctx, values[name]) or values[name]
    named = "\n".join(f"- {name}" for name in target.names)
    values["description"] = "\n\n".join(part for part in (template.description, named) if part)
    return TicketCreate.model_validate(values | {"channel": "plan"}).model_dump()


async def _turn(ctx: Ctx, plan: TicketPlan, deadline: DueDeadline) -> None:
    progress = await progress_of(ctx, plan.id)
    begun_on = progress.begun_on
    if progress.turn != deadline.instance or progress.next_on is None or begun_on is None:
        return
    timetable = await timetable_of(ctx, plan)
    ahead = timetable.occurrences(begun_on, not_before=progress.next_on)
    taking_place = chain((each for each in ahead if each.adjustment is not Adjustment.SKIPPED), [None])
    planned = next(taking_place)
    for _ in range(_DATES_AT_ONCE):
        if planned is None or planned.opens_at > ctx.now:
            break
        later = None if plan.recurs == Recurs.FLOATING else next(taking_place)
        if not await _come_to(ctx, plan, planned, later):
            break
        if plan.recurs == Recurs.FLOATING:
            begun_on, last_on = planned.occurs_on, planned.occurs_on
            # Its completion tells what is next, unless there is nothing to complete.
            is_open = await is_unfinished(ctx, plan.id, last_on)
            planned = None if is_open else following(timetable, begun_on=last_on, after=last_on)
            break
        planned = later
    await expect(ctx, plan.id, planned, begun_on=begun_on)


async def _come_to(ctx: Ctx, plan: TicketPlan, planned: Planned, later: Planned | None) -> bool:
    """Do what an occurrence asks for; gives whether that is all of it, or some targets are left for the next time."""
    wanted = {"tenant": ctx.tenant_id, "plan": plan.id, "on": planned.occurs_on}
    come = await ctx.tx.row(_HAS_COME, wanted)
    if come is not None and come["whole"]:
        return True
    if (come is None or not come["rows"]) and _is_let_pass(ctx, plan, planned, later):
        await _note(ctx, plan, planned, None, Outcome.MISSED)
        return True
    targets = await targets_of(ctx, plan, planned.occurs_on, most=_TICKETS_AT_ONCE)
    for target in targets:
        await _open(ctx, plan, planned, target)
    return len(targets) < _TICKETS_AT_ONCE


def _is_let_pass(ctx: Ctx, plan: TicketPlan, planned: Planned, later: Planned | None) -> bool:
    """Tell whether an occurrence was missed and gets no ticket of its own."""
    if plan.catch_up == CatchUp.ALL or not _is_missed(ctx, planned):
        return False
    return plan.catch_up == CatchUp.SKIP or (later is not None and _is_missed(ctx, later))


def _is_missed(ctx: Ctx, planned: Planned) -> bool:
    return planned.planned_at + _MISSED_AFTER <= ctx.now


async def _open(ctx: Ctx, plan: TicketPlan, planned: Planned, target: Target) -> None:
    if plan.overlap == Overlap.SUPPRESS and await _is_at_work(ctx, plan.id, target.id):
        await _note(ctx, plan, planned, target.id, Outcome.SUPPRESSED)
        return
    try:
        async with undoable(ctx):
            values = await values_of(ctx, TicketTemplateInput.model_validate(plan.ticket), target)
            ticket = await service.create_ticket(ctx, values)
    except Refusal as refusal:
        if refusal.kind in _NOT_OURS or isinstance(refusal, WriteConflictError):
            raise
        await _note(ctx, plan, planned, target.id, Outcome.FAILED, reason=refusal.code)
        return
    await _note(ctx, plan, planned, target.id, Outcome.OPENED, ticket_id=ticket.id)


async def _is_at_work(ctx: Ctx, plan_id: UUID, target_id: UUID | None) -> bool:
    rows = await ctx.tx.rows(_LAST_TICKET, {"tenant": ctx.tenant_id, "plan": plan_id, "target": target_id})
    return any(row["solved_at"] is None for row in rows)


async def _note(
    ctx: Ctx,
    plan: TicketPlan,
    planned: Planned,
    target_id: UUID | None,
    outcome: Outcome,
    *,
    ticket_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    values = {"target_id": target_id, "ticket_id": ticket_id, "reason": reason, "outcome": outcome}
    about = {"plan_id": plan.id, "occurs_on": planned.occurs_on, "planned_at": planned.planned_at}
    await crud.add(ctx, OCCURRENCES, about | values)
