"""Store second factors and recovery codes.

Revision: 0025. Comes after: 0024.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TOTP_FACTORS = (
    """
    CREATE TABLE totp_factors (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        sealed_secret bytea NOT NULL,
        confirmed_at timestamptz,
        last_step bigint NOT NULL,
        CONSTRAINT pk_totp_factors PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_totp_factors_tenant_id_user_id UNIQUE (tenant_id, user_id),
        CONSTRAINT fk_totp_factors_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CALL tenant_owned('totp_factors')",
)
_RECOVERY_CODES = (
    """
    CREATE TABLE recovery_codes (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        code_hash bytea NOT NULL,
        used_at timestamptz,
        CONSTRAINT pk_recovery_codes PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_recovery_codes_tenant_id_user_id_code_hash UNIQUE (tenant_id, user_id, code_hash),
        CONSTRAINT fk_recovery_codes_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CALL tenant_owned('recovery_codes')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_TOTP_FACTORS, *_RECOVERY_CODES):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE recovery_codes")
    op.execute("DROP TABLE totp_factors")
