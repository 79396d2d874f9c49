"""Let an API key have two secrets for a while, and networks that it may be used from.

Revision: 0016. Comes after: 0015.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE api_keys ADD COLUMN previous_secret_hash bytea")
    op.execute("ALTER TABLE api_keys ADD COLUMN previous_secret_expires_at timestamptz")
    op.execute("ALTER TABLE api_keys ADD COLUMN allowed_networks text[] DEFAULT '{}' NOT NULL")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE api_keys DROP COLUMN allowed_networks")
    op.execute("ALTER TABLE api_keys DROP COLUMN previous_secret_expires_at")
    op.execute("ALTER TABLE api_keys DROP COLUMN previous_secret_hash")
