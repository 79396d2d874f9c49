"""Store the tickets that open event streams.

Revision: 0031. Comes after: 0030.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_STREAM_TICKETS = (
    """
    CREATE TABLE stream_tickets (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        secret_hash bytea NOT NULL,
        credential_kind text NOT NULL,
        credential_id uuid NOT NULL,
        credential_hash bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_stream_tickets PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_stream_tickets_tenant_id_expires_at ON stream_tickets (tenant_id, expires_at)",
    "CALL tenant_owned('stream_tickets')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _STREAM_TICKETS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE stream_tickets")
