"""The endpoints of merges: making one card of several, reading what was merged, and taking it back."""

from contextlib import nullcontext
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, announce_created, tag_response
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.merging.merges import MERGES, Merge, MergeCreate, MergeQuery
from helpdesk_api.merging.service import merge
from helpdesk_api.merging.undoing import undo

router = ResourceRouter(MERGES)
add_reading(router, MERGES)


@router.post(
    "",
    status_code=201,
    operation_id="merges_create",
    summary="Merge client cards",
    openapi_extra=documented(MergeQuery),
    description=(
        "Makes one card of several. The winner keeps what it has: empty fields are filled, lists united. Tickets, "
        "contacts, places, assets, contracts and the ids in other systems follow it. The ids of the losers lead to "
        "it: reading one answers 308 with its `Location`, changing one 409 `merged`. Rules do not react, and deadlines "
        "stay as they were promised. With `dry_run` it tells what would follow, and changes nothing. Needs a caller "
        "who sees every client."
    ),
)
async def create_merge(
    body: MergeCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("merges:write")]
) -> Merge:
    """Merge cards."""
    query = read_query(request, MergeQuery)
    async with undoable(ctx) if query.dry_run else nullcontext() as part:
        merged = await merge(ctx, body.card_type, body.winner_id, body.loser_ids)
        if part is not None:
            part.undo()
    if query.dry_run:
        response.status_code = 200
    else:
        announce_created(request, response, merged)
    return merged


@router.post(
    "/{id}/undo",
    operation_id="merges_undo",
    summary="Undo a merge",
    description=(
        "Brings the losers back under their ids as they were, and to them what followed the winner. What was changed "
        "since stays as it is; what came since stays with the winner, unless it is at a place or about an asset that "
        "goes back. The last merge into a card is undone first. Needs a caller who sees every client."
    ),
)
async def undo_merge(id: UUID, response: Response, ctx: Annotated[Ctx, allowed("merges:write")]) -> Merge:
    """Undo a merge."""
    undone = await undo(ctx, id)
    tag_response(response, undone)
    return undone
