"""How far plans have come: which occurrence is next, and the one deadline that each of them waits for.

What is past is never gone back to: a plan that was changed, or was not active, goes on with what is to come. A floating
plan waits without a deadline while a ticket of its last occurrence is not finished. What happens when the deadline has
come is `tickets.plans.opening`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, Uuid, bindparam, func, select, update

from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.kit import deadlines
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.deadlines import Deadline
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.plans.schemas import MOST_LEAD_DAYS, Outcome, Recurs, TicketPlan
from helpdesk_api.tickets.plans.tables import TICKET_PLANS, ticket_plan_occurrences, ticket_plans
from helpdesk_api.tickets.plans.timetables import Adjustment, Planned, Timetable, timetable_of

TURN_KIND: Final = "ticket_plan.turn"
_DAY: Final = timedelta(days=1)

_plan = (ticket_plans.c.tenant_id == bindparam("tenant"), ticket_plans.c.id == bindparam("plan", type_=Uuid()))
_READ: Final = Statement(select(ticket_plans.c.turn, ticket_plans.c.next_on, ticket_plans.c.begun_on).where(*_plan))
_ADVANCE: Final = Statement(
    update(ticket_plans)
    .where(*_plan)
    .values(
        turn=ticket_plans.c.turn + 1,
        next_on=bindparam("next", type_=Date()),
        begun_on=bindparam("begun", type_=Date()),
    )
    .returning(ticket_plans.c.turn)
)
_of_plan = (
    ticket_plan_occurrences.c.tenant_id == bindparam("tenant"),
    ticket_plan_occurrences.c.plan_id == bindparam("plan", type_=Uuid()),
)
_LATEST: Final = Statement(
    select(func.max(ticket_plan_occurrences.c.occurs_on)).where(
        *_of_plan, ticket_plan_occurrences.c.outcome != Outcome.SKIPPED
    )
)
_UNFINISHED: Final = Statement(
    select(func.count())
    .select_from(
        ticket_plan_occurrences.join(
            tickets,
            (tickets.c.tenant_id == ticket_plan_occurrences.c.tenant_id)
            & (tickets.c.id == ticket_plan_occurrences.c.ticket_id),
        )
    )
    .where(
        *_of_plan,
        ticket_plan_occurrences.c.occurs_on == bindparam("on", type_=Date()),
        tickets.c.solved_at.is_(None),
    )
)
_FLOATING_OF_TICKET: Final = Statement(
    select(*TICKET_PLANS.columns, ticket_plan_occurrences.c.occurs_on)
    .select_from(
        ticket_plan_occurrences.join(
            ticket_plans,
            (ticket_plans.c.tenant_id == ticket_plan_occurrences.c.tenant_id)
            & (ticket_plans.c.id == ticket_plan_occurrences.c.plan_id),
        )
    )
    .where(
        ticket_plan_occurrences.c.tenant_id == bindparam("tenant"),
        ticket_plan_occurrences.c.ticket_id == bindparam("ticket", type_=Uuid()),
        ticket_plans.c.recurs == Recurs.FLOATING,
        ticket_plans.c.is_active,
    )
    .with_for_update(of=ticket_plans)
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Which deadline a plan waits for, the date that is next, and the date on which its rule began."""

    turn: int
    next_on: date | None
    begun_on: date | None


async def progress_of(ctx: Ctx, plan_id: UUID) -> Progress:
    """Tell how far a plan has come."""
    row = await ctx.tx.row(_READ, {"tenant": ctx.tenant_id, "plan": plan_id})
    if row is None:
        message = f"there is no plan {plan_id}"
        raise LookupError(message)
    return Progress(row["turn"], row["next_on"], row["begun_on"])


async def expect(ctx: Ctx, plan_id: UUID, planned: Planned | None, *, begun_on: date | None) -> None:
    """Let a plan, which the caller holds, wait for an occurrence, or for none."""
    wanted = {"next": None if planned is None else planned.occurs_on, "begun": begun_on}
    turn = await ctx.tx.value(_ADVANCE, {"tenant": ctx.tenant_id, "plan": plan_id, **wanted})
    await deadlines.cancel_all(ctx, TURN_KIND, plan_id)
    if planned is not None:
        await deadlines.arrange(ctx, [Deadline(TURN_KIND, plan_id, turn, planned.opens_at)])


