"""Find what a cause has set off without looking at the rest.

Revision: 0066. Comes after: 0065.
"""

from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_events_tenant_id_cause_id_id": "events (tenant_id, cause_id, id)",
    "ix_deadlines_tenant_id_cause_id": "deadlines (tenant_id, cause_id)",
}


def upgrade() -> None:
    """Apply."""
    with op.get_context().autocommit_block():
        for name, what in _INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {what}")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
