"""Macros, which built-in roles that work on tickets may read.

Revision: 0057. Comes after: 0056.
"""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

_MACROS = (
    """
    CREATE TABLE macros (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        position integer NOT NULL,
        team_id uuid,
        actions jsonb NOT NULL,
        is_active boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_macros PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_macros_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT fk_macros_tenant_id_team_id FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_macros_tenant_id_position_id ON macros (tenant_id, position, id)",
    "CREATE INDEX ix_macros_tenant_id_team_id ON macros (tenant_id, team_id)",
    "CALL tenant_owned('macros')",
    "ALTER TABLE roles NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{macros:read}'::text[]) ORDER BY 1)
    WHERE slug IN ('supervisor', 'agent', 'light_agent')
    """,
    "ALTER TABLE roles FORCE ROW LEVEL SECURITY",
)
_BACK = (
    "ALTER TABLE roles NO FORCE ROW LEVEL SECURITY",
    "UPDATE roles SET permissions = array_remove(permissions, 'macros:read') WHERE slug IS NOT NULL",
    "ALTER TABLE roles FORCE ROW LEVEL SECURITY",
    "DROP TABLE macros",
)


def upgrade() -> None:
    """Apply."""
    for statement in _MACROS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for statement in _BACK:
        op.execute(statement)
