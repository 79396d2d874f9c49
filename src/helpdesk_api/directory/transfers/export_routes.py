"""The endpoints of exports: asking for one, and reading how far it is."""

from typing import Annotated

from fastapi import Request, Response

from helpdesk_api.directory.transfers.exports import EXPORTS, Export, ExportCreate, start_export
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, announce_created, operation
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import allowed

router = ResourceRouter(EXPORTS)
add_reading(router, EXPORTS)


@router.post(
    "",
    status_code=202,
    operation_id=operation(EXPORTS, "start"),
    summary="Export client cards",
    description=(
        "Has a worker write the cards that the list would show the caller, and as it would show them, to a file: "
        "follow the `Location` until `state` is `done`, then download `file_id`. Needs what the list needs. Records "
        "`export.created`, later `export.completed` or `export.failed`."
    ),
)
async def create(
    body: ExportCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("exports:write")]
) -> Export:
    """Begin an export."""
    runtime: Runtime = request.app.state.runtime
    started = await start_export(ctx, body, runtime.signer)
    announce_created(request, response, started)
    return started
