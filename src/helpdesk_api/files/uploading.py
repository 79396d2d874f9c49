"""Uploading a file: the body of the request is the file.

It is spooled before anything else, to disk when it is large, so that a slow sender holds neither a connection to the
database nor memory; then row and content are stored in one transaction. One that breaks off leaves nothing.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, Final, cast

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile

from helpdesk_api.domain.file_names import (
    RECOGNISED_WITHIN,
    UNKNOWN,
    declared_media_type,
    harmless_name,
    recognised_media_type,
)
from helpdesk_api.files.schemas import File
from helpdesk_api.files.storing import Arrived, store
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.direct_routes import RawBodyRoute, known
from helpdesk_api.kit.resource_routes import announce_created
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import repeated, unit_of_work

PATH: Final = "/v1/files"
_IN_MEMORY_BYTES: Final = 1_048_576
_LONGEST_NAME: Final = 1_000

router = APIRouter(prefix=PATH, tags=["files"], route_class=RawBodyRoute)


@router.post(
    "",
    status_code=201,
    operation_id="files_upload",
    summary="Upload a file",
    description=(
        "Stores the body of the request as a file that hangs on nothing yet: name it in `file_ids` when creating a "
        "ticket or a comment, within a day, or it is deleted. Until then only its uploader sees it. `Content-Type` "
        "says what it is, which nothing relies upon. Of `name` the last part is kept, in one line of at most 200 "
        "characters. Records `file.created`. A repeated upload is another file."
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                UNKNOWN: {
                    "schema": {"type": "string", "format": "binary"},
                    "examples": {"file": {"value": "17:02 E0417 paper jam at dock 3"}},
                }
            },
        }
    },
)
async def upload_file(
    name: Annotated[
        str, Query(min_length=1, max_length=_LONGEST_NAME, description="What it is called where it comes from.")
    ],
    request: Request,
    response: Response,
    principal: Annotated[Principal, known("files:write")],
) -> File:
    """Upload a file."""
    runtime: Runtime = request.app.state.runtime
    cause = cause_of(request)
    async with _arrived(request, name) as arrived:

        async def stored() -> File:
            async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
                return await store(ctx, arrived)

        created = await repeated(stored)
    announce_created(request, response, created)
    return created


@asynccontextmanager
async def _arrived(request: Request, name: str) -> AsyncIterator[Arrived]:
    """Take in the whole body; raises what the edge refuses of it."""
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
        # Its writing goes to a thread as soon as the spool is on disk.
        writing = UploadFile(cast("BinaryIO", spool), size=0)
        digest = hashlib.sha256()
        beginning = b""
        async for part in request.stream():
            digest.update(part)
            beginning += part[: RECOGNISED_WITHIN - len(beginning)]
            await writing.write(part)
        yield Arrived(
            name=harmless_name(name),
            media_type=declared_media_type(request.headers.get("content-type")),
            detected_media_type=recognised_media_type(beginning),
            size_bytes=writing.size or 0,
            sha256=digest.hexdigest(),
            content=cast("BinaryIO", spool),
        )
