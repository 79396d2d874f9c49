"""Keep what came of each rule that was tried, for a time.

Revision: 0050. Comes after: 0049.
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_UPGRADE = (
    """
    CREATE TABLE rule_runs (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        rule_id uuid NOT NULL,
        rule_version integer NOT NULL,
        ticket_id uuid NOT NULL,
        ticket_version integer NOT NULL,
        outcome text NOT NULL,
        reason text,
        detail text,
        occasions jsonb NOT NULL,
        answers jsonb NOT NULL,
        changes jsonb NOT NULL,
        duration_ms integer NOT NULL,
        cause_type text NOT NULL,
        cause_id text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_rule_runs PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_rule_runs_outcome CHECK (outcome IN ('applied', 'failed', 'skipped')),
        CONSTRAINT ck_rule_runs_applied_or_for_a_reason CHECK ((outcome = 'applied') = (reason IS NULL))
    )
    """,
    "CREATE INDEX ix_rule_runs_tenant_id_created_at_id ON rule_runs (tenant_id, created_at, id)",
    "CREATE INDEX ix_rule_runs_tenant_id_rule_id_created_at_id ON rule_runs (tenant_id, rule_id, created_at, id)",
    "CREATE INDEX ix_rule_runs_tenant_id_ticket_id_created_at_id ON rule_runs (tenant_id, ticket_id, created_at, id)",
    "CREATE INDEX ix_rule_runs_tenant_id_cause_id ON rule_runs (tenant_id, cause_id)",
    "CALL tenant_owned('rule_runs')",
    "ALTER TABLE retention_settings ADD COLUMN rule_runs_days integer DEFAULT 30 NOT NULL",
    # New rows name every choice; the default was for those that were there.
    "-- squawk-ignore ban-drop-default\nALTER TABLE retention_settings ALTER COLUMN rule_runs_days DROP DEFAULT",
    """
    ALTER TABLE retention_settings ADD CONSTRAINT ck_retention_settings_rule_runs_days
    CHECK (rule_runs_days BETWEEN 1 AND 365) NOT VALID
    """,
)


def upgrade() -> None:
    """Apply."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE retention_settings DROP COLUMN rule_runs_days")
    op.execute("DROP TABLE rule_runs")
