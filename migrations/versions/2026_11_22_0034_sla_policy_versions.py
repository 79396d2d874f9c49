"""Keep every version of an SLA policy; give policies a draft state, more conditions and targets in days.

Revision: 0034. Comes after: 0033.
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_VERSIONS = (
    """
    CREATE TABLE sla_policy_versions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        policy_id uuid NOT NULL,
        policy_version integer NOT NULL,
        recorded_at timestamptz NOT NULL,
        position integer NOT NULL,
        is_active boolean NOT NULL,
        state text NOT NULL,
        calendar_id uuid,
        conditions jsonb NOT NULL,
        targets jsonb NOT NULL,
        CONSTRAINT pk_sla_policy_versions PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_sla_policy_versions_tenant_id_policy_id_policy_version
            UNIQUE (tenant_id, policy_id, policy_version)
    )
    """,
    "CALL tenant_owned('sla_policy_versions', 'SELECT, INSERT')",
)
_POLICIES = (
    "ALTER TABLE sla_policies ADD COLUMN state text DEFAULT 'published' NOT NULL",
    """
    ALTER TABLE sla_policies ADD CONSTRAINT ck_sla_policies_state
    CHECK (state IN ('draft', 'published')) NOT VALID
    """,
    "ALTER TABLE sla_policies NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE sla_policies SET
        conditions = '{"territories": [], "channels": [], "tags": [], "team_ids": []}' || conditions,
        targets = (
            SELECT coalesce(jsonb_agg('{"days": null}' || target ORDER BY place), '[]')
            FROM jsonb_array_elements(targets) WITH ORDINALITY AS listed (target, place)
        )
    """,
    "ALTER TABLE sla_policy_versions NO FORCE ROW LEVEL SECURITY",
    # What was promised by earlier versions was not kept; the present one is the first to be.
    """
    INSERT INTO sla_policy_versions (
        tenant_id, id, policy_id, policy_version, recorded_at, position, is_active, state, calendar_id, conditions,
        targets
    )
    SELECT tenant_id, gen_random_uuid(), id, version, updated_at, position, is_active, state, calendar_id, conditions,
        targets
    FROM sla_policies
    """,
    "ALTER TABLE sla_policies FORCE ROW LEVEL SECURITY",
    "ALTER TABLE sla_policy_versions FORCE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_VERSIONS, *_POLICIES):
        op.execute(statement)


def downgrade() -> None:
    """Take back; drafts are removed, because without the state they would be promises."""
    op.execute("ALTER TABLE sla_policies NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM sla_policies WHERE state = 'draft'")
    op.execute("ALTER TABLE sla_policies FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE sla_policies DROP COLUMN state")
    op.execute("DROP TABLE sla_policy_versions")
