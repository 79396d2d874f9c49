"""Rules over tickets.

Revision: 0045. Comes after: 0044.
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_UPGRADE = (
    """
    CREATE TABLE rules (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        position integer NOT NULL,
        state text NOT NULL,
        occasions text[] NOT NULL,
        condition jsonb,
        actions jsonb NOT NULL,
        stops boolean NOT NULL,
        failure_count integer DEFAULT 0 NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_rules PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_rules_state CHECK (state IN ('draft', 'published', 'disabled')),
        CONSTRAINT uq_rules_tenant_id_name UNIQUE (tenant_id, name)
    )
    """,
    "CREATE INDEX ix_rules_tenant_id_position_id ON rules (tenant_id, position, id)",
    "CALL tenant_owned('rules')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE rules")
