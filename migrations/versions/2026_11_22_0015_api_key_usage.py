"""Store what API keys are used for.

Revision: 0015. Comes after: 0014.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_USAGE = (
    """
    CREATE TABLE api_key_usage (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        key_id uuid NOT NULL,
        operation_id text NOT NULL,
        used_on date NOT NULL,
        request_count bigint NOT NULL,
        refused_count bigint NOT NULL,
        last_used_at timestamptz NOT NULL,
        CONSTRAINT pk_api_key_usage PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_api_key_usage_tenant_id_key_id_operation_id_used_on
            UNIQUE (tenant_id, key_id, operation_id, used_on),
        CONSTRAINT fk_api_key_usage_tenant_id_key_id
            FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CALL tenant_owned('api_key_usage')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _USAGE:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE api_key_usage")
