"""Remember replays of webhooks, and of each attempt its endpoint.

Revision: 0027. Comes after: 0026.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_REPLAYS = (
    """
    CREATE TABLE webhook_replays (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        scope text NOT NULL,
        since timestamptz,
        until timestamptz,
        event_types text[] NOT NULL,
        state text NOT NULL,
        cancelled_reason text,
        progress_percent integer NOT NULL,
        looked_at_count integer NOT NULL,
        queued_count integer NOT NULL,
        reached_at timestamptz,
        completed_at timestamptz,
        position jsonb,
        began_xid xid8,
        until_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_webhook_replays PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_webhook_replays_scope CHECK (scope IN ('failed', 'all')),
        CONSTRAINT ck_webhook_replays_state CHECK (state IN ('running', 'done', 'cancelled')),
        CONSTRAINT ck_webhook_replays_cancelled_for_a_reason
            CHECK ((state = 'cancelled') = (cancelled_reason IS NOT NULL)),
        CONSTRAINT ck_webhook_replays_completed_at_some_time CHECK ((state = 'running') = (completed_at IS NULL)),
        CONSTRAINT ck_webhook_replays_progress_percent CHECK (progress_percent BETWEEN 0 AND 100)
    )
    """,
    "CREATE INDEX ix_webhook_replays_tenant_id_created_at_id ON webhook_replays (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_webhook_replays_tenant_id_endpoint_id_created_at_id
    ON webhook_replays (tenant_id, endpoint_id, created_at, id)
    """,
    "CALL tenant_owned('webhook_replays', 'SELECT, INSERT, UPDATE')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _REPLAYS:
        op.execute(statement)
    op.execute("ALTER TABLE webhook_attempts ADD COLUMN endpoint_id uuid")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_webhook_attempts_tenant_id_endpoint_id_started_at "
            "ON webhook_attempts (tenant_id, endpoint_id, started_at)"
        )


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_attempts DROP COLUMN endpoint_id")
    op.execute("DROP TABLE webhook_replays")
