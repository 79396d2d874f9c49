"""Store passwords, sessions, links that were sent by e-mail, counters of attempts, and where the front ends are.

Revision: 0024. Comes after: 0023.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_PASSWORDS = (
    """
    CREATE TABLE passwords (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        hash text NOT NULL,
        changed_at timestamptz NOT NULL,
        CONSTRAINT pk_passwords PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_passwords_tenant_id_user_id UNIQUE (tenant_id, user_id),
        CONSTRAINT fk_passwords_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CALL tenant_owned('passwords')",
)
_SESSIONS = (
    """
    CREATE TABLE sessions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid,
        contact_id uuid,
        method text NOT NULL,
        user_agent text,
        expires_at timestamptz NOT NULL,
        refreshed_at timestamptz NOT NULL,
        ended_at timestamptz,
        end_reason text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_sessions PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_sessions_one_person CHECK (num_nonnulls(user_id, contact_id) = 1),
        CONSTRAINT ck_sessions_ended_for_a_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
        CONSTRAINT fk_sessions_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_sessions_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_sessions_tenant_id_contact_id ON sessions (tenant_id, contact_id)",
    "CREATE INDEX ix_sessions_tenant_id_created_at_id ON sessions (tenant_id, created_at, id)",
    "CREATE INDEX ix_sessions_tenant_id_user_id ON sessions (tenant_id, user_id)",
    "CALL tenant_owned('sessions')",
)
_SESSION_TOKENS = (
    """
    CREATE TABLE session_tokens (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        session_id uuid NOT NULL,
        access_hash bytea NOT NULL,
        access_expires_at timestamptz NOT NULL,
        refresh_hash bytea NOT NULL,
        refresh_expires_at timestamptz NOT NULL,
        refreshed_at timestamptz,
        CONSTRAINT pk_session_tokens PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_session_tokens_tenant_id_session_id
            FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_session_tokens_tenant_id_session_id ON session_tokens (tenant_id, session_id)",
    "CALL tenant_owned('session_tokens')",
)
_SIGN_IN_LINKS = (
    """
    CREATE TABLE sign_in_links (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        purpose text NOT NULL,
        user_id uuid,
        contact_id uuid,
        email text NOT NULL,
        secret_hash bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        CONSTRAINT pk_sign_in_links PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_sign_in_links_purpose CHECK (purpose IN ('invitation', 'password_reset', 'magic_link')),
        CONSTRAINT ck_sign_in_links_one_person CHECK (num_nonnulls(user_id, contact_id) = 1),
        CONSTRAINT fk_sign_in_links_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_sign_in_links_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_sign_in_links_tenant_id_contact_id ON sign_in_links (tenant_id, contact_id)",
    "CREATE INDEX ix_sign_in_links_tenant_id_user_id ON sign_in_links (tenant_id, user_id)",
    "CALL tenant_owned('sign_in_links')",
)
# Few pages, updated without end: room on each page keeps the changes from touching the indexes.
_SIGN_IN_ATTEMPTS = (
    """
    CREATE TABLE sign_in_attempts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        purpose text NOT NULL,
        subject bytea NOT NULL,
        attempt_count integer NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_sign_in_attempts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_sign_in_attempts_tenant_id_purpose_subject UNIQUE (tenant_id, purpose, subject)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_sign_in_attempts_expires_at ON sign_in_attempts (expires_at)",
    "CALL tenant_owned('sign_in_attempts')",
    "CREATE POLICY sweeper ON sign_in_attempts TO helpdesk_sweeper USING (true)",
    "GRANT SELECT (expires_at), DELETE ON sign_in_attempts TO helpdesk_sweeper",
)
_SIGN_IN_SETTINGS = (
    """
    CREATE TABLE sign_in_settings (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        staff_url text,
        portal_url text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_sign_in_settings PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_sign_in_settings_one_per_tenant CHECK (id = tenant_id)
    )
    """,
    "CALL tenant_owned('sign_in_settings')",
)
_TABLES = (_PASSWORDS, _SESSIONS, _SESSION_TOKENS, _SIGN_IN_LINKS, _SIGN_IN_ATTEMPTS, _SIGN_IN_SETTINGS)


def upgrade() -> None:
    """Apply."""
    for table in _TABLES:
        for statement in table:
            op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for name in (
        "sign_in_settings",
        "sign_in_attempts",
        "sign_in_links",
        "session_tokens",
        "sessions",
        "passwords",
    ):
        op.execute(f"DROP TABLE {name}")
