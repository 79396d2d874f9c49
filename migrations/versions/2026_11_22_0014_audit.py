"""Let events tell from where a change came, and seal them: a hash chain per tenant that shows what was tampered with.

Revision: 0014. Comes after: 0013.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SEALS = (
    """
    CREATE TABLE audit_seals (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        number bigint NOT NULL,
        last_xid xid8 NOT NULL,
        last_seq bigint NOT NULL,
        event_count integer NOT NULL,
        event_hashes bytea NOT NULL,
        previous_hash bytea NOT NULL,
        hash bytea NOT NULL,
        sealed_at timestamptz NOT NULL,
        CONSTRAINT pk_audit_seals PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_audit_seals_tenant_id_number UNIQUE (tenant_id, number),
        CONSTRAINT ck_audit_seals_a_hash_for_each_event CHECK (octet_length(event_hashes) = 32 * event_count),
        CONSTRAINT ck_audit_seals_never_empty CHECK (event_count > 0)
    )
    """,
    "CALL tenant_owned('audit_seals', 'SELECT, INSERT')",
)


def upgrade() -> None:
    """Apply."""
    # Nothing is released yet: no large table is written anew by a salt for every row.
    op.execute(
        """
        ALTER TABLE events
            ADD COLUMN credential_id uuid,
            ADD COLUMN ip inet,
            ADD COLUMN user_agent text,
            -- squawk-ignore adding-field-with-default
            ADD COLUMN salt uuid DEFAULT gen_random_uuid() NOT NULL
        """
    )
    for statement in _SEALS:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE audit_seals")
    op.execute("ALTER TABLE events DROP COLUMN credential_id, DROP COLUMN ip, DROP COLUMN user_agent, DROP COLUMN salt")
