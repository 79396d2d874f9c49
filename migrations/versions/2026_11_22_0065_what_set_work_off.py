"""Keep what set off work that was left for later: deadlines name it, and of jobs it outlives the job.

Revision: 0065. Comes after: 0064.
"""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

_UPGRADE = (
    "ALTER TABLE deadlines ADD COLUMN cause_type text, ADD COLUMN cause_id text",
    """
    CREATE TABLE job_causes (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        cause_type text NOT NULL,
        cause_id text NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_job_causes PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_job_causes_tenant_id_cause_id ON job_causes (tenant_id, cause_id)",
    "CREATE INDEX ix_job_causes_tenant_id_created_at ON job_causes (tenant_id, created_at)",
    "CALL tenant_owned('job_causes')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE job_causes")
    op.execute("ALTER TABLE deadlines DROP COLUMN cause_type, DROP COLUMN cause_id")
