"""The endpoints of files, but for uploading, which needs no look at what they hang on (`files.uploading`)."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Request, Response, Security
from starlette.responses import StreamingResponse

from helpdesk_api.domain.file_names import UNKNOWN
from helpdesk_api.files import links
from helpdesk_api.files.downloads import download_headers
from helpdesk_api.files.schemas import File, FileLink
from helpdesk_api.files.storing import content_of
from helpdesk_api.kit.caller import authenticated, cause_of
from helpdesk_api.kit.conditional import IfMatch, not_modified
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.direct_routes import DirectRoute
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import Authentication, allowed, unit_of_work
from helpdesk_api.tickets.attachments import FILES, delete_file, fetch_file

_READ: Final = "files:read"

router = ResourceRouter(FILES)


class _Downloading(Authentication):
    """Hand the download its caller, recognised by the header or by a link."""

    async def __call__(self, request: Request) -> Principal:
        link = request.query_params.get("link")
        principal = await (authenticated(request) if link is None else links.principal_of(request, link))
        principal.require(_READ)
        return principal


@router.get(
    "/{id}",
    operation_id=operation(FILES, "get"),
    summary="Get one file",
    description=(
        "Reads what is known of a file. It is seen by those who see the ticket or comment on which it hangs, and while "
        "it hangs on nothing by its uploader."
    ),
)
async def get_file(id: UUID, response: Response, ctx: Annotated[Ctx, allowed(_READ)]) -> File:
    """Read a file."""
    found = await fetch_file(ctx, id)
    tag_response(response, found)
    return found


@router.delete(
    "/{id}",
    status_code=204,
    operation_id=operation(FILES, "delete"),
    summary="Delete a file",
    description=(
        "Removes a file with its content and records `file.deleted`. One that hangs on nothing is removed by its "
        "uploader; one that hangs on a ticket or comment, which then no longer shows it, by those who may change "
        "tickets (`tickets:write`)."
    ),
)
async def remove_file(id: UUID, expected: IfMatch, ctx: Annotated[Ctx, allowed("files:write")]) -> None:
    """Delete a file."""
    await delete_file(ctx, id, expected=expected)


@router.post(
    "/{id}/links",
    status_code=201,
    operation_id="files_create_link",
    summary="Get a link to a file",
    description=(
        "Gives a path that downloads the file for five minutes without a header, for a browser. It stands for the "
        "caller: rights are looked at when it is used, and it ends when the credential does that it was asked for with."
    ),
)
async def create_link(id: UUID, request: Request, ctx: Annotated[Ctx, allowed(_READ)]) -> FileLink:
    """Make a link."""
    runtime: Runtime = request.app.state.runtime
    found = await fetch_file(ctx, id)
    return links.link_to(ctx, runtime, found.id, runtime.authenticate.token_of(request.headers.get("authorization")))


async def get_content(
    id: UUID,
    request: Request,
    principal: Annotated[Principal, Security(_Downloading(), scopes=[_READ])],
    link: Annotated[
        str | None,
        Query(max_length=links.LONGEST, description="What `POST /v1/files/{id}/links` gave, instead of the header."),
    ] = None,
) -> Response:
    """Download a file."""
    del link
    runtime: Runtime = request.app.state.runtime
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id, read_only=True) as ctx:
        found = await fetch_file(ctx, id)
    content = content_of(runtime.db, principal.tenant_id, found)
    return not_modified(request, StreamingResponse(content, headers=download_headers(found)))


router.add_api_route(
    "/{id}/content",
    get_content,
    methods=["GET"],
    route_class_override=DirectRoute,
    response_model=bytes,
    responses={200: {"description": "The bytes that were uploaded.", "content": {UNKNOWN: {}}}},
    operation_id="files_get_content",
    summary="Download a file",
    description=(
        "Gives the content byte for byte, to be saved under its name (`Content-Disposition: attachment`), never as "
        "what it says that it is. Its `ETag` is its SHA-256. The caller is told by the header or by `link`."
    ),
)
