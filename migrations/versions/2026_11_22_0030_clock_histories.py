"""Keep the history of every clock, and the language of a tenant.

Revision: 0030. Comes after: 0029.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE sla_clocks ADD COLUMN history jsonb DEFAULT '[]' NOT NULL")
    op.execute("ALTER TABLE tenants ADD COLUMN language text DEFAULT 'en' NOT NULL")
    op.execute("GRANT UPDATE (language) ON tenants TO helpdesk_app")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE tenants DROP COLUMN language")
    op.execute("ALTER TABLE sla_clocks DROP COLUMN history")
