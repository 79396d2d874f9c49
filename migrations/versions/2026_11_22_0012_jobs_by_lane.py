"""Find due jobs by their lane, or by their kind when they have none.

Revision: 0012. Comes after: 0011.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WITHOUT_LANE = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_jobs_due_without_lane ON jobs (kind, run_at) "
    "WHERE failed_at IS NULL AND lane IS NULL"
)
_IN_LANE = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_jobs_due_in_lane ON jobs (tenant_id, lane, run_at, id) "
    "WHERE failed_at IS NULL AND lane IS NOT NULL"
)
_BEFORE = "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_jobs_due ON jobs (kind, run_at) WHERE failed_at IS NULL"


def upgrade() -> None:
    """Apply."""
    with op.get_context().autocommit_block():
        op.execute(_WITHOUT_LANE)
        op.execute(_IN_LANE)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_due")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        op.execute(_BEFORE)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_due_in_lane")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_due_without_lane")
