"""Remember of an endpoint which transactions were still running when it was created: what they do is for it.

Revision: 0043. Comes after: 0042.
"""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # An endpoint that is there has none: whatever was running when it was created has ended by now.
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN since_snapshot pg_snapshot")
    op.execute("ALTER TABLE webhook_endpoints ALTER COLUMN since_snapshot SET DEFAULT pg_current_snapshot()")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN since_snapshot")