async def begin_anew(ctx: Ctx, plan: TicketPlan) -> None:
    """Let a plan that was written, which the caller holds, wait for the first occurrence that is to come."""
    timetable = await timetable_of(ctx, plan)
    begun_on, ahead = await _to_come(ctx, plan, timetable)
    planned = next((each for each in ahead if each.adjustment is not Adjustment.SKIPPED), None)
    await expect(ctx, plan.id, planned if plan.is_active else None, begun_on=begun_on)


async def upcoming(ctx: Ctx, plan: TicketPlan) -> Iterator[Planned]:
    """Give what a plan has ahead, also what is skipped for a holiday; one that is not active, as if it were."""
    timetable, progress = await timetable_of(ctx, plan), await progress_of(ctx, plan.id)
    if not plan.is_active:
        _, ahead = await _to_come(ctx, plan, timetable)
    elif progress.next_on is None or progress.begun_on is None:
        ahead = iter(())
    else:
        ahead = timetable.occurrences(progress.begun_on, not_before=progress.next_on)
    return _first_that_takes_place(ahead) if plan.recurs == Recurs.FLOATING else ahead


def _first_that_takes_place(ahead: Iterator[Planned]) -> Iterator[Planned]:
    # What follows it depends on when its tickets are finished.
    for planned in ahead:
        yield planned
        if planned.adjustment is not Adjustment.SKIPPED:
            return


async def follow_completion(ctx: Ctx, ticket_id: UUID) -> None:
    """Let a floating plan begin anew if the ticket, which was just finished, is the last of its last occurrence."""
    row = await ctx.tx.row(_FLOATING_OF_TICKET, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    if row is None:
        return
    plan = TicketPlan.from_record(row)
    last_on: date = row["occurs_on"]
    if last_on != await _latest(ctx, plan.id) or await is_unfinished(ctx, plan.id, last_on):
        return
    finished_on = _local_date(ctx.now, plan.time_zone)
    timetable = await timetable_of(ctx, plan)
    planned = following(timetable, begun_on=finished_on, after=max(last_on, finished_on))
    await expect(ctx, plan.id, planned, begun_on=finished_on)


def following(timetable: Timetable, *, begun_on: date, after: date) -> Planned | None:
    """Give the first occurrence after a date that takes place, of a rule that began on another."""
    ahead = timetable.occurrences(begun_on, not_before=after + _DAY)
    return next((each for each in ahead if each.adjustment is not Adjustment.SKIPPED), None)


async def is_unfinished(ctx: Ctx, plan_id: UUID, on: date) -> bool:
    """Tell whether a ticket of an occurrence is neither solved nor closed."""
    wanted: dict[str, Any] = {"tenant": ctx.tenant_id, "plan": plan_id, "on": on}
    return bool(await ctx.tx.value(_UNFINISHED, wanted))


async def _to_come(ctx: Ctx, plan: TicketPlan, timetable: Timetable) -> tuple[date, Iterator[Planned]]:
    """Give where the rule begins, and what is to come of it: nothing that is past or has come already."""
    begun_on, latest = plan.starts_on, await _latest(ctx, plan.id)
    if plan.recurs == Recurs.FLOATING and latest is not None:
        if await is_unfinished(ctx, plan.id, latest):
            return begun_on, iter(())
        begun_on = max((await progress_of(ctx, plan.id)).begun_on or begun_on, begun_on)
    # So far at most is an occurrence moved that is still to come.
    not_before = _local_date(ctx.now, plan.time_zone) - timedelta(days=MOST_LEAD_DAYS + 1)
    if latest is not None:
        not_before = max(not_before, latest + _DAY)
    ahead = timetable.occurrences(begun_on, not_before=max(not_before, begun_on))
    return begun_on, (each for each in ahead if each.planned_at >= ctx.now)


async def _latest(ctx: Ctx, plan_id: UUID) -> date | None:
    latest: date | None = await ctx.tx.value(_LATEST, {"tenant": ctx.tenant_id, "plan": plan_id})
    return latest


def _local_date(at: datetime, zone: str) -> date:
    return at.astimezone(zone_named(zone)).date()
