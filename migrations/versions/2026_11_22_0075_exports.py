"""Remember exports of client cards.

Revision: 0075. Comes after: 0074.
"""

from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

_EXPORTS = (
    """
    CREATE TABLE exports (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        resource text NOT NULL,
        format text NOT NULL,
        filter text NOT NULL,
        fields text[],
        has_byte_order_mark boolean NOT NULL,
        state text NOT NULL,
        row_count integer NOT NULL,
        file_id uuid,
        problem_code text,
        problem_detail text,
        expires_at timestamptz,
        completed_at timestamptz,
        caller jsonb,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_exports PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_exports_state CHECK (state IN ('running', 'done', 'failed')),
        CONSTRAINT ck_exports_completed_when_ended CHECK ((state = 'running') = (completed_at IS NULL)),
        CONSTRAINT ck_exports_caller_while_running CHECK ((state = 'running') = (caller IS NOT NULL)),
        CONSTRAINT ck_exports_file_when_done CHECK ((state = 'done') = (file_id IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_exports_tenant_id_created_at_id ON exports (tenant_id, created_at, id)",
    "CALL tenant_owned('exports')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _EXPORTS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE exports")
