"""Store lines of tickets: what was done and handed over, at which price, and what it was drawn from.

Built-in roles may read and write what they are about; nobody else can change those roles.

Revision: 0077. Comes after: 0076.
"""

from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

_LINES = (
    """
    CREATE TABLE ticket_lines (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        ticket_id uuid NOT NULL,
        kind text NOT NULL,
        price_item_id uuid,
        code text,
        name text,
        unit text,
        quantity numeric,
        minutes integer,
        worked_at timestamptz NOT NULL,
        performer_id uuid,
        note text,
        billing text NOT NULL,
        contract_id uuid,
        entitlement_id uuid,
        operation_id uuid,
        drawn_amount integer,
        currency text,
        price numeric,
        is_price_manual boolean NOT NULL,
        prices_include_vat boolean,
        vat_rate numeric,
        discount_percent numeric NOT NULL,
        discount_amount numeric NOT NULL,
        discount numeric,
        net numeric,
        vat numeric,
        gross numeric,
        reverses_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_lines PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_ticket_lines_tenant_id_reverses_id UNIQUE (tenant_id, reverses_id),
        CONSTRAINT ck_ticket_lines_kind CHECK (kind IN ('service', 'part', 'labour')),
        CONSTRAINT ck_ticket_lines_billing CHECK (billing IN ('covered', 'billable')),
        CONSTRAINT ck_ticket_lines_minutes_of_labour
            CHECK (num_nonnulls(quantity, minutes) = 1 AND (kind = 'labour') = (minutes IS NOT NULL)),
        CONSTRAINT ck_ticket_lines_billable_has_a_price CHECK (billing = 'covered' OR price IS NOT NULL),
        CONSTRAINT ck_ticket_lines_covered_by_a_contract CHECK (billing = 'billable' OR contract_id IS NOT NULL),
        CONSTRAINT ck_ticket_lines_amounts_together CHECK (
            num_nonnulls(currency, price, prices_include_vat, vat_rate, discount, net, vat, gross) IN (0, 8)
        ),
        CONSTRAINT ck_ticket_lines_adds_up CHECK (gross = net + vat),
        CONSTRAINT ck_ticket_lines_drawn_together
            CHECK (num_nonnulls(entitlement_id, operation_id, drawn_amount) IN (0, 3)),
        CONSTRAINT fk_ticket_lines_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
        CONSTRAINT fk_ticket_lines_tenant_id_price_item_id
            FOREIGN KEY (tenant_id, price_item_id) REFERENCES price_items (tenant_id, id),
        CONSTRAINT fk_ticket_lines_tenant_id_performer_id
            FOREIGN KEY (tenant_id, performer_id) REFERENCES users (tenant_id, id),
        CONSTRAINT fk_ticket_lines_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id),
        CONSTRAINT fk_ticket_lines_tenant_id_entitlement_id
            FOREIGN KEY (tenant_id, entitlement_id) REFERENCES entitlements (tenant_id, id),
        CONSTRAINT fk_ticket_lines_tenant_id_reverses_id
            FOREIGN KEY (tenant_id, reverses_id) REFERENCES ticket_lines (tenant_id, id) ON DELETE CASCADE
    )
    """,
    *(
        f"CREATE INDEX ix_ticket_lines_tenant_id_{'_'.join(names)} ON ticket_lines (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("worked_at", "id"), ("ticket_id", "id"))
    ),
    *(
        f"CREATE INDEX ix_ticket_lines_tenant_id_{'_'.join(names)} ON ticket_lines (tenant_id, {', '.join(names)}) "
        f"WHERE {names[0]} IS NOT NULL"
        for names in (("performer_id",), ("price_item_id",), ("contract_id", "worked_at"), ("entitlement_id",))
    ),
    "CALL tenant_owned('ticket_lines')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _LINES:
        op.execute(statement)
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions "
        "|| '{ticket-lines:read,ticket-lines:write}'::text[]) ORDER BY 1) WHERE slug IN ('supervisor', 'agent')"
    )
    op.execute(
        "UPDATE roles SET field_groups = ARRAY(SELECT unnest(field_groups || '{ticket.prices}'::text[]) ORDER BY 1) "
        "WHERE slug = 'supervisor'"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'ticket-lines:%' ORDER BY 1), field_groups = array_remove(field_groups, 'ticket.prices') "
        "WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE ticket_lines")
