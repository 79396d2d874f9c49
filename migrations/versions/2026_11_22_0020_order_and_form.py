"""Let a webhook endpoint ask for order per object, for full messages and for CloudEvents.

Revision: 0020. Comes after: 0019.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(
        """
        ALTER TABLE webhook_endpoints
            ADD COLUMN ordered boolean DEFAULT false NOT NULL,
            ADD COLUMN payload text DEFAULT 'thin' NOT NULL,
            ADD COLUMN format text DEFAULT 'standard' NOT NULL
        """
    )
    op.execute(
        """
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE webhook_endpoints ADD CONSTRAINT ck_webhook_endpoints_payload CHECK (payload IN ('thin', 'full'))
        """
    )
    op.execute(
        """
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE webhook_endpoints ADD CONSTRAINT ck_webhook_endpoints_format
        CHECK (format IN ('standard', 'cloudevents'))
        """
    )
    op.execute("ALTER TABLE webhook_deliveries ADD COLUMN object_id uuid, ADD COLUMN event_seq bigint")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN event_seq, DROP COLUMN object_id")
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN format, DROP COLUMN payload, DROP COLUMN ordered")
