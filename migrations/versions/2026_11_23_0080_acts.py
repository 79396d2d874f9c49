"""Store acts, which the application may issue and never change.

Built-in roles may read and write what they are about; nobody else can change those roles.

Revision: 0080. Comes after: 0079.
"""

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

_ACTS = (
    """
    CREATE TABLE acts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        number bigint NOT NULL,
        ticket_id uuid,
        contract_id uuid,
        company_id uuid,
        starts_on date,
        ends_on date,
        currency text NOT NULL,
        net numeric NOT NULL,
        vat numeric NOT NULL,
        gross numeric NOT NULL,
        document text NOT NULL,
        sha256 text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_acts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_acts_tenant_id_number UNIQUE (tenant_id, number),
        CONSTRAINT ck_acts_contract_and_period CHECK (num_nonnulls(contract_id, starts_on, ends_on) IN (0, 3)),
        CONSTRAINT ck_acts_period_in_order CHECK (ends_on >= starts_on),
        CONSTRAINT ck_acts_sha256_of_document
            CHECK (encode(sha256(convert_to(document, 'UTF8')), 'hex') = sha256),
        CONSTRAINT fk_acts_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id),
        CONSTRAINT fk_acts_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_acts_tenant_id_{'_'.join(names)} ON acts (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("contract_id",), ("company_id",), ("ticket_id",))
    ),
    # Where the client is merged into another one, the act is found with that.
    "CALL tenant_owned('acts', 'SELECT, INSERT, UPDATE (company_id, updated_at, version)')",
)
_LINES = (
    """
    CREATE TABLE act_lines (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        act_id uuid NOT NULL,
        line_id uuid NOT NULL,
        CONSTRAINT pk_act_lines PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_act_lines_tenant_id_line_id UNIQUE (tenant_id, line_id),
        CONSTRAINT fk_act_lines_tenant_id_act_id FOREIGN KEY (tenant_id, act_id) REFERENCES acts (tenant_id, id),
        CONSTRAINT fk_act_lines_tenant_id_line_id
            FOREIGN KEY (tenant_id, line_id) REFERENCES ticket_lines (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_act_lines_tenant_id_act_id ON act_lines (tenant_id, act_id)",
    "CALL tenant_owned('act_lines')",
)
_MAY = {("supervisor",): ("acts:read", "acts:write"), ("crm_sync",): ("acts:read",)}


def upgrade() -> None:
    """Apply."""
    for statement in (*_ACTS, *_LINES):
        op.execute(statement)
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slugs, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug IN ({', '.join(repr(slug) for slug in slugs)})"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'acts:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE act_lines")
    op.execute("DROP TABLE acts")
