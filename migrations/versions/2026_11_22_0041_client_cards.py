"""Complete the client cards: tax ids, who looks after a company, what it belongs to; messengers, memberships, consents.

Revision: 0041. Comes after: 0040.
"""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_COLUMNS = {
    "companies": (
        "tax_ids jsonb DEFAULT '[]' NOT NULL",
        "category text",
        "parent_company_id uuid",
        "default_team_id uuid",
        "responsible_user_id uuid",
        "observer_ids uuid[] DEFAULT '{}' NOT NULL",
        "is_active boolean DEFAULT true NOT NULL",
    ),
    "contacts": (
        "messengers jsonb DEFAULT '[]' NOT NULL",
        "preferred_channel text",
        "language text",
        "memberships jsonb DEFAULT '[]' NOT NULL",
        "consents jsonb DEFAULT '[]' NOT NULL",
    ),
}
_CONSTRAINTS = {
    "companies": tuple(
        (
            f"fk_companies_tenant_id_{column}",
            f"FOREIGN KEY (tenant_id, {column}) REFERENCES {target} (tenant_id, id)",
        )
        for column, target in (
            ("parent_company_id", "companies"),
            ("default_team_id", "teams"),
            ("responsible_user_id", "users"),
        )
    ),
    "contacts": (
        (
            "ck_contacts_preferred_channel",
            "CHECK (preferred_channel IN ('email', 'phone', 'messenger', 'portal'))",
        ),
    ),
}
_LINKS = tuple(
    f"""
    CREATE TABLE {table} (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        {owner} uuid NOT NULL,
        {target} uuid NOT NULL,
        CONSTRAINT pk_{table} PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_{table}_tenant_id_{owner}_{target} UNIQUE (tenant_id, {owner}, {target}),
        CONSTRAINT fk_{table}_tenant_id_{owner}
            FOREIGN KEY (tenant_id, {owner}) REFERENCES {owners} (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_{table}_tenant_id_{target} FOREIGN KEY (tenant_id, {target}) REFERENCES {targets} (tenant_id, id)
    )
    """
    for table, owner, owners, target, targets in (
        ("company_observers", "company_id", "companies", "user_id", "users"),
        ("company_members", "contact_id", "contacts", "company_id", "companies"),
    )
)
_INDEXES = (
    ("companies", "ix_companies_tenant_id_parent_company_id", "(tenant_id, parent_company_id)"),
    ("companies", "ix_companies_tenant_id_default_team_id", "(tenant_id, default_team_id)"),
    ("companies", "ix_companies_tenant_id_responsible_user_id", "(tenant_id, responsible_user_id)"),
    ("companies", "ix_companies_tax_ids", "USING gin (tax_ids jsonb_path_ops)"),
    ("contacts", "ix_contacts_messengers", "USING gin (messengers jsonb_path_ops)"),
    ("contacts", "ix_contacts_memberships", "USING gin (memberships jsonb_path_ops)"),
)

# What is valid already is only looked at once more.
_REPEATABLE = "-- squawk-ignore prefer-robust-stmts\n"


def upgrade() -> None:
    """Apply."""
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        for name, rule in _CONSTRAINTS[table]:
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
    for statement in _LINKS:
        op.execute(statement)
    op.execute("CREATE INDEX ix_company_observers_tenant_id_user_id ON company_observers (tenant_id, user_id)")
    op.execute("CREATE INDEX ix_company_members_tenant_id_company_id ON company_members (tenant_id, company_id)")
    op.execute("CALL tenant_owned('company_observers')")
    op.execute("CALL tenant_owned('company_members')")
    with op.get_context().autocommit_block():
        for table, constraints in _CONSTRAINTS.items():
            for name, _ in constraints:
                op.execute(f"{_REPEATABLE}ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
        for table, name, definition in _INDEXES:
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} {definition}")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for _, name, _ in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("DROP TABLE company_members")
    op.execute("DROP TABLE company_observers")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.partition(' ')[0]}")
