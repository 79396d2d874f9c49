"""The endpoints of single SLA clocks, beneath their ticket."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.languages import preferred
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets import attainment, deadlines
from helpdesk_api.tickets.attainment_schemas import ClockRecord, ClockRecords, TicketTimes
from helpdesk_api.tickets.clock_views import fetch_shown
from helpdesk_api.tickets.explanation_schemas import ClockExplanation
from helpdesk_api.tickets.explanations import explain_clock, language_of_tenant
from helpdesk_api.tickets.schemas import ClockExtensionCreate, ClockExtensions, ManualDeadline, Ticket

router = APIRouter(prefix="/v1/tickets/{id}/sla", tags=["sla-clocks"], route_class=UnitOfWorkRoute)

times = APIRouter(prefix="/v1/tickets/{id}/times", tags=["tickets"], route_class=UnitOfWorkRoute)

extensions = APIRouter(prefix="/v1/sla-extensions", tags=["sla-clocks"], route_class=UnitOfWorkRoute)

ClockName = Annotated[
    str,
    Path(
        max_length=60,
        description="The id of a clock, or a metric for the latest clock of it.",
        examples=["resolution"],
    ),
]


@router.get(
    "",
    operation_id="sla_clocks_list",
    summary="List the clocks of a ticket",
    description=(
        "Gives the record of every clock of a ticket, also of those that later ones have followed: what was promised "
        "by which versions, when it started, was due and stopped, what was used up and waited, and by how much the "
        "promise was broken."
    ),
)
async def list_clocks(id: UUID, ctx: Annotated[Ctx, allowed("tickets:read")]) -> ClockRecords:
    """List clocks."""
    return ClockRecords(data=await attainment.records_of(ctx, id))


@router.get(
    "/{clock}",
    operation_id="sla_clocks_get",
    summary="Get the record of one clock",
    description="Gives what one clock promised and what came of it by now, or by its stop.",
)
async def get_clock(id: UUID, clock: ClockName, ctx: Annotated[Ctx, allowed("tickets:read")]) -> ClockRecord:
    """Read a clock."""
    return await attainment.record_of(ctx, id, clock)


@times.get(
    "",
    operation_id="tickets_get_times",
    summary="Tell where the time of a ticket went",
    description=(
        "Adds up how long the ticket was in each status, and while it was not finished with each team and assignee: "
        "in all, and in working hours. Time of a team without an assignee is told apart, so that a full queue is not "
        "taken for a slow person. It is made of the events of the ticket: 409 once these are not kept any more."
    ),
)
async def get_times(id: UUID, ctx: Annotated[Ctx, allowed("tickets:read")]) -> TicketTimes:
    """Read times."""
    return await attainment.times_of(ctx, id)


@router.get(
    "/{clock}/explain",
    operation_id="sla_clocks_explain",
    summary="Explain a deadline",
    description=(
        "Tells step by step how a clock came to its deadline: what counted, nights, holidays, pauses with their cause, "
        "other terms, and the result. `counted_seconds` adds up to `target_seconds` at the step `due`, to the second. "
        "A long history is told in at most 200 steps, by the day, week, month or year, and nothing is left out. The "
        "texts are in the language of `Accept-Language` (`en`, `ru`, `es`) or else of the tenant."
    ),
)
async def explain_deadline(
    id: UUID,
    clock: ClockName,
    response: Response,
    ctx: Annotated[Ctx, allowed("tickets:read")],
    accept_language: Annotated[str | None, Header(description="The language of the texts.")] = None,
) -> ClockExplanation:
    """Explain a clock."""
    language = preferred(accept_language, otherwise=await language_of_tenant(ctx))
    response.headers["content-language"] = language
    response.headers["vary"] = "Accept-Language"
    return await explain_clock(ctx, id, clock, language)


@router.post(
    "/{clock}/manual-deadline",
    operation_id="sla_clocks_set_deadline",
    summary="Set a deadline by hand",
    description=(
        "Sets the deadline of a clock to an instant, with a reason. From then on nothing computes it: no pause moves "
        "it, no other terms, and it passes also while the ticket waits. Records `ticket.sla_deadline_set`."
    ),
)
async def set_deadline(
    id: UUID, clock: ClockName, body: ManualDeadline, ctx: Annotated[Ctx, allowed("tickets:write")]
) -> Ticket:
    """Set a deadline."""
    await deadlines.set_deadline(ctx, id, clock, due_at=body.due_at, reason=body.reason)
    return await fetch_shown(ctx, id)


@router.delete(
    "/{clock}/manual-deadline",
    status_code=204,
    operation_id="sla_clocks_release_deadline",
    summary="Take back a deadline that was set by hand",
    description=(
        "Lets the deadline be again what the history of the clock makes of it, the time since included. A breach that "
        "was recorded stays. Records `ticket.sla_deadline_released`."
    ),
)
async def release_deadline(id: UUID, clock: ClockName, ctx: Annotated[Ctx, allowed("tickets:write")]) -> None:
    """Take back a deadline."""
    await deadlines.release_deadline(ctx, id, clock)


@extensions.post(
    "",
    operation_id="sla_clocks_extend",
    summary="Extend the deadlines of many tickets",
    description=(
        "Grants the clocks of the unfinished tickets that match more time, with a reason, and tells for each clock "
        "what became of it. At most 200 tickets may match. "
        "An extension stays whatever the terms; a breach that was recorded before stays too. Records "
        "`ticket.sla_extended` per clock."
    ),
)
async def extend_deadlines(
    body: ClockExtensionCreate, ctx: Annotated[Ctx, allowed("tickets:write")]
) -> ClockExtensions:
    """Extend deadlines."""
    by = timedelta(seconds=body.seconds)
    return ClockExtensions(data=await deadlines.extend(ctx, body.filter, body.metrics, by, body.reason))
