"""Store companies and contacts.

Revision: 0004. Comes after: 0003.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COMPANIES = (
    """
    CREATE TABLE companies (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        domains text[] NOT NULL,
        notes text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_companies PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_companies_tenant_id_created_at_id ON companies (tenant_id, created_at, id)",
    "CREATE INDEX ix_companies_tenant_id_name_id ON companies (tenant_id, name, id)",
    "CALL tenant_owned('companies')",
)
_CONTACTS = (
    """
    CREATE TABLE contacts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        company_id uuid,
        emails text[] NOT NULL,
        phones text[] NOT NULL,
        notes text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_contacts PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_contacts_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_contacts_tenant_id_company_id ON contacts (tenant_id, company_id)",
    "CREATE INDEX ix_contacts_tenant_id_created_at_id ON contacts (tenant_id, created_at, id)",
    "CREATE INDEX ix_contacts_tenant_id_name_id ON contacts (tenant_id, name, id)",
    "CALL tenant_owned('contacts')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_COMPANIES, *_CONTACTS):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE contacts")
    op.execute("DROP TABLE companies")
