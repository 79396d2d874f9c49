"""Store identity providers, and who at them is which user.

Revision: 0026. Comes after: 0025.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_IDENTITY_PROVIDERS = (
    """
    CREATE TABLE identity_providers (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        issuer text NOT NULL,
        jwks_url text,
        audiences text[] NOT NULL,
        algorithms text[] NOT NULL,
        email_claim text NOT NULL,
        name_claim text NOT NULL,
        email_domains text[] NOT NULL,
        auto_provision boolean NOT NULL,
        role_id uuid,
        is_enabled boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_identity_providers PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_identity_providers_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT uq_identity_providers_tenant_id_issuer UNIQUE (tenant_id, issuer),
        CONSTRAINT fk_identity_providers_tenant_id_role_id
            FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_identity_providers_tenant_id_role_id ON identity_providers (tenant_id, role_id)",
    "CALL tenant_owned('identity_providers')",
)
_EXTERNAL_IDENTITIES = (
    """
    CREATE TABLE external_identities (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        provider_id uuid NOT NULL,
        subject text NOT NULL,
        user_id uuid NOT NULL,
        CONSTRAINT pk_external_identities PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_external_identities_tenant_id_provider_id_subject UNIQUE (tenant_id, provider_id, subject),
        CONSTRAINT fk_external_identities_tenant_id_provider_id
            FOREIGN KEY (tenant_id, provider_id) REFERENCES identity_providers (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_external_identities_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_external_identities_tenant_id_user_id ON external_identities (tenant_id, user_id)",
    "CALL tenant_owned('external_identities')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_IDENTITY_PROVIDERS, *_EXTERNAL_IDENTITIES):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE external_identities")
    op.execute("DROP TABLE identity_providers")
