"""Let tickets be put off until an instant.

Revision: 0071. Comes after: 0070.
"""

from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

_INDEX = "ix_tickets_tenant_id_snoozed_until"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE tickets ADD COLUMN snoozed_until timestamptz")
    with op.get_context().autocommit_block():
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_INDEX} ON tickets (tenant_id, snoozed_until)"
            " WHERE snoozed_until IS NOT NULL"
        )


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE tickets DROP COLUMN snoozed_until")
