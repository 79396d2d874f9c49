"""Full messages tell the guarded fields of the groups that their endpoint names.

Revision: 0058. Comes after: 0057.
"""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; whoever chose full messages before was told everything."""
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN field_groups text[] DEFAULT '{}' NOT NULL")
    op.execute("ALTER TABLE webhook_endpoints NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE webhook_endpoints SET field_groups = '{*}' WHERE payload = 'full'")
    op.execute("ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN field_groups")
