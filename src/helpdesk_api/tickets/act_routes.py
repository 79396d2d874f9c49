"""The endpoints of acts: issuing, reading, and the document itself as JSON, as a table and as a page to be printed."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request, Response

from helpdesk_api.domain.acts import as_csv, as_page
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, announce_created, operation
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.tickets.act_schemas import Act, ActCreate
from helpdesk_api.tickets.acts import ACTS, document_of, issue_act


class ActFormat(StrEnum):
    """How an act is written."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


_MEDIA_TYPES: Final[Mapping[ActFormat, str]] = {
    ActFormat.JSON: "application/json",
    ActFormat.CSV: "text/csv; charset=utf-8",
    ActFormat.HTML: "text/html; charset=utf-8",
}
_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The act, byte for byte as it was issued.",
        "content": {"text/csv": {}, "text/html": {}},
    }
}

router = ResourceRouter(ACTS)
add_reading(router, ACTS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(ACTS, "create"),
    summary="Issue an act",
    description=(
        "Puts the lines of a ticket, or those under a contract in a period, on an act: all in this currency that are "
        "on none yet. It gets the next number and is never changed. What is taken back later stands on the next act. "
        "Records `act.created`."
    ),
)
async def create_act(
    body: ActCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("acts:write")]
) -> Act:
    """Issue an act."""
    issued = await issue_act(ctx, body)
    announce_created(request, response, issued)
    return issued


@router.get(
    "/{id}/document",
    operation_id="acts_get_document",
    response_model=dict[str, Any],
    responses=_DOCUMENT,
    summary="Get the document of an act",
    description=(
        "Gives the act byte for byte as it was issued, whatever became of prices, clients and tickets since: as "
        "canonical JSON, of which `sha256` is the hash, as CSV (RFC 4180) in which no text is a formula, or as an HTML "
        "page to be printed."
    ),
)
async def get_document(
    id: UUID,
    ctx: Annotated[Ctx, allowed("acts:read")],
    form: Annotated[ActFormat, Query(alias="format", description="How it is written.")] = ActFormat.JSON,
) -> Response:
    """Get the document of an act."""
    act, text = await document_of(ctx, id)
    body = text
    if form is ActFormat.CSV:
        body = as_csv(json.loads(text))
    elif form is ActFormat.HTML:
        body = as_page(json.loads(text), act.sha256)
    headers = {
        "content-disposition": f'inline; filename="act-{act.number}.{form.value}"',
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    return Response(body.encode(), media_type=_MEDIA_TYPES[form], headers=headers)
