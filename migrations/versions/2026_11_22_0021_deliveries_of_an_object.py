"""Find the deliveries of an object in their order.

Revision: 0021. Comes after: 0020.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # Of columns that never change, so that the changes of a delivery still touch no index.
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_webhook_deliveries_of_object "
            "ON webhook_deliveries (tenant_id, endpoint_id, object_id, event_seq)"
        )


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_webhook_deliveries_of_object")
