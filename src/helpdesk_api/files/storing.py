"""Storing what was uploaded, hanging it on something, and reading its content again.

Which files somebody sees follows what they hang on, and is decided above, where tickets are known.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from uuid import UUID

from sqlalchemy import Integer, Uuid, any_, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.files.models import file_chunks, files
from helpdesk_api.files.schemas import Attachment, File
from helpdesk_api.kit.context import Ctx, Principal, new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError

_CHUNK_BYTES: Final = 262_144
_CHUNKS_AT_ONCE: Final = 4
# A bound for what is lost in a day by whoever uploads and attaches nothing; two at once may pass it by one.
_MOST_UNATTACHED: Final = 100

_COLUMNS: Final = tuple(files.c[name] for name in File.model_fields)
_mine = (
    files.c.tenant_id == bindparam("tenant"),
    files.c.attached_at.is_(None),
    files.c.uploaded_by_type == bindparam("by_type"),
    files.c.uploaded_by_id == bindparam("by_id", type_=Uuid),
)
_ids = any_(bindparam("ids", type_=ARRAY(Uuid)))
_COUNT: Final = Statement(select(func.count()).select_from(files).where(*_mine))
_CLAIM: Final = Statement(select(*_COLUMNS).where(*_mine, files.c.id == _ids).order_by(files.c.id).with_for_update())
_STORE: Final = Statement(
    insert(files)
    .values(
        {
            column.name: bindparam(column.name)
            for column in files.c
            if column.name not in {"ticket_id", "comment_id", "attached_at"}
        }
    )
    .returning(*_COLUMNS)
)
_STORE_CHUNK: Final = Statement(
    insert(file_chunks).values({column.name: bindparam(column.name) for column in file_chunks.c})
)
_READ_CHUNKS: Final = Statement(
    select(file_chunks.c.content)
    .where(
        file_chunks.c.tenant_id == bindparam("tenant"),
        file_chunks.c.file_id == bindparam("file"),
        file_chunks.c.position.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer)),
    )
    .order_by(file_chunks.c.position)
)


class TooManyUnattachedFilesError(ConflictError):
    """The caller has uploaded too many files that hang on nothing; attach or delete some, or wait for a day."""

    code = "too_many_unattached_files"
    title = "Too many files hang on nothing"


class ContentGoneError(Exception):
    """A file was deleted while its content was read: the answer breaks off, and its length tells the reader."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that has arrived in full."""

    name: str
    media_type: str
    detected_media_type: str | None
    size_bytes: int
    sha256: str
    content: BinaryIO

    @property
    def chunk_count(self) -> int:
        """Count the pieces that the content is stored in."""
        return -(-self.size_bytes // _CHUNK_BYTES)


def is_uploader(principal: Principal, file: File) -> bool:
    """Tell whether somebody has uploaded a file."""
    return (file.uploaded_by_type, file.uploaded_by_id) == (principal.type, principal.id)


async def store(ctx: Ctx, arrived: Arrived) -> File:
    """Store a file with its content; raises TooManyUnattachedFilesError."""
    if await ctx.tx.value(_COUNT, _caller(ctx)) >= _MOST_UNATTACHED:
        message = f"{_MOST_UNATTACHED} files of this caller hang on nothing."
        raise TooManyUnattachedFilesError(message, params={"most": _MOST_UNATTACHED})
    file_id = new_id()
    values: dict[str, Any] = {
        "tenant_id": ctx.tenant_id,
        "id": file_id,
        **{name: getattr(arrived, name) for name in ("name", "media_type", "detected_media_type", "size_bytes")},
        "sha256": arrived.sha256,
        "uploaded_by_type": ctx.principal.type,
        "uploaded_by_id": ctx.principal.id,
        "created_at": ctx.now,
        "updated_at": ctx.now,
        "version": 1,
    }
    (row,) = await ctx.tx.rows(_STORE, values)
    arrived.content.seek(0)
    for position in range(arrived.chunk_count):
        chunk = {"file_id": file_id, "position": position, "content": arrived.content.read(_CHUNK_BYTES)}
        await ctx.tx.run(_STORE_CHUNK, {"tenant_id": ctx.tenant_id, "id": new_id(), **chunk})
    data = {"media_type": arrived.media_type, "size_bytes": arrived.size_bytes, "sha256": arrived.sha256}
    record(ctx, "file.created", object_id=file_id, version=1, data=data)
    return File.from_record(row)


async def claim(ctx: Ctx, file_ids: Sequence[UUID]) -> list[File]:
    """Lock the files that are to hang on something, in the order in which they were uploaded.

    Raises UnknownReferenceError for one that the caller has not uploaded, or that hangs on something already.
    """
    if not file_ids:
        return []
    claimed = await ctx.tx.all(File, _CLAIM, {**_caller(ctx), "ids": list(file_ids)})
    found = {file.id for file in claimed}
    for index, file_id in enumerate(file_ids):
        if file_id not in found:
            message = f"The caller has no file {file_id} that hangs on nothing yet."
            raise UnknownReferenceError(message, pointer=f"/file_ids/{index}")
    return claimed


async def attach(ctx: Ctx, claimed: Sequence[File], *, ticket_id: UUID, comment_id: UUID | None = None) -> None:
    """Hang files that were claimed on a ticket, or on a comment of it."""
    if not claimed:
        return
    place = {"ticket_id": ticket_id, "comment_id": comment_id}
    await ctx.tx.run(
        update(files)
        .where(files.c.tenant_id == ctx.tenant_id, files.c.id == _ids)
        .values(**place, attached_at=ctx.now, updated_at=ctx.now, version=files.c.version + 1),
        {"ids": [file.id for file in claimed]},
    )
    for file in claimed:
        record(ctx, "file.attached", object_id=file.id, version=file.version + 1, data=place)


def shown(claimed: Sequence[File]) -> list[Attachment]:
    """Give what is stored beside that which files hang on: it is read most of all, and files do not change."""
    return [
        {
            "id": str(file.id),
            "name": file.name,
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in claimed
    ]


async def content_of(database: Database, tenant_id: UUID, file: File) -> AsyncIterator[bytes]:
    """Read the content of a file, for a reader who may be slow: no connection is held while a part is sent.

    Raises ContentGoneError when the file is deleted meanwhile.
    """
    left = file.size_bytes
    first = 0
    while left > 0:
        key = {"tenant": tenant_id, "file": file.id, "first": first, "last": first + _CHUNKS_AT_ONCE - 1}
        async with database.transaction(tenant_id, read_only=True) as transaction:
            chunks = [row["content"] for row in await transaction.rows(_READ_CHUNKS, key)]
        if not chunks:
            message = f"file {file.id} was deleted while it was read"
            raise ContentGoneError(message)
        for chunk in chunks:
            yield chunk
            left -= len(chunk)
        first += _CHUNKS_AT_ONCE


def _caller(ctx: Ctx) -> dict[str, Any]:
    return {"tenant": ctx.tenant_id, "by_type": ctx.principal.type, "by_id": ctx.principal.id}
