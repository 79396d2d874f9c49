"""Store the equipment of clients and where it has been, let tickets be about it, and let other systems name it.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0052. Comes after: 0051.
"""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_TYPES = (
    """
    CREATE TABLE asset_types (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        serial_is_unique boolean NOT NULL,
        inventory_is_unique boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_asset_types PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_asset_types_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT uq_asset_types_rules
            UNIQUE (tenant_id, serial_is_unique, inventory_is_unique, id)
    )
    """,
    "CREATE INDEX ix_asset_types_tenant_id_created_at_id ON asset_types (tenant_id, created_at, id)",
    "CALL tenant_owned('asset_types')",
)
_ASSETS = (
    """
    CREATE TABLE assets (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        asset_type_id uuid NOT NULL,
        name text NOT NULL,
        manufacturer text,
        model text,
        serial_number text,
        inventory_number text,
        company_id uuid,
        location_id uuid,
        contact_id uuid,
        parent_asset_id uuid,
        status text NOT NULL,
        installed_on date,
        warranty_until_on date,
        notes text,
        serial_is_unique boolean NOT NULL,
        inventory_is_unique boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_assets PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_assets_tenant_id_company_id_id UNIQUE (tenant_id, company_id, id),
        CONSTRAINT ck_assets_status CHECK (status IN ('in_stock', 'in_use', 'in_repair', 'retired')),
        CONSTRAINT ck_assets_location_of_company CHECK (location_id IS NULL OR company_id IS NOT NULL),
        CONSTRAINT fk_assets_rules_of_type
            FOREIGN KEY (tenant_id, serial_is_unique, inventory_is_unique, asset_type_id)
            REFERENCES asset_types (tenant_id, serial_is_unique, inventory_is_unique, id) ON UPDATE CASCADE,
        CONSTRAINT fk_assets_tenant_id_company_id_location_id
            FOREIGN KEY (tenant_id, company_id, location_id) REFERENCES locations (tenant_id, company_id, id),
        CONSTRAINT fk_assets_parent_of_company
            FOREIGN KEY (tenant_id, company_id, parent_asset_id) REFERENCES assets (tenant_id, company_id, id)
            DEFERRABLE INITIALLY IMMEDIATE,
        CONSTRAINT fk_assets_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_assets_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
        CONSTRAINT fk_assets_tenant_id_parent_asset_id
            FOREIGN KEY (tenant_id, parent_asset_id) REFERENCES assets (tenant_id, id)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_assets_serial_number ON assets (tenant_id, asset_type_id, serial_number)
        WHERE serial_is_unique
    """,
    """
    CREATE UNIQUE INDEX uq_assets_inventory_number ON assets (tenant_id, asset_type_id, inventory_number)
        WHERE inventory_is_unique
    """,
    *(
        f"CREATE INDEX ix_assets_tenant_id_{'_'.join(names)} ON assets (tenant_id, {', '.join(names)})"
        for names in (
            ("created_at", "id"),
            ("name", "id"),
            ("company_id", "location_id"),
            ("location_id",),
            ("contact_id",),
            ("parent_asset_id",),
            ("asset_type_id",),
            ("serial_number",),
            ("inventory_number",),
        )
    ),
    "CALL tenant_owned('assets')",
    # Of a type that is not there the foreign key tells, in words of its own.
    """
    CREATE FUNCTION take_rules_of_asset_type() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.serial_is_unique := false;
        NEW.inventory_is_unique := false;
        SELECT t.serial_is_unique, t.inventory_is_unique INTO NEW.serial_is_unique, NEW.inventory_is_unique
            FROM asset_types AS t WHERE t.tenant_id = NEW.tenant_id AND t.id = NEW.asset_type_id;
        NEW.serial_is_unique := coalesce(NEW.serial_is_unique, false);
        NEW.inventory_is_unique := coalesce(NEW.inventory_is_unique, false);
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER rules_of_type BEFORE INSERT OR UPDATE OF asset_type_id ON assets
        FOR EACH ROW EXECUTE FUNCTION take_rules_of_asset_type()
    """,
)
_PLACEMENTS = (
    # Trusted since PostgreSQL 13: whoever owns the database may create it.
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    """
    CREATE TABLE asset_placements (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        asset_id uuid NOT NULL,
        company_id uuid,
        location_id uuid,
        since_at timestamptz NOT NULL,
        until_at timestamptz,
        CONSTRAINT pk_asset_placements PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_asset_placements_in_order CHECK (until_at >= since_at),
        CONSTRAINT ex_asset_placements_one_place_at_a_time EXCLUDE USING gist (
            tenant_id WITH =, asset_id WITH =, tstzrange(since_at, until_at) WITH &&
        ),
        CONSTRAINT fk_asset_placements_tenant_id_asset_id
            FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_asset_placements_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_asset_placements_tenant_id_company_id_location_id
            FOREIGN KEY (tenant_id, company_id, location_id) REFERENCES locations (tenant_id, company_id, id)
    )
    """,
    """
    CREATE INDEX ix_asset_placements_tenant_id_asset_id_since_at_id
        ON asset_placements (tenant_id, asset_id, since_at, id)
    """,
    """
    CREATE INDEX ix_asset_placements_tenant_id_company_id_location_id
        ON asset_placements (tenant_id, company_id, location_id)
    """,
    "CALL tenant_owned('asset_placements')",
    """
    CREATE TABLE asset_companies (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        asset_id uuid NOT NULL,
        company_id uuid NOT NULL,
        CONSTRAINT pk_asset_companies PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_asset_companies_tenant_id_company_id_asset_id UNIQUE (tenant_id, company_id, asset_id),
        CONSTRAINT fk_asset_companies_tenant_id_asset_id
            FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_asset_companies_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_asset_companies_tenant_id_asset_id ON asset_companies (tenant_id, asset_id)",
    "CALL tenant_owned('asset_companies')",
)
_NAMED = (
    "ALTER TABLE tickets ADD COLUMN asset_id uuid",
    """
    ALTER TABLE tickets ADD CONSTRAINT fk_tickets_tenant_id_company_id_asset_id
        FOREIGN KEY (tenant_id, company_id, asset_id) REFERENCES asset_companies (tenant_id, company_id, asset_id)
        NOT VALID
    """,
    """
    ALTER TABLE tickets ADD CONSTRAINT ck_tickets_asset_of_company
        CHECK (asset_id IS NULL OR company_id IS NOT NULL) NOT VALID
    """,
    "ALTER TABLE external_references ADD COLUMN asset_id uuid",
    """
    ALTER TABLE external_references ADD CONSTRAINT fk_external_references_tenant_id_asset_id
        FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, id) ON DELETE CASCADE NOT VALID
    """,
    # The rule that takes its place allows more: nothing that relied on it meets less than before.
    """
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE external_references DROP CONSTRAINT ck_external_references_of_one_card
    """,
    """
    ALTER TABLE external_references ADD CONSTRAINT ck_external_references_of_one_card
        CHECK (num_nonnulls(company_id, contact_id, location_id, asset_id) = 1) NOT VALID
    """,
)
# What is valid already is only looked at once more.
_VALID = tuple(
    f"-- squawk-ignore prefer-robust-stmts\nALTER TABLE {table} VALIDATE CONSTRAINT {name}"
    for table, name in (
        ("tickets", "fk_tickets_tenant_id_company_id_asset_id"),
        ("tickets", "ck_tickets_asset_of_company"),
        ("external_references", "fk_external_references_tenant_id_asset_id"),
        ("external_references", "ck_external_references_of_one_card"),
    )
)
_INDEXES = {
    "ix_tickets_tenant_id_asset_id_created_at": (
        "INDEX",
        "tickets (tenant_id, asset_id, created_at) WHERE asset_id IS NOT NULL",
    ),
    "ix_external_references_tenant_id_asset_id": ("INDEX", "external_references (tenant_id, asset_id)"),
    "uq_external_references_assets": (
        "UNIQUE INDEX",
        "external_references (tenant_id, source, external_id) WHERE asset_id IS NOT NULL",
    ),
}
_MAY = {
    ("supervisor", "crm_sync"): (
        *("asset-types:read", "asset-types:write"),
        *("assets:list", "assets:read", "assets:write"),
    ),
    ("contact", "contact_manager"): ("assets:list", "assets:read"),
    ("agent", "light_agent"): ("asset-types:read", "assets:read"),
}

_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'inbound_message', 'location', 'ticket', 'company', 'contact', 'external_reference', 'team',
                'calendar', 'sla_policy', 'test_clock', 'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def upgrade() -> None:
    """Apply."""
    for statement in (*_TYPES, *_ASSETS, *_PLACEMENTS, *_NAMED):
        op.execute(statement)
    op.execute(_FLOORS.format("'asset', 'asset_type', "))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slugs, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug IN ({', '.join(repr(slug) for slug in slugs)})"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    with op.get_context().autocommit_block():
        for statement in _VALID:
            op.execute(statement)
        for name, (kind, indexed) in _INDEXES.items():
            op.execute(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {indexed}")


def downgrade() -> None:
    """Take back; references to assets go with them. The extension stays: others may use it."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(_FLOORS.format(""))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'assets:%' AND each NOT LIKE 'asset-types:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE external_references NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM external_references WHERE asset_id IS NOT NULL")
    op.execute("ALTER TABLE external_references FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE external_references DROP CONSTRAINT ck_external_references_of_one_card")
    op.execute("ALTER TABLE external_references DROP COLUMN asset_id")
    op.execute(
        "ALTER TABLE external_references ADD CONSTRAINT ck_external_references_of_one_card "
        "CHECK (num_nonnulls(company_id, contact_id, location_id) = 1) NOT VALID"
    )
    op.execute("ALTER TABLE tickets DROP COLUMN asset_id")
    for table in ("asset_companies", "asset_placements", "assets", "asset_types"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION take_rules_of_asset_type()")
