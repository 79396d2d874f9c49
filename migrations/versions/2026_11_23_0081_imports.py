"""Remember imports of client cards, and the rows of them that have something to tell.

Revision: 0081. Comes after: 0080.
"""

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

_IMPORTS = (
    """
    CREATE TABLE imports (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        file_id uuid NOT NULL,
        resource text NOT NULL,
        format text NOT NULL,
        encoding text,
        source text,
        match_on text,
        mapping jsonb NOT NULL,
        dry_run boolean NOT NULL,
        state text NOT NULL,
        progress_percent integer NOT NULL,
        created_count integer NOT NULL,
        updated_count integer NOT NULL,
        unchanged_count integer NOT NULL,
        failed_count integer NOT NULL,
        problem_code text,
        problem_detail text,
        completed_at timestamptz,
        done_bytes bigint DEFAULT 0 NOT NULL,
        done_lines integer DEFAULT 0 NOT NULL,
        caller jsonb,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_imports PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_imports_state CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
        CONSTRAINT ck_imports_completed_when_ended CHECK ((state = 'running') = (completed_at IS NULL)),
        CONSTRAINT ck_imports_caller_while_running CHECK ((state = 'running') = (caller IS NOT NULL)),
        CONSTRAINT ck_imports_progress_percent CHECK (progress_percent BETWEEN 0 AND 100)
    )
    """,
    "CREATE INDEX ix_imports_tenant_id_created_at_id ON imports (tenant_id, created_at, id)",
    "CALL tenant_owned('imports')",
    """
    CREATE TABLE import_rows (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        import_id uuid NOT NULL,
        line_number integer NOT NULL,
        outcome text NOT NULL,
        card_id uuid,
        external_id text,
        code text,
        detail text,
        errors jsonb NOT NULL,
        CONSTRAINT pk_import_rows PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_import_rows_tenant_id_import_id FOREIGN KEY (tenant_id, import_id)
            REFERENCES imports (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT uq_import_rows_tenant_id_import_id_line_number UNIQUE (tenant_id, import_id, line_number),
        CONSTRAINT ck_import_rows_outcome CHECK (outcome IN ('created', 'updated', 'unchanged', 'failed'))
    )
    """,
    "CALL tenant_owned('import_rows')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _IMPORTS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE import_rows")
    op.execute("DROP TABLE imports")
