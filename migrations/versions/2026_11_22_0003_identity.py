"""Store teams, users and API keys.

Revision: 0003. Comes after: 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEAMS = (
    """
    CREATE TABLE teams (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_teams PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_teams_tenant_id_name UNIQUE (tenant_id, name)
    )
    """,
    "CALL tenant_owned('teams')",
)
_USERS = (
    """
    CREATE TABLE users (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        email text NOT NULL,
        team_id uuid,
        is_active boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_users_tenant_id_email UNIQUE (tenant_id, email),
        CONSTRAINT fk_users_tenant_id_team_id FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_users_tenant_id_team_id ON users (tenant_id, team_id)",
    "CALL tenant_owned('users')",
)
_API_KEYS = (
    """
    CREATE TABLE api_keys (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        secret_hash bytea NOT NULL,
        scopes text[] NOT NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_api_keys PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_api_keys_tenant_id_created_at_id ON api_keys (tenant_id, created_at, id)",
    "CALL tenant_owned('api_keys')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_TEAMS, *_USERS, *_API_KEYS):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE api_keys")
    op.execute("DROP TABLE users")
    op.execute("DROP TABLE teams")
