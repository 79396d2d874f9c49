"""Files on tickets and comments: who sees them, and taking one away.

A file is seen exactly by those who see what it hangs on, a file of an internal note only by those who may read notes;
one that hangs on nothing is seen by its uploader.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, or_, select, update

from helpdesk_api.files.models import files
from helpdesk_api.files.schemas import FILE_EXAMPLE, Attachment, File
from helpdesk_api.files.storing import attach, is_uploader, shown
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.acting import readable_kinds
from helpdesk_api.tickets.models import comments, tickets
from helpdesk_api.tickets.resources import COMMENTS, TICKETS
from helpdesk_api.tickets.schemas import Ticket

FILES = Resource(
    name="file",
    plural="files",
    table=files,
    read=File,
    example=FILE_EXAMPLE,
    rows={
        kind: files.c.ticket_id.in_(select(tickets.c.id).where(tickets.c.tenant_id == files.c.tenant_id, condition))
        for kind, condition in TICKETS.rows.items()
    },
)

_found = select(*FILES.columns).where(files.c.tenant_id == bindparam("tenant"), files.c.id == bindparam("key"))
_ONE: Final = Statement(_found)
_LOCKED: Final = Statement(_found.with_for_update())


async def attach_to_ticket(ctx: Ctx, created: Ticket, claimed: Sequence[File]) -> Ticket:
    """Hang files on a ticket that was just created; no event of the ticket tells their names."""
    if not claimed:
        return created
    attachments = shown(claimed)
    mine = tickets.c.tenant_id == ctx.tenant_id, tickets.c.id == created.id
    await ctx.tx.run(update(tickets).where(*mine).values(attachments=attachments))
    await attach(ctx, claimed, ticket_id=created.id)
    return Ticket.trusted({**vars(created), "attachments": attachments})


async def fetch_file(ctx: Ctx, file_id: UUID) -> File:
    """Read a file that the principal may see; raises NotFoundError."""
    return await _fetch(ctx, file_id, _ONE)


async def delete_file(ctx: Ctx, file_id: UUID, *, expected: int | None) -> None:
    """Delete a file with its content; one that hangs on something only by those who may change tickets.

    Raises NotFoundError, StaleVersionError and MissingPermissionError.
    """
    file = await _fetch(ctx, file_id, _LOCKED)
    check_version(file.version, expected)
    if file.ticket_id is not None:
        ctx.principal.require("tickets:write")
    await _delete(ctx, file)


async def delete_locked(ctx: Ctx, file_id: UUID) -> None:
    """Delete a file that the caller has locked, for whatever the product does by itself."""
    file = await ctx.tx.first(File, _ONE, {"tenant": ctx.tenant_id, "key": file_id})
    if file is None:
        raise FILES.missing(file_id)
    await _delete(ctx, file)


def files_of(person_type: Literal["contact", "user"], tenant_id: UUID, person_id: UUID) -> ColumnElement[bool]:
    """Give the condition for the files that somebody has sent: uploaded, or had brought by an integration."""
    uploaded = and_(files.c.uploaded_by_type == person_type, files.c.uploaded_by_id == person_id)
    author = comments.c.author_contact_id if person_type == "contact" else comments.c.author_user_id
    written = select(comments.c.id).where(comments.c.tenant_id == tenant_id, author == person_id)
    if person_type == "user":
        return or_(uploaded, files.c.comment_id.in_(written))
    asked = select(tickets.c.id).where(tickets.c.tenant_id == tenant_id, tickets.c.contact_id == person_id)
    opening = and_(files.c.comment_id.is_(None), files.c.ticket_id.in_(asked))
    return or_(uploaded, files.c.comment_id.in_(written), opening)


async def _delete(ctx: Ctx, file: File) -> None:
    if file.comment_id is not None:
        await _take_from_comment(ctx, file, file.comment_id)
    elif file.ticket_id is not None:
        await _take_from_ticket(ctx, file, file.ticket_id)
    await ctx.tx.run(delete(files).where(files.c.tenant_id == ctx.tenant_id, files.c.id == file.id))
    data = {"ticket_id": file.ticket_id, "comment_id": file.comment_id}
    record(ctx, "file.deleted", object_id=file.id, version=file.version + 1, data=data)


async def _fetch(ctx: Ctx, file_id: UUID, statement: Statement) -> File:
    file = await ctx.tx.first(File, statement, {"tenant": ctx.tenant_id, "key": file_id})
    if file is None or not await _is_seen(ctx, file):
        raise FILES.missing(file_id)
    return file


async def _is_seen(ctx: Ctx, file: File) -> bool:
    principal = ctx.principal
    if file.ticket_id is None:
        return is_uploader(principal, file)
    if file.comment_id is None:
        return principal.may("tickets:read") and bool(await crud.fetch_many(ctx, TICKETS, [file.ticket_id]))
    seen = await crud.fetch_many(ctx, COMMENTS, [file.comment_id]) if principal.may("comments:read") else {}
    return any(comment.kind in readable_kinds(principal) for comment in seen.values())


async def _take_from_ticket(ctx: Ctx, file: File, ticket_id: UUID) -> None:
    before = await crud.fetch_locked(ctx, TICKETS, ticket_id)
    left = _without(before.attachments, file)
    after = await crud.store_changes(ctx, TICKETS, before, {"attachments": left})
    changes = {"attachments": ([each["id"] for each in before.attachments], [each["id"] for each in left])}
    record(ctx, "ticket.updated", object_id=ticket_id, version=after.version, changes=changes)


async def _take_from_comment(ctx: Ctx, file: File, comment_id: UUID) -> None:
    held = select(comments.c.attachments).where(comments.c.tenant_id == ctx.tenant_id, comments.c.id == comment_id)
    attachments: list[Attachment] = await ctx.tx.value(held.with_for_update())
    await ctx.tx.run(
        update(comments)
        .where(comments.c.tenant_id == ctx.tenant_id, comments.c.id == comment_id)
        .values(attachments=_without(attachments, file), updated_at=ctx.now, version=comments.c.version + 1)
    )


def _without(attachments: list[Attachment], file: File) -> list[Any]:
    return [attachment for attachment in attachments if attachment["id"] != str(file.id)]
