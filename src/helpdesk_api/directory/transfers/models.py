"""The tables of exports and imports: what was asked for, by whom, and how far it has come."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.kit.sql import reference, tenant_table

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

imports = tenant_table(
    "imports",
    # Without a foreign key: a file goes before its import does.
    Column("file_id", Uuid, nullable=False),
    Column("resource", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("encoding", Text),
    Column("source", Text),
    Column("match_on", Text),
    Column("mapping", JSONB, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("progress_percent", Integer, nullable=False),
    Column("created_count", Integer, nullable=False),
    Column("updated_count", Integer, nullable=False),
    Column("unchanged_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("problem_code", Text),
    Column("problem_detail", Text),
    Column("completed_at", DateTime(timezone=True)),
    # How much of the content is done, as UTF-8, and how many lines that were.
    Column("done_bytes", BigInteger, nullable=False, server_default="0"),
    Column("done_lines", Integer, nullable=False, server_default="0"),
    Column("caller", JSONB),
    CheckConstraint("state IN ('running', 'done', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(state = 'running') = (completed_at IS NULL)", name="completed_when_ended"),
    CheckConstraint("(state = 'running') = (caller IS NOT NULL)", name="caller_while_running"),
    CheckConstraint("progress_percent BETWEEN 0 AND 100", name="progress_percent"),
    Index(None, "tenant_id", "created_at", "id"),
)

# Only of rows that have something to tell; of the others there are the counts.
import_rows = tenant_table(
    "import_rows",
    Column("import_id", Uuid, nullable=False),
    Column("line_number", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("card_id", Uuid),
    Column("external_id", Text),
    Column("code", Text),
    Column("detail", Text),
    Column("errors", JSONB, nullable=False),
    reference("import_id", "imports", ondelete="CASCADE"),
    UniqueConstraint("tenant_id", "import_id", "line_number"),
    CheckConstraint("outcome IN ('created', 'updated', 'unchanged', 'failed')", name="outcome"),
    versioned=False,
)
