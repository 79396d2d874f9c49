"""Find in the audit trail what somebody did, and what came from an address, without looking at the rest.

Revision: 0038. Comes after: 0037.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_events_tenant_id_actor_id_id": "events (tenant_id, actor_id, id)",
    "ix_events_tenant_id_ip_id": "events (tenant_id, ip, id) WHERE ip IS NOT NULL",
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
