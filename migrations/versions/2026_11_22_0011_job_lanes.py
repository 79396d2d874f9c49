"""Give jobs lanes that know when they are due, and let a webhook endpoint say how much it takes at once.

Revision: 0011. Comes after: 0010.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LANES = (
    """
    CREATE TABLE job_lanes (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        kind text NOT NULL,
        due_at timestamptz NOT NULL,
        not_before timestamptz DEFAULT '-infinity' NOT NULL,
        lease_token uuid,
        CONSTRAINT pk_job_lanes PRIMARY KEY (tenant_id, id)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_job_lanes_due ON job_lanes (kind, due_at)",
    "CALL tenant_owned('job_lanes')",
    "CREATE POLICY sweeper ON job_lanes TO helpdesk_sweeper USING (true)",
    "GRANT SELECT, UPDATE (due_at, lease_token) ON job_lanes TO helpdesk_sweeper",
    """
    INSERT INTO job_lanes (tenant_id, id, kind, due_at)
    SELECT tenant_id, lane, min(kind), min(run_at) FROM jobs WHERE lane IS NOT NULL GROUP BY tenant_id, lane
    """,
)
_LIMITS = """
    ALTER TABLE webhook_endpoints
        ADD COLUMN max_in_flight integer DEFAULT 4 NOT NULL,
        ADD COLUMN rate_per_second integer
"""


def upgrade() -> None:
    """Apply."""
    for statement in _LANES:
        op.execute(statement)
    op.execute(_LIMITS)


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE webhook_endpoints DROP COLUMN rate_per_second, DROP COLUMN max_in_flight")
    op.execute("DROP TABLE job_lanes")
