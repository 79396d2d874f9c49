"""Keep with tickets what covers them and what is promised thereby, and what becomes of those that nothing covers.

That a contract is for the client of the ticket is held by a trigger: one without clients is for all, which no foreign
key can say. What a contract has ever been for is never taken back, so what was checked once stays so.

Revision: 0068. Comes after: 0067.
"""

from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

_COLUMNS = {
    "service_id": "uuid",
    "contract_id": "uuid",
    "coverage": "text",
    "covered_by": "text",
    "coverage_decided_at": "timestamptz",
    "sla_policy_id": "uuid",
    "calendar_id": "uuid",
}
# Not validated, which would hold up the table: no ticket that is there already has any of it.
_CONSTRAINTS = {
    "ck_tickets_coverage": "CHECK (coverage IN ('covered', 'not_covered'))",
    "ck_tickets_contract_of_company": "CHECK (contract_id IS NULL OR company_id IS NOT NULL)",
    "ck_tickets_covered_by_a_contract": "CHECK (coverage <> 'covered' OR contract_id IS NOT NULL)",
    "fk_tickets_tenant_id_service_id": "FOREIGN KEY (tenant_id, service_id) REFERENCES services (tenant_id, id)",
    "fk_tickets_tenant_id_contract_id": "FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id)",
}
# What is valid already is only looked at once more.
_VALID = tuple(
    f"-- squawk-ignore prefer-robust-stmts\nALTER TABLE tickets VALIDATE CONSTRAINT {name}" for name in _CONSTRAINTS
)
_INDEXES = {
    f"ix_tickets_tenant_id_{name}_created_at": f"tickets (tenant_id, {name}, created_at) WHERE {name} IS NOT NULL"
    for name in ("service_id", "contract_id")
}
_OF_CLIENT = (
    """
    CREATE FUNCTION check_contract_of_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (
            SELECT FROM contract_companies AS client
            WHERE client.tenant_id = NEW.tenant_id AND client.contract_id = NEW.contract_id
                AND client.company_id = NEW.company_id
        ) AND NOT EXISTS (
            SELECT FROM contract_versions AS version
            WHERE version.tenant_id = NEW.tenant_id AND version.contract_id = NEW.contract_id
                AND version.company_ids = '{}'
        ) THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'the contract is not for the company of the ticket',
                CONSTRAINT = 'tickets_contract_of_client';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER contract_of_new AFTER INSERT ON tickets FOR EACH ROW
        WHEN (NEW.contract_id IS NOT NULL) EXECUTE FUNCTION check_contract_of_ticket()
    """,
    """
    CREATE TRIGGER contract_of_changed AFTER UPDATE OF contract_id, company_id ON tickets FOR EACH ROW
        WHEN (NEW.contract_id IS NOT NULL) EXECUTE FUNCTION check_contract_of_ticket()
    """,
)
_SETTINGS = (
    """
    CREATE TABLE coverage_settings (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        uncovered_tickets text DEFAULT 'allow' NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_coverage_settings PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_coverage_settings_uncovered_tickets CHECK (uncovered_tickets IN ('allow', 'refuse'))
    )
    """,
    "CALL tenant_owned('coverage_settings')",
)


def upgrade() -> None:
    """Apply."""
    for name, kind in _COLUMNS.items():
        op.execute(f"ALTER TABLE tickets ADD COLUMN {name} {kind}")
    for name, rule in _CONSTRAINTS.items():
        op.execute(f"ALTER TABLE tickets ADD CONSTRAINT {name} {rule} NOT VALID")
    for statement in (*_OF_CLIENT, *_SETTINGS):
        op.execute(statement)
    with op.get_context().autocommit_block():
        for statement in _VALID:
            op.execute(statement)
        for name, indexed in _INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {indexed}")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("DROP TABLE coverage_settings")
    op.execute("DROP TRIGGER contract_of_new ON tickets")
    op.execute("DROP TRIGGER contract_of_changed ON tickets")
    op.execute("DROP FUNCTION check_contract_of_ticket()")
    for name in _COLUMNS:
        op.execute(f"ALTER TABLE tickets DROP COLUMN {name}")
