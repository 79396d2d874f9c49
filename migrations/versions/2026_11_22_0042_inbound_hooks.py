"""Let other systems send alerts: hooks, the messages they take, which alert has which ticket, and notes of nobody.

Revision: 0042. Comes after: 0041.
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE inbound_hooks (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        is_enabled boolean NOT NULL,
        preset text,
        mapping jsonb NOT NULL,
        on_recovery text NOT NULL,
        signature jsonb NOT NULL,
        sealed_secret bytea,
        token_hash bytea NOT NULL,
        previous_token_hash bytea,
        previous_token_expires_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_inbound_hooks PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_inbound_hooks_on_recovery CHECK (on_recovery IN ('solve', 'note')),
        CONSTRAINT ck_inbound_hooks_previous_token_expires CHECK (
            (previous_token_hash IS NULL) = (previous_token_expires_at IS NULL)
        )
    )
    """,
    "CREATE INDEX ix_inbound_hooks_tenant_id_created_at_id ON inbound_hooks (tenant_id, created_at, id)",
    "CALL tenant_owned('inbound_hooks')",
    """
    CREATE TABLE inbound_messages (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        hook_id uuid NOT NULL,
        state text NOT NULL,
        results jsonb NOT NULL,
        body text NOT NULL,
        repetition_hash bytea NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_inbound_messages PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_inbound_messages_state CHECK (state IN ('done', 'failed'))
    )
    """,
    "CREATE INDEX ix_inbound_messages_tenant_id_created_at_id ON inbound_messages (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_inbound_messages_tenant_id_hook_id_created_at_id
        ON inbound_messages (tenant_id, hook_id, created_at, id)
    """,
    """
    CREATE INDEX ix_inbound_messages_of_repetition
        ON inbound_messages (tenant_id, hook_id, repetition_hash, created_at)
    """,
    "CALL tenant_owned('inbound_messages')",
    """
    CREATE TABLE inbound_alerts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        hook_id uuid NOT NULL,
        key_hash bytea NOT NULL,
        ticket_id uuid,
        CONSTRAINT pk_inbound_alerts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_inbound_alerts_tenant_id_hook_id_key_hash UNIQUE (tenant_id, hook_id, key_hash),
        CONSTRAINT fk_inbound_alerts_tenant_id_hook_id
            FOREIGN KEY (tenant_id, hook_id) REFERENCES inbound_hooks (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_inbound_alerts_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_inbound_alerts_tenant_id_ticket_id ON inbound_alerts (tenant_id, ticket_id)",
    "CALL tenant_owned('inbound_alerts')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute(
        # The rule that takes its place allows more: nothing that relied on it meets less than before.
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE comments DROP CONSTRAINT ck_comments_one_author"
    )
    op.execute(
        "ALTER TABLE comments ADD CONSTRAINT ck_comments_one_author CHECK "
        "(num_nonnulls(author_user_id, author_contact_id) = 1 "
        "OR (kind = 'note' AND num_nonnulls(author_user_id, author_contact_id) = 0)) NOT VALID"
    )
    # Who has chosen nothing for messages keeps them as long as who has chosen nothing at all.
    op.execute("ALTER TABLE retention_settings ADD COLUMN inbound_messages_days integer DEFAULT 30")
    op.execute(
        # New rows name every choice; the default was for those that were there.
        "-- squawk-ignore ban-drop-default\n"
        "ALTER TABLE retention_settings ALTER COLUMN inbound_messages_days DROP DEFAULT"
    )
    op.execute(
        "ALTER TABLE retention_settings ADD CONSTRAINT ck_retention_settings_inbound_messages_days "
        "CHECK (inbound_messages_days BETWEEN 1 AND 365) NOT VALID"
    )


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE retention_settings DROP COLUMN inbound_messages_days")
    op.execute("DELETE FROM comments WHERE num_nonnulls(author_user_id, author_contact_id) = 0")
    op.execute("ALTER TABLE comments DROP CONSTRAINT ck_comments_one_author")
    op.execute(
        "ALTER TABLE comments ADD CONSTRAINT ck_comments_one_author "
        "CHECK (num_nonnulls(author_user_id, author_contact_id) = 1) NOT VALID"
    )
    for table in ("inbound_alerts", "inbound_messages", "inbound_hooks"):
        op.execute(f"DROP TABLE {table}")
