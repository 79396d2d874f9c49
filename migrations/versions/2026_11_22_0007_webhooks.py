"""Store webhook endpoints, deliveries and attempts.

Revision: 0007. Comes after: 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ENDPOINTS = (
    """
    CREATE TABLE webhook_endpoints (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        url text NOT NULL,
        description text,
        event_types text[] NOT NULL,
        is_enabled boolean NOT NULL,
        disabled_reason text,
        disabled_at timestamptz,
        secret text NOT NULL,
        previous_secret text,
        previous_secret_expires_at timestamptz,
        since_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_webhook_endpoints PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_webhook_endpoints_disabled_for_a_reason CHECK (is_enabled = (disabled_reason IS NULL)),
        CONSTRAINT ck_webhook_endpoints_disabled_at_some_time CHECK (is_enabled = (disabled_at IS NULL)),
        CONSTRAINT ck_webhook_endpoints_previous_secret_expires
            CHECK ((previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
    )
    """,
    """
    CREATE INDEX ix_webhook_endpoints_tenant_id_created_at_id
    ON webhook_endpoints (tenant_id, created_at, id)
    """,
    "CALL tenant_owned('webhook_endpoints')",
)
# The fill factor leaves room on the page for the one or two changes of a delivery, which then touch no index.
_DELIVERIES = (
    """
    CREATE TABLE webhook_deliveries (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        event_id uuid NOT NULL,
        event_type text NOT NULL,
        state text NOT NULL,
        attempt_count integer NOT NULL,
        next_attempt_at timestamptz,
        last_status integer,
        last_error text,
        delivered_at timestamptz,
        job_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_webhook_deliveries PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_webhook_deliveries_tenant_id_endpoint_id_event_id UNIQUE (tenant_id, endpoint_id, event_id),
        CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
        CONSTRAINT ck_webhook_deliveries_pending_has_a_time
            CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
        CONSTRAINT fk_webhook_deliveries_tenant_id_event_id
            FOREIGN KEY (tenant_id, event_id) REFERENCES events (tenant_id, id)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX ix_webhook_deliveries_tenant_id_created_at_id
    ON webhook_deliveries (tenant_id, created_at, id)
    """,
    """
    CREATE INDEX ix_webhook_deliveries_tenant_id_endpoint_id_created_at_id
    ON webhook_deliveries (tenant_id, endpoint_id, created_at, id)
    """,
    "CREATE INDEX ix_webhook_deliveries_tenant_id_event_id ON webhook_deliveries (tenant_id, event_id)",
    "CALL tenant_owned('webhook_deliveries', 'SELECT, INSERT, UPDATE')",
)
_ATTEMPTS = (
    """
    CREATE TABLE webhook_attempts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        delivery_id uuid NOT NULL,
        number integer NOT NULL,
        started_at timestamptz NOT NULL,
        duration_ms integer NOT NULL,
        status integer,
        error text,
        response_excerpt text,
        CONSTRAINT pk_webhook_attempts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_webhook_attempts_tenant_id_delivery_id_number UNIQUE (tenant_id, delivery_id, number),
        CONSTRAINT ck_webhook_attempts_answer_or_error CHECK (num_nonnulls(status, error) = 1),
        CONSTRAINT fk_webhook_attempts_tenant_id_delivery_id
            FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries (tenant_id, id)
    )
    """,
    "CALL tenant_owned('webhook_attempts', 'SELECT, INSERT')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_ENDPOINTS, *_DELIVERIES, *_ATTEMPTS):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE webhook_attempts")
    op.execute("DROP TABLE webhook_deliveries")
    op.execute("DROP TABLE webhook_endpoints")
