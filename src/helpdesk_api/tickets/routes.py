"""The endpoints of tickets and their comments."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Request, Response

from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import (
    MERGE_PATCH,
    ResourceRouter,
    add_reading,
    announce_created,
    check_given,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Page, patch_model
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.tickets import clock_views, service
from helpdesk_api.tickets.acting import opening, readable_kinds, writing
from helpdesk_api.tickets.resources import COMMENTS, TICKETS
from helpdesk_api.tickets.schemas import Comment, CommentCreate, Ticket, TicketCreate

router = ResourceRouter(TICKETS)


async def _with_clocks(ctx: Ctx, rows: list[Ticket]) -> list[Ticket]:
    found = await clock_views.shown(ctx, [ticket.id for ticket in rows])
    for ticket in rows:
        # The rows were made for this answer alone; copying each would cost as much as making it.
        vars(ticket)["clocks"] = found[ticket.id]
    return rows


reading = add_reading(router, TICKETS, present=_with_clocks, fetch=clock_views.fetch_shown)


@router.post(
    "",
    status_code=201,
    operation_id=operation(TICKETS, "create"),
    summary="Create a ticket",
    description=(
        "Stores a new ticket, gives it the next number and starts the clocks that the SLA policies promise. Records "
        "`ticket.created` and one `ticket.sla_started` per clock."
    ),
)
async def create_ticket(
    body: TicketCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("tickets:create")]
) -> Ticket:
    """Create a ticket."""
    created = await service.create_ticket(ctx, opening(ctx, body))
    announce_created(request, response, created)
    return (await _with_clocks(ctx, [created]))[0]


@router.patch(
    "/{id}",
    operation_id=operation(TICKETS, "update"),
    summary="Change a ticket",
    description=(
        "Changes the given fields (RFC 7396). Clocks follow in the same transaction: `pending` and `on_hold` pause "
        "them, `solved` and `closed` stop them, and another company, priority or type puts them under the policy that "
        "then fits, keeping used and waited time. Records `ticket.status_changed`, `ticket.assigned` and "
        "`ticket.updated`, each with its own part of the changes."
    ),
)
async def update_ticket(
    id: UUID,
    body: Annotated[patch_model(TicketCreate, without={"file_ids"}), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("tickets:write")],
) -> Ticket:
    """Change a ticket."""
    check_given(ctx, TICKETS, body)
    changed = await service.update_ticket(ctx, id, body.given(), expected=expected)
    tag_response(response, changed)
    return (await _with_clocks(ctx, [changed]))[0]


@router.post(
    "/{id}/comments",
    status_code=201,
    tags=["comments"],
    operation_id=operation(COMMENTS, "create"),
    summary="Add a comment",
    description=(
        "Adds a public reply (`comments:write`) or an internal note (`notes:write`). A user's reply stops the "
        "first-response clock, also while the ticket waits; a client's reply opens a ticket that is pending, solved or "
        "closed. Users and contacts write under their own name. Records `ticket.reply_added` or `ticket.note_added`."
    ),
)
async def create_comment(
    id: UUID,
    body: CommentCreate,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("comments:write", "notes:write")],
) -> Comment:
    """Add a comment."""
    created = await service.add_comment(ctx, id, writing(ctx, body))
    announce_created(request, response, created)
    return created


@router.get(
    "/{id}/comments",
    tags=["comments"],
    operation_id=operation(COMMENTS, "list"),
    openapi_extra=documented(COMMENTS.listing.query_model),
    summary="List the comments of a ticket",
    description=(
        "Pages through what was said on a ticket, oldest first unless `sort` says otherwise; notes only with "
        "`notes:read`."
    ),
)
async def list_comments(
    id: UUID,
    request: Request,
    ctx: Annotated[Ctx, allowed("comments:read")],
) -> Page[Comment]:
    """List comments."""
    await crud.fetch(ctx, TICKETS, id)
    query = read_query(request, COMMENTS.listing.query_model)
    within: dict[str, Any] = {"ticket_id": id} | ({} if ctx.principal.may("notes:read") else {"kind": "reply"})
    found = await find_page(ctx, COMMENTS.listing, query, request.app.state.runtime.signer, **within)
    rows = [Comment.from_record(row) for row in found.rows]
    return Page[Comment].trusted({"data": rows, "page": found.page, "total": found.total})


@router.get(
    "/{id}/comments/{comment_id}",
    tags=["comments"],
    operation_id=operation(COMMENTS, "get"),
    summary="Get one comment",
    description="Reads one comment of a ticket.",
)
async def get_comment(
    id: UUID,
    comment_id: UUID,
    response: Response,
    ctx: Annotated[Ctx, allowed("comments:read")],
) -> Comment:
    """Read a comment."""
    found = await crud.fetch(ctx, COMMENTS, comment_id)
    if found.ticket_id != id or found.kind not in readable_kinds(ctx.principal):
        raise COMMENTS.missing(comment_id)
    tag_response(response, found)
    return found
