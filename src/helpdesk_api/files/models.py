"""The tables of files: what is known of each, and its content in pieces.

Content is in the database and written in the transaction of its row, so there is never one without the other. A file
hangs on a ticket, or on a comment of one, or for the time being on nothing.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import record
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sql import reference, tenant_table

_is_unattached = text("attached_at IS NULL")

files = tenant_table(
    "files",
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("detected_media_type", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    # Without foreign keys: a file stays when whoever uploaded it is deleted.
    Column("uploaded_by_type", Text, nullable=False),
    Column("uploaded_by_id", Uuid, nullable=False),
    Column("ticket_id", Uuid),
    Column("comment_id", Uuid),
    Column("attached_at", DateTime(timezone=True)),
    CheckConstraint("(attached_at IS NULL) = (ticket_id IS NULL)", name="attached_to_a_ticket"),
    CheckConstraint("comment_id IS NULL OR ticket_id IS NOT NULL", name="comment_of_a_ticket"),
    reference("ticket_id", "tickets"),
    reference("comment_id", "comments"),
    Index(None, "tenant_id", "ticket_id"),
    Index(None, "tenant_id", "comment_id"),
    Index(None, "tenant_id", "uploaded_by_id"),
    Index("ix_files_unattached", "tenant_id", "created_at", postgresql_where=_is_unattached),
)

file_chunks = tenant_table(
    "file_chunks",
    Column("file_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("tenant_id", "file_id", "position"),
    # The database itself takes the content away with the row.
    ForeignKeyConstraint(["tenant_id", "file_id"], ["files.tenant_id", "files.id"], ondelete="CASCADE"),
    versioned=False,
)


async def _take_leave(ctx: Ctx, going: Sequence[Record], run_id: UUID) -> None:
    """Tell that files which nobody has attached go."""
    for row in going:
        record(
            ctx,
            "file.deleted",
            object_id=row["id"],
            version=row["version"] + 1,
            data={"ticket_id": None, "comment_id": None, "retention_run_id": run_id},
        )


UNATTACHED_FILES_KEPT: Final = Kept(
    name="unattached_files",
    meaning="Files that were uploaded and never attached to anything.",
    table=files,
    since=files.c.created_at,
    days=Days(default=1, least=1, most=1, may_be_endless=False),
    removable=files.c.attached_at.is_(None),
    in_real_time=False,
    told=(files.c.version,),
    farewell=_take_leave,
)
