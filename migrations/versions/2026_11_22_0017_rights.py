"""Give people roles, keys somebody to stand for, and companies a territory.

A tenant gets the built-in roles when it is created; nothing was deployed before there were any.

Revision: 0017. Comes after: 0016.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROLES = (
    """
    CREATE TABLE roles (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        slug text,
        name text NOT NULL,
        audience text NOT NULL,
        permissions text[] NOT NULL,
        reach text NOT NULL,
        company_ids uuid[] NOT NULL,
        territories text[] NOT NULL,
        field_groups text[] NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_roles PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_roles_tenant_id_slug UNIQUE (tenant_id, slug),
        CONSTRAINT uq_roles_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT ck_roles_audience CHECK (audience IN ('staff', 'contact')),
        CONSTRAINT ck_roles_reach CHECK (
            (reach IN ('own', 'company')) = (audience = 'contact')
            AND reach IN ('all', 'team', 'assigned', 'companies', 'territory', 'own', 'company')
        )
    )
    """,
    "CALL tenant_owned('roles')",
)
_REFERENCES = (
    # table, column, target, what becomes of the row when the target is deleted
    ("users", "role_id", "roles", ""),
    ("contacts", "portal_role_id", "roles", ""),
    ("api_keys", "user_id", "users", " ON DELETE CASCADE"),
    ("api_keys", "contact_id", "contacts", " ON DELETE CASCADE"),
    ("api_keys", "role_id", "roles", ""),
)


def upgrade() -> None:
    """Apply; what other tables refer to is checked by the next revision."""
    for statement in _ROLES:
        op.execute(statement)
    for table, column, target, fate in _REFERENCES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} uuid")
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_tenant_id_{column} "
            f"FOREIGN KEY (tenant_id, {column}) REFERENCES {target} (tenant_id, id){fate} NOT VALID"
        )
    op.execute("ALTER TABLE api_keys ADD COLUMN field_groups text[] NOT NULL DEFAULT '{}'")
    op.execute(
        "ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_one_holder "
        "CHECK (num_nonnulls(user_id, contact_id, role_id) <= 1) NOT VALID"
    )
    op.execute("ALTER TABLE companies ADD COLUMN territory text")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE companies DROP COLUMN territory")
    op.execute("ALTER TABLE api_keys DROP COLUMN field_groups")
    for table, column, _, _ in reversed(_REFERENCES):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    op.execute("DROP TABLE roles")
