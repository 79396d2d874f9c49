"""Find the clocks that are due next, of all metrics and of one, however many there are.

Revision: 0044. Comes after: 0043.
"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_sla_clocks_due": "tenant_id, due_at, id",
    "ix_sla_clocks_due_by_metric": "tenant_id, metric, due_at, id",
}


def upgrade() -> None:
    """Apply."""
    with op.get_context().autocommit_block():
        for name, columns in _INDEXES.items():
            op.execute(
                f"""
                CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON sla_clocks ({columns})
                WHERE state IN ('running', 'paused') AND due_at IS NOT NULL
                """
            )


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
