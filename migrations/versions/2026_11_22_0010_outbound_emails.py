"""Store outbound e-mail.

Revision: 0010. Comes after: 0009.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OUTBOUND_EMAILS = (
    """
    CREATE TABLE outbound_emails (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        to_address text NOT NULL,
        subject text NOT NULL,
        sealed_text bytea,
        state text NOT NULL,
        attempt_count integer NOT NULL,
        last_error text,
        send_before timestamptz,
        sent_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_outbound_emails PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_outbound_emails_state CHECK (state IN ('queued', 'sent', 'captured', 'failed')),
        CONSTRAINT ck_outbound_emails_sent_at_some_time CHECK ((sent_at IS NULL) = (state IN ('queued', 'failed')))
    )
    """,
    "CREATE INDEX ix_outbound_emails_tenant_id_created_at_id ON outbound_emails (tenant_id, created_at, id)",
    "CALL tenant_owned('outbound_emails', 'SELECT, INSERT, UPDATE')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _OUTBOUND_EMAILS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE outbound_emails")
