"""The endpoints of single SLA clocks, beneath their ticket."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.languages import preferred
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.explanation_schemas import ClockExplanation
from helpdesk_api.tickets.explanations import explain_clock, language_of_tenant

router = APIRouter(prefix="/v1/tickets/{id}/sla", tags=["sla-clocks"], route_class=UnitOfWorkRoute)

ClockName = Annotated[
    str,
    Path(
        max_length=60,
        description="The id of a clock, or a metric for the latest clock of it.",
        examples=["resolution"],
    ),
]


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
