"""The endpoints of plans: reading and writing them, looking ahead, leaving one occurrence out, and what has come."""

from itertools import islice
from typing import Annotated
from uuid import UUID

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_create,
    add_delete,
    add_reading,
    add_update,
    operation,
    routes,
)
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.tickets.plans.progress import upcoming
from helpdesk_api.tickets.plans.schemas import (
    OccurrenceSkip,
    PlannedOccurrenceShown,
    PlanPreview,
    PreviewRequest,
    TicketPlanCreate,
    TicketPlanOccurrence,
)
from helpdesk_api.tickets.plans.tables import OCCURRENCES, TICKET_PLANS
from helpdesk_api.tickets.plans.targets import count_targets
from helpdesk_api.tickets.plans.timetables import Adjustment, Planned
from helpdesk_api.tickets.plans.writing import check_plan, follow_plan, left_out_of, skip_occurrence

_RIGHTS = "It needs `tickets:write` over all tickets too."

router = ResourceRouter(TICKET_PLANS)
add_reading(router, TICKET_PLANS)
add_create(router, TICKET_PLANS, TicketPlanCreate, check=check_plan, follow=follow_plan, note=_RIGHTS)
add_update(
    router,
    TICKET_PLANS,
    patch_model(TicketPlanCreate),
    check=check_plan,
    follow=follow_plan,
    note=f"Occurrences that have come already do not come again. {_RIGHTS}",
)
add_delete(router, TICKET_PLANS)
occurrences_router = routes(OCCURRENCES, removable=False)


@router.post(
    "/{id}/preview",
    operation_id=operation(TICKET_PLANS, "preview"),
    summary="Preview the occurrences of a plan",
    description=(
        "Tells the next occurrences, with those that a holiday moves or takes away; for a plan that is not active, as "
        "if it were. Of a floating plan only the next one is known, and none while its last tickets are not finished."
    ),
)
async def preview_plan(
    id: UUID, body: PreviewRequest, ctx: Annotated[Ctx, allowed("ticket-plans:read")]
) -> PlanPreview:
    """Preview a plan."""
    plan = await crud.fetch(ctx, TICKET_PLANS, id)
    left_out = await left_out_of(ctx, id)
    shown = [
        _shown(planned, is_left_out=planned.occurs_on in left_out)
        for planned in islice(await upcoming(ctx, plan), body.count)
    ]
    return PlanPreview(data=shown, target_count=await count_targets(ctx, plan))


@router.post(
    "/{id}/skip",
    status_code=201,
    operation_id=operation(TICKET_PLANS, "skip"),
    summary="Leave out one occurrence of a plan",
    description=(
        "No ticket is opened for an occurrence that is still to come; records `ticket_plan_occurrence.created`. It "
        "cannot be taken back."
    ),
)
async def skip_plan_occurrence(
    id: UUID, body: OccurrenceSkip, ctx: Annotated[Ctx, allowed("ticket-plans:write")]
) -> TicketPlanOccurrence:
    """Skip an occurrence."""
    return await skip_occurrence(ctx, id, body.occurs_on)


def _shown(planned: Planned, *, is_left_out: bool) -> PlannedOccurrenceShown:
    takes_place = planned.adjustment is not Adjustment.SKIPPED and not is_left_out
    return {
        "occurs_on": planned.occurs_on,
        "planned_at": planned.planned_at if takes_place else None,
        "opens_at": planned.opens_at if takes_place else None,
        "adjustment": "skipped_by_hand" if is_left_out else planned.adjustment,
    }
