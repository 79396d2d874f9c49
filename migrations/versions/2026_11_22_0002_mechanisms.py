"""Store events, jobs, deadlines, idempotency keys and counters.

Revision: 0002. Comes after: 0001.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTERS = (
    """
    CREATE TABLE counters (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        value bigint NOT NULL,
        CONSTRAINT pk_counters PRIMARY KEY (tenant_id, id)
    )
    """,
    "CALL tenant_owned('counters')",
)
_IDEMPOTENCY_KEYS = (
    """
    CREATE TABLE idempotency_keys (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        credential_id uuid NOT NULL,
        method text NOT NULL,
        path text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        status integer NOT NULL,
        headers jsonb NOT NULL,
        body bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_idempotency_keys_tenant_id_credential_id_method_path_key
            UNIQUE (tenant_id, credential_id, method, path, key)
    )
    """,
    "CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)",
    "CALL tenant_owned('idempotency_keys')",
    "CREATE POLICY sweeper ON idempotency_keys TO helpdesk_sweeper USING (true)",
    "GRANT SELECT (expires_at), DELETE ON idempotency_keys TO helpdesk_sweeper",
)
_EVENTS = (
    """
    CREATE TABLE events (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        type text NOT NULL,
        object_type text NOT NULL,
        object_id uuid NOT NULL,
        object_version integer NOT NULL,
        changes jsonb NOT NULL,
        data jsonb NOT NULL,
        actor_type text NOT NULL,
        actor_id uuid,
        cause_type text NOT NULL,
        cause_id text NOT NULL,
        occurred_at timestamptz NOT NULL,
        CONSTRAINT pk_events PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_events_tenant_id_object_id_xid_seq ON events (tenant_id, object_id, xid, seq)",
    "CREATE INDEX ix_events_tenant_id_xid_seq ON events (tenant_id, xid, seq)",
    "CALL tenant_owned('events', 'SELECT, INSERT')",
)
_JOBS = (
    """
    CREATE TABLE jobs (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        payload jsonb NOT NULL,
        lane uuid,
        run_at timestamptz NOT NULL,
        lease_token uuid,
        failure_count integer DEFAULT 0 NOT NULL,
        last_error text,
        failed_at timestamptz,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_jobs PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_jobs_due ON jobs (kind, run_at) WHERE failed_at IS NULL",
    "CALL tenant_owned('jobs')",
    "CREATE POLICY sweeper ON jobs TO helpdesk_sweeper USING (true)",
    "GRANT SELECT, UPDATE (run_at, lease_token) ON jobs TO helpdesk_sweeper",
)
_DEADLINES = (
    """
    CREATE TABLE deadlines (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        object_id uuid NOT NULL,
        instance integer NOT NULL,
        due_at timestamptz NOT NULL,
        try_at timestamptz NOT NULL,
        fired_at timestamptz,
        is_test_clock boolean NOT NULL,
        CONSTRAINT pk_deadlines PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_deadlines_tenant_id_kind_object_id_instance UNIQUE (tenant_id, kind, object_id, instance)
    )
    """,
    "CREATE INDEX ix_deadlines_due ON deadlines (try_at) WHERE fired_at IS NULL AND NOT is_test_clock",
    "CREATE INDEX ix_deadlines_tenant_due ON deadlines (tenant_id, due_at, id) WHERE fired_at IS NULL",
    "CALL tenant_owned('deadlines')",
    "CREATE POLICY sweeper ON deadlines FOR SELECT TO helpdesk_sweeper USING (true)",
    "GRANT SELECT ON deadlines TO helpdesk_sweeper",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_COUNTERS, *_IDEMPOTENCY_KEYS, *_EVENTS, *_JOBS, *_DEADLINES):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE deadlines")
    op.execute("DROP TABLE jobs")
    op.execute("DROP TABLE events")
    op.execute("DROP TABLE idempotency_keys")
    op.execute("DROP TABLE counters")
