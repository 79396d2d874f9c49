"""The endpoints of imports: asking for one, reading how far it is and what became of its rows, and cancelling it."""

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from helpdesk_api.directory.transfers.imports import (
    IMPORTS,
    ROWS,
    Import,
    ImportCreate,
    ImportRow,
    cancel_import,
    start_import,
)
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Page
from helpdesk_api.kit.unit_of_work import allowed

_Writing = Annotated[Ctx, allowed("imports:write")]

router = ResourceRouter(IMPORTS)
add_reading(router, IMPORTS)


@router.post(
    "",
    status_code=202,
    operation_id=operation(IMPORTS, "start"),
    summary="Import client cards",
    description=(
        "Has a worker write the cards of an uploaded file, each as a batch upsert would with a `source`, or as a "
        "change by `id` without one. Rows that are refused hinder no others. Follow the `Location` until `state` is "
        "no longer `running`. Needs the permission to write these cards, and a caller who sees every client. Records "
        "`import.created`, later `import.completed`, `import.failed` or `import.cancelled`, and the events of the "
        "cards."
    ),
)
async def start(body: ImportCreate, request: Request, response: Response, ctx: _Writing) -> Import:
    """Begin an import."""
    started = await start_import(ctx, body)
    announce_created(request, response, started)
    return started


@router.post(
    "/{id}/cancel",
    operation_id=operation(IMPORTS, "cancel"),
    summary="Cancel an import",
    description="Writes no further row; what is written stays. Records `import.cancelled`.",
)
async def cancel(id: UUID, response: Response, ctx: _Writing) -> Import:
    """Cancel an import."""
    cancelled = await cancel_import(ctx, id)
    tag_response(response, cancelled)
    return cancelled


@router.get(
    "/{id}/rows",
    operation_id=operation(IMPORTS, "list_rows"),
    openapi_extra=documented(ROWS.query_model),
    summary="List the rows of an import that have something to tell",
    description=(
        "Pages through the rows that were refused, each with its line and the reason, and those of which some fields "
        "were not written because another system owns them."
    ),
)
async def list_rows(id: UUID, request: Request, ctx: Annotated[Ctx, allowed("imports:read")]) -> Page[ImportRow]:
    """List rows."""
    await crud.fetch(ctx, IMPORTS, id)
    query = read_query(request, ROWS.query_model)
    found = await find_page(ctx, ROWS, query, request.app.state.runtime.signer, import_id=id)
    rows = [ImportRow.from_record(row) for row in found.rows]
    return Page[ImportRow].trusted({"data": rows, "page": found.page, "total": found.total})
