"""The tables of exports and imports: what was asked for, by whom, and how far it has come."""

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.kit.sql import tenant_table

exports = tenant_table(
    "exports",
    Column("resource", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("fields", ARRAY(Text)),
    Column("has_byte_order_mark", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    # Without a foreign key: a file goes before its export does.
    Column("file_id", Uuid),
    Column("problem_code", Text),
    Column("problem_detail", Text),
    Column("expires_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    # With whose rights it is done, until it is done.
    Column("caller", JSONB),
    CheckConstraint("state IN ('running', 'done', 'failed')", name="state"),
    CheckConstraint("(state = 'running') = (completed_at IS NULL)", name="completed_when_ended"),
    CheckConstraint("(state = 'running') = (caller IS NOT NULL)", name="caller_while_running"),
    CheckConstraint("(state = 'done') = (file_id IS NOT NULL)", name="file_when_done"),
    Index(None, "tenant_id", "created_at", "id"),
)
