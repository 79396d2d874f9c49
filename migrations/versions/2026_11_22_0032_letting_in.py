"""Let an endpoint present an access token or a client certificate to its receiver.

Revision: 0032. Comes after: 0031.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN client_certificate jsonb")
    # Row-level security hides every row from an UPDATE here, but not from a change of the column. There are twenty
    # endpoints to a tenant at most.
    op.execute(
        """
        -- squawk-ignore changing-column-type
        ALTER TABLE webhook_endpoints ALTER COLUMN authentication TYPE jsonb
        USING '{"token_url": null, "client_id": null, "scope": null}'::jsonb || authentication
        """
    )


def downgrade() -> None:
    """Take back; endpoints that ask for tokens are for the version after this one only."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN client_certificate")
    op.execute(
        """
        ALTER TABLE webhook_endpoints ALTER COLUMN authentication TYPE jsonb
        USING authentication - 'token_url' - 'client_id' - 'scope'
        """
    )
