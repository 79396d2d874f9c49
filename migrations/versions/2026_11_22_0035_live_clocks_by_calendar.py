"""Find the live clocks of a calendar without looking at all the others.

Revision: 0035. Comes after: 0034.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.get_context().autocommit_block():
        op.execute(
            """
            CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_sla_clocks_live_by_calendar
            ON sla_clocks (tenant_id, calendar_id, ticket_id)
            WHERE state IN ('running', 'paused') AND calendar_id IS NOT NULL
            """
        )


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_sla_clocks_live_by_calendar")
