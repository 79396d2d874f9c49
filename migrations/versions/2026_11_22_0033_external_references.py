"""Store by which ids client cards go in other systems, and find cards by their domains, addresses and phones.

Revision: 0033. Comes after: 0032.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_REFERENCES = (
    """
    CREATE TABLE external_references (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        source text NOT NULL,
        external_id text NOT NULL,
        company_id uuid,
        contact_id uuid,
        source_updated_at timestamptz,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_external_references PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_external_references_of_one_card CHECK (num_nonnulls(company_id, contact_id) = 1),
        CONSTRAINT fk_external_references_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_external_references_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
    )
    """,
    """
    CREATE UNIQUE INDEX uq_external_references_companies
        ON external_references (tenant_id, source, external_id) WHERE company_id IS NOT NULL
    """,
    """
    CREATE UNIQUE INDEX uq_external_references_contacts
        ON external_references (tenant_id, source, external_id) WHERE contact_id IS NOT NULL
    """,
    "CREATE INDEX ix_external_references_tenant_id_created_at_id ON external_references (tenant_id, created_at, id)",
    "CREATE INDEX ix_external_references_tenant_id_company_id ON external_references (tenant_id, company_id)",
    "CREATE INDEX ix_external_references_tenant_id_contact_id ON external_references (tenant_id, contact_id)",
    "CALL tenant_owned('external_references')",
)
_FOUND_BY = {"companies": ("domains",), "contacts": ("emails", "phones")}


def upgrade() -> None:
    """Apply."""
    for statement in _REFERENCES:
        op.execute(statement)
    with op.get_context().autocommit_block():
        for table, columns in _FOUND_BY.items():
            for column in columns:
                name = f"ix_{table}_{column}"
                op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({column})")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for table, columns in _FOUND_BY.items():
            for column in columns:
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS ix_{table}_{column}")
    op.execute("DROP TABLE external_references")
