"""Seal what signs webhooks, verify endpoints by a ping, pause them, and remember how long they have been failing.

Revision: 0019. Comes after: 0018.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_FORGET_PLAIN_SECRETS = """
    -- squawk-ignore ban-drop-column
    ALTER TABLE webhook_endpoints DROP COLUMN secret, DROP COLUMN previous_secret
"""
_ADD = """
    ALTER TABLE webhook_endpoints
        ADD COLUMN verified_at timestamptz,
        ADD COLUMN paused_at timestamptz,
        ADD COLUMN metadata jsonb DEFAULT '{}' NOT NULL,
        ADD COLUMN headers jsonb DEFAULT '[]' NOT NULL,
        ADD COLUMN authentication jsonb,
        -- squawk-ignore adding-required-field
        ADD COLUMN public_key text NOT NULL,
        -- squawk-ignore adding-required-field
        ADD COLUMN sealed_keys bytea NOT NULL,
        ADD COLUMN sealed_previous_keys bytea,
        ADD COLUMN sealed_credentials bytea
"""
_HEALTH = """
    CREATE TABLE webhook_endpoint_health (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        first_failed_at timestamptz,
        failure_count integer NOT NULL,
        failing_since timestamptz,
        CONSTRAINT pk_webhook_endpoint_health PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_webhook_endpoint_health_tenant_id_id
            FOREIGN KEY (tenant_id, id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE
    )
"""


def upgrade() -> None:
    """Apply."""
    # A secret that was stored in plain text is to be replaced, and a database cannot seal. Nothing has been released:
    # endpoints are made anew; the log of their deliveries stays.
    op.execute("DELETE FROM webhook_endpoints")
    op.execute(_FORGET_PLAIN_SECRETS)
    op.execute(_ADD)
    op.execute(
        """
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE webhook_endpoints ADD CONSTRAINT ck_webhook_endpoints_previous_secret_expires
        CHECK ((sealed_previous_keys IS NULL) = (previous_secret_expires_at IS NULL))
        """
    )
    op.execute(_HEALTH)
    op.execute("CALL tenant_owned('webhook_endpoint_health')")


def downgrade() -> None:
    """Take back; endpoints are made anew, as their secrets are not in a form that the version before reads."""
    op.execute("DELETE FROM webhook_endpoints")
    op.execute("DROP TABLE webhook_endpoint_health")
    op.execute(
        """
        ALTER TABLE webhook_endpoints
            DROP COLUMN sealed_credentials, DROP COLUMN sealed_previous_keys, DROP COLUMN sealed_keys,
            DROP COLUMN public_key, DROP COLUMN authentication, DROP COLUMN headers, DROP COLUMN metadata,
            DROP COLUMN paused_at, DROP COLUMN verified_at
        """
    )
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN secret text NOT NULL, ADD COLUMN previous_secret text")
    op.execute(
        """
        ALTER TABLE webhook_endpoints ADD CONSTRAINT ck_webhook_endpoints_previous_secret_expires
        CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
        """
    )
