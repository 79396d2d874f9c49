"""Pin the form of messages of webhook endpoints; those from before keep the first.

Revision: 0048. Comes after: 0047.
"""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN payload_version text NOT NULL DEFAULT '2026-11-01'")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN payload_version")
