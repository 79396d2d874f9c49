"""Keep every version of a rule that was published.

Revision: 0047. Comes after: 0046.
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_VERSIONS = (
    """
    CREATE TABLE rule_versions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        rule_id uuid NOT NULL,
        rule_version integer NOT NULL,
        recorded_at timestamptz NOT NULL,
        position integer NOT NULL,
        occasions text[] NOT NULL,
        condition jsonb,
        actions jsonb NOT NULL,
        stops boolean NOT NULL,
        CONSTRAINT pk_rule_versions PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_rule_versions_tenant_id_rule_id_rule_version UNIQUE (tenant_id, rule_id, rule_version)
    )
    """,
    # An erased person is taken out of conditions; nothing else changes a version.
    "CALL tenant_owned('rule_versions', 'SELECT, INSERT, UPDATE')",
)
_RULES = (
    "ALTER TABLE rules ADD COLUMN published_version integer, ADD COLUMN has_draft boolean DEFAULT true NOT NULL",
    "ALTER TABLE rules NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE rule_versions NO FORCE ROW LEVEL SECURITY",
    """
    INSERT INTO rule_versions (
        tenant_id, id, rule_id, rule_version, recorded_at, position, occasions, condition, actions, stops
    )
    SELECT tenant_id, gen_random_uuid(), id, version, updated_at, position, occasions, condition, actions, stops
    FROM rules WHERE state = 'published'
    """,
    "UPDATE rules SET published_version = version, has_draft = false WHERE state = 'published'",
    "ALTER TABLE rules FORCE ROW LEVEL SECURITY",
    "ALTER TABLE rule_versions FORCE ROW LEVEL SECURITY",
    """
    ALTER TABLE rules ADD CONSTRAINT ck_rules_published_has_version
    CHECK (state <> 'published' OR published_version IS NOT NULL) NOT VALID
    """,
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_VERSIONS, *_RULES):
        op.execute(statement)


def downgrade() -> None:
    """Take back: rules hold again as they stand."""
    op.execute("ALTER TABLE rules DROP COLUMN published_version, DROP COLUMN has_draft")
    op.execute("DROP TABLE rule_versions")
