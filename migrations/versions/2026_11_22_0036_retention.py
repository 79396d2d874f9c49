"""Let old rows go under rules that each tenant sets: the rules, the runs, and where the event log begins by now.

The application may delete events from here on, but only old ones: a restrictive policy holds it to the floors, whatever
a statement says. A sandbox lives by its own time and has no floor; so that nobody makes a real tenant a sandbox to get
round it, a tenant that has no test clock never gets one.

Revision: 0036. Comes after: 0035.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_SETTINGS = (
    """
    CREATE TABLE retention_settings (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        closed_tickets_days integer,
        webhook_deliveries_days integer,
        outbound_emails_days integer,
        api_key_usage_days integer,
        sessions_days integer NOT NULL,
        sign_in_links_days integer NOT NULL,
        events_days integer,
        security_events_days integer,
        legal_hold_reason text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_retention_settings PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_retention_settings_closed_tickets_days CHECK (closed_tickets_days BETWEEN 30 AND 3650),
        CONSTRAINT ck_retention_settings_webhook_deliveries_days CHECK (webhook_deliveries_days BETWEEN 7 AND 365),
        CONSTRAINT ck_retention_settings_outbound_emails_days CHECK (outbound_emails_days BETWEEN 1 AND 365),
        CONSTRAINT ck_retention_settings_api_key_usage_days CHECK (api_key_usage_days BETWEEN 30 AND 1095),
        CONSTRAINT ck_retention_settings_sessions_days CHECK (sessions_days BETWEEN 1 AND 365),
        CONSTRAINT ck_retention_settings_sign_in_links_days CHECK (sign_in_links_days BETWEEN 1 AND 90),
        CONSTRAINT ck_retention_settings_events_days CHECK (events_days BETWEEN 30 AND 3650),
        CONSTRAINT ck_retention_settings_security_events_days CHECK (security_events_days BETWEEN 365 AND 3650),
        CONSTRAINT ck_retention_settings_security_events_last CHECK (
            coalesce(security_events_days, 'infinity'::float8) >= coalesce(events_days, 'infinity'::float8)
        )
    )
    """,
    "CALL tenant_owned('retention_settings')",
)
_RUNS = (
    """
    CREATE TABLE retention_runs (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        state text NOT NULL,
        requested_by_type text NOT NULL,
        requested_by_id uuid,
        rules jsonb NOT NULL,
        counts jsonb NOT NULL,
        left_out jsonb NOT NULL,
        completed_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_retention_runs PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_retention_runs_state CHECK (state IN ('running', 'done')),
        CONSTRAINT ck_retention_runs_done_at_some_time CHECK ((state = 'done') = (completed_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_retention_runs_tenant_id_created_at_id ON retention_runs (tenant_id, created_at, id)",
    "CREATE INDEX ix_retention_runs_running ON retention_runs (tenant_id) WHERE state = 'running'",
    "CALL tenant_owned('retention_runs', 'SELECT, INSERT, UPDATE')",
)
_LOG_STARTS = (
    """
    CREATE TABLE event_log_starts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        events_seal bigint DEFAULT 0 NOT NULL,
        security_events_seal bigint DEFAULT 0 NOT NULL,
        after_xid xid8,
        after_seq bigint,
        kept_since timestamptz,
        CONSTRAINT pk_event_log_starts PRIMARY KEY (tenant_id, id)
    )
    """,
    "CALL tenant_owned('event_log_starts', 'SELECT, INSERT, UPDATE')",
)
_TURNS = (
    # The default does not change within a statement: no row is written anew.
    """
    -- squawk-ignore adding-field-with-default
    ALTER TABLE tenants ADD COLUMN retention_due_at timestamptz DEFAULT (now() + interval '1 day') NOT NULL
    """,
    "GRANT UPDATE (retention_due_at) ON tenants TO helpdesk_app",
)
_FLOORS = (
    "GRANT DELETE ON events, webhook_deliveries, webhook_attempts, outbound_emails TO helpdesk_app",
    # When an event was recorded stands in its id, which the chain of seals covers. What is about the business of the
    # desk is kept for 30 days at least; whatever else there is, now or later, for a year.
    """
    CREATE POLICY retention ON events AS RESTRICTIVE FOR DELETE TO helpdesk_app USING (
        (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
        OR id < (
            lpad(to_hex(floor(extract(epoch FROM now() - CASE
                WHEN object_type IN (
                    'ticket', 'company', 'contact', 'external_reference', 'team', 'calendar', 'sla_policy',
                    'test_clock', 'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
                ) THEN interval '30 days'
                ELSE interval '365 days'
            END) * 1000)::bigint), 12, '0') || repeat('0', 20)
        )::uuid
    )
    """,
    """
    CREATE FUNCTION refuse_test_clock() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE insufficient_privilege USING MESSAGE = 'a tenant that lives in real time gets no test clock';
    END
    $$
    """,
    """
    CREATE TRIGGER no_test_clock_later BEFORE UPDATE OF clock_at ON tenants FOR EACH ROW
    WHEN (OLD.clock_at IS NULL AND NEW.clock_at IS NOT NULL) EXECUTE FUNCTION refuse_test_clock()
    """,
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_SETTINGS, *_RUNS, *_LOG_STARTS, *_TURNS, *_FLOORS):
        op.execute(statement)


def downgrade() -> None:
    """Take back; what was removed does not come again."""
    op.execute("DROP TRIGGER no_test_clock_later ON tenants")
    op.execute("DROP FUNCTION refuse_test_clock()")
    op.execute("DROP POLICY retention ON events")
    op.execute("REVOKE DELETE ON events, webhook_deliveries, webhook_attempts, outbound_emails FROM helpdesk_app")
    op.execute("ALTER TABLE tenants DROP COLUMN retention_due_at")
    op.execute("DROP TABLE event_log_starts")
    op.execute("DROP TABLE retention_runs")
    op.execute("DROP TABLE retention_settings")
