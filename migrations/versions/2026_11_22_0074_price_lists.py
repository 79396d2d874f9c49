"""Store price lists and what costs how much on them, and let contracts and services name a list.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0074. Comes after: 0073.
"""

from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

_LISTS = (
    """
    CREATE TABLE price_lists (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        currency text NOT NULL,
        prices_include_vat boolean NOT NULL,
        audience text NOT NULL,
        company_id uuid,
        categories text[] NOT NULL,
        valid_from date,
        valid_until date,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_price_lists PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_price_lists_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT ck_price_lists_audience
            CHECK (audience IN ('everybody', 'categories', 'company', 'contracts')),
        CONSTRAINT ck_price_lists_company_where_for_one
            CHECK ((audience = 'company') = (company_id IS NOT NULL)),
        CONSTRAINT ck_price_lists_categories_where_for_them
            CHECK ((audience = 'categories') = (cardinality(categories) > 0)),
        CONSTRAINT ck_price_lists_valid_in_order CHECK (valid_until >= valid_from),
        CONSTRAINT fk_price_lists_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_price_lists_tenant_id_created_at_id ON price_lists (tenant_id, created_at, id)",
    "CREATE INDEX ix_price_lists_tenant_id_company_id ON price_lists (tenant_id, company_id)",
    "CALL tenant_owned('price_lists')",
)
_ITEMS = (
    """
    CREATE TABLE price_items (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        price_list_id uuid NOT NULL,
        code text NOT NULL,
        name text NOT NULL,
        kind text NOT NULL,
        unit text NOT NULL,
        price numeric NOT NULL,
        vat_rate numeric NOT NULL,
        role_id uuid,
        time_of_day text NOT NULL,
        valid_from date,
        valid_until date,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_price_items PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_price_items_kind CHECK (kind IN ('service', 'part', 'labour')),
        CONSTRAINT ck_price_items_time_of_day CHECK (time_of_day IN ('any', 'open', 'closed')),
        CONSTRAINT ck_price_items_rates_of_labour_only
            CHECK (kind = 'labour' OR (role_id IS NULL AND time_of_day = 'any')),
        CONSTRAINT ck_price_items_amounts CHECK (price >= 0 AND vat_rate >= 0 AND vat_rate <= 100),
        CONSTRAINT ck_price_items_valid_in_order CHECK (valid_until >= valid_from),
        CONSTRAINT ex_price_items_one_price_a_day EXCLUDE USING gist (
            tenant_id WITH =, price_list_id WITH =, code WITH =, daterange(valid_from, valid_until, '[]') WITH &&
        ),
        CONSTRAINT fk_price_items_tenant_id_price_list_id
            FOREIGN KEY (tenant_id, price_list_id) REFERENCES price_lists (tenant_id, id),
        CONSTRAINT fk_price_items_tenant_id_role_id FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_price_items_tenant_id_{'_'.join(names)} ON price_items (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("code", "id"), ("price_list_id",), ("role_id",))
    ),
    "CALL tenant_owned('price_items')",
)
_NAMING = ("services", "contract_references")
_INDEXES = {
    "ix_services_tenant_id_price_list_id": "services (tenant_id, price_list_id)",
    "ix_contract_references_tenant_id_price_list_id": (
        "contract_references (tenant_id, price_list_id) WHERE price_list_id IS NOT NULL"
    ),
}
_MAY = {
    ("supervisor", "crm_sync"): ("price-items:read", "price-items:write", "price-lists:read", "price-lists:write"),
    ("agent",): ("price-items:read", "price-lists:read"),
}


def upgrade() -> None:
    """Apply."""
    for statement in (*_LISTS, *_ITEMS):
        op.execute(statement)
    for table in (*_NAMING, "contract_versions"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN price_list_id uuid")
    for table in _NAMING:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_tenant_id_price_list_id "
            "FOREIGN KEY (tenant_id, price_list_id) REFERENCES price_lists (tenant_id, id) NOT VALID"
        )
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slugs, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug IN ({', '.join(repr(slug) for slug in slugs)})"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    with op.get_context().autocommit_block():
        for table in _NAMING:
            op.execute(
                "-- squawk-ignore prefer-robust-stmts\n"
                f"ALTER TABLE {table} VALIDATE CONSTRAINT fk_{table}_tenant_id_price_list_id"
            )
        for name, indexed in _INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {indexed}")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'price-items:%' AND each NOT LIKE 'price-lists:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    for table in (*_NAMING, "contract_versions"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN price_list_id")
    op.execute("DROP TABLE price_items")
    op.execute("DROP TABLE price_lists")
