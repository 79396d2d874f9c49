"""Store files with their content, and what tickets and comments show of those that hang on them.

Content is stored as it comes: most files are compressed already, and a download reads whole pieces. Built-in roles for
people who talk on tickets may upload and read; nobody else can change those roles.

Revision: 0061. Comes after: 0060.
"""

from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

_FILES = (
    """
    CREATE TABLE files (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        media_type text NOT NULL,
        detected_media_type text,
        size_bytes bigint NOT NULL,
        sha256 text NOT NULL,
        uploaded_by_type text NOT NULL,
        uploaded_by_id uuid NOT NULL,
        ticket_id uuid,
        comment_id uuid,
        attached_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_files PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_files_attached_to_a_ticket CHECK ((attached_at IS NULL) = (ticket_id IS NULL)),
        CONSTRAINT ck_files_comment_of_a_ticket CHECK (comment_id IS NULL OR ticket_id IS NOT NULL),
        CONSTRAINT fk_files_tenant_id_ticket_id FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
        CONSTRAINT fk_files_tenant_id_comment_id FOREIGN KEY (tenant_id, comment_id) REFERENCES comments (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_files_tenant_id_ticket_id ON files (tenant_id, ticket_id)",
    "CREATE INDEX ix_files_tenant_id_comment_id ON files (tenant_id, comment_id)",
    "CREATE INDEX ix_files_tenant_id_uploaded_by_id ON files (tenant_id, uploaded_by_id)",
    "CREATE INDEX ix_files_unattached ON files (tenant_id, created_at) WHERE attached_at IS NULL",
    "CALL tenant_owned('files')",
    """
    CREATE TABLE file_chunks (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        file_id uuid NOT NULL,
        position integer NOT NULL,
        content bytea NOT NULL,
        CONSTRAINT pk_file_chunks PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_file_chunks_tenant_id_file_id_position UNIQUE (tenant_id, file_id, position),
        CONSTRAINT fk_file_chunks_tenant_id_file_id
            FOREIGN KEY (tenant_id, file_id) REFERENCES files (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE file_chunks ALTER COLUMN content SET STORAGE EXTERNAL",
    "CALL tenant_owned('file_chunks')",
    "ALTER TABLE tickets ADD COLUMN attachments jsonb DEFAULT '[]' NOT NULL",
    "ALTER TABLE comments ADD COLUMN attachments jsonb DEFAULT '[]' NOT NULL",
    "ALTER TABLE roles NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{files:read,files:write}'::text[]) ORDER BY 1)
    WHERE slug IN ('supervisor', 'agent', 'light_agent', 'contractor', 'contact', 'contact_manager')
    """,
    "ALTER TABLE roles FORCE ROW LEVEL SECURITY",
)
_BACK = (
    "ALTER TABLE roles NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE roles SET permissions = ARRAY(
        SELECT each FROM unnest(permissions) AS each WHERE each NOT LIKE 'files:%' ORDER BY 1
    )
    WHERE slug IS NOT NULL
    """,
    "ALTER TABLE roles FORCE ROW LEVEL SECURITY",
    "ALTER TABLE comments DROP COLUMN attachments",
    "ALTER TABLE tickets DROP COLUMN attachments",
    "DROP TABLE file_chunks",
    "DROP TABLE files",
)


def upgrade() -> None:
    """Apply."""
    for statement in _FILES:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for statement in _BACK:
        op.execute(statement)
