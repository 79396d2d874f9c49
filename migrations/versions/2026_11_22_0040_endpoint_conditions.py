"""Let webhook endpoints have a condition.

Revision: 0040. Comes after: 0039.
"""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN condition jsonb")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN condition")
