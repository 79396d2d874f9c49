"""Let the application read which migration the schema is at, so that it can tell an operator.

Revision: 0008. Comes after: 0007.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT SELECT ON alembic_version TO helpdesk_app")


def downgrade() -> None:
    """Take back."""
    op.execute("REVOKE SELECT ON alembic_version FROM helpdesk_app")
