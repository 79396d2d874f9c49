"""The endpoints of lines: noting what was done, reading it, taking it back, and what a ticket comes to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_reading,
    announce_created,
    check_given,
    operation,
    tag_response,
)
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.line_schemas import TicketLine, TicketLineCreate, TicketLineReverse, TicketTotals
from helpdesk_api.tickets.lines import TICKET_LINES, add_line, reverse_line, totals_of

router = ResourceRouter(TICKET_LINES)
add_reading(router, TICKET_LINES)
totals_router = APIRouter(prefix="/v1/tickets", tags=["ticket-lines"], route_class=UnitOfWorkRoute)


@router.post(
    "",
    status_code=201,
    operation_id=operation(TICKET_LINES, "create"),
    summary="Note work or parts",
    description=(
        "Notes an item in some quantity, or minutes of work, at the price that holds on that day for this client and "
        "contract. A covered line is drawn from what the contract entitles to, in the same transaction: minutes from "
        "`hours`, a service by the visit from `visits`, else what it costs without VAT from `money`; of a contract "
        "that entitles to none of these nothing is drawn. Records `ticket_line.created`."
    ),
)
async def create_line(
    body: TicketLineCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("ticket-lines:write")]
) -> TicketLine:
    """Note a line."""
    check_given(ctx, TICKET_LINES, body, creating=True)
    created = await add_line(ctx, body)
    announce_created(request, response, created)
    return created


@router.post(
    "/{id}/reverse",
    operation_id="ticket_lines_reverse",
    summary="Take a line back",
    description=(
        "Adds a line that takes another one back, now, and puts back what that has drawn. Gives the new line. Records "
        "`ticket_line.created`."
    ),
)
async def reverse(
    id: UUID, body: TicketLineReverse, response: Response, ctx: Annotated[Ctx, allowed("ticket-lines:write")]
) -> TicketLine:
    """Take a line back."""
    created = await reverse_line(ctx, id, body.note)
    tag_response(response, created)
    return created


@totals_router.get(
    "/{id}/totals",
    operation_id="ticket_lines_get_totals",
    summary="Add up a ticket",
    description="Adds up the lines of a ticket: minutes, and per currency what is billed, by rate of VAT.",
)
async def get_totals(id: UUID, ctx: Annotated[Ctx, allowed("ticket-lines:read")]) -> TicketTotals:
    """Add up a ticket."""
    return await totals_of(ctx, id)
