"""Store the places of clients, let tickets be at one of their company's, and let other systems name them.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0046. Comes after: 0045.
"""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_LOCATIONS = (
    """
    CREATE TABLE locations (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        company_id uuid NOT NULL,
        name text NOT NULL,
        kind text,
        address jsonb,
        coordinates jsonb,
        geofence_radius_meters integer,
        time_zone text,
        calendar_id uuid,
        responsible_team_id uuid,
        contact_ids uuid[] NOT NULL,
        notes text,
        is_active boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_locations PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_locations_tenant_id_company_id_id UNIQUE (tenant_id, company_id, id),
        CONSTRAINT ck_locations_geofence_has_a_centre CHECK (
            geofence_radius_meters IS NULL OR coordinates IS NOT NULL
        ),
        CONSTRAINT fk_locations_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_locations_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id),
        CONSTRAINT fk_locations_tenant_id_responsible_team_id
            FOREIGN KEY (tenant_id, responsible_team_id) REFERENCES teams (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_locations_tenant_id_created_at_id ON locations (tenant_id, created_at, id)",
    "CREATE INDEX ix_locations_tenant_id_name_id ON locations (tenant_id, name, id)",
    "CREATE INDEX ix_locations_tenant_id_calendar_id ON locations (tenant_id, calendar_id)",
    "CREATE INDEX ix_locations_tenant_id_responsible_team_id ON locations (tenant_id, responsible_team_id)",
    "CALL tenant_owned('locations')",
    """
    CREATE TABLE location_contacts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        location_id uuid NOT NULL,
        contact_id uuid NOT NULL,
        CONSTRAINT pk_location_contacts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_location_contacts_tenant_id_location_id_contact_id UNIQUE (tenant_id, location_id, contact_id),
        CONSTRAINT fk_location_contacts_tenant_id_location_id
            FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_location_contacts_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_location_contacts_tenant_id_contact_id ON location_contacts (tenant_id, contact_id)",
    "CALL tenant_owned('location_contacts')",
)
_PLACED = (
    "ALTER TABLE tickets ADD COLUMN location_id uuid",
    """
    ALTER TABLE tickets ADD CONSTRAINT fk_tickets_tenant_id_company_id_location_id
        FOREIGN KEY (tenant_id, company_id, location_id) REFERENCES locations (tenant_id, company_id, id) NOT VALID
    """,
    """
    ALTER TABLE tickets ADD CONSTRAINT ck_tickets_location_of_company
        CHECK (location_id IS NULL OR company_id IS NOT NULL) NOT VALID
    """,
    "ALTER TABLE external_references ADD COLUMN location_id uuid",
    """
    ALTER TABLE external_references ADD CONSTRAINT fk_external_references_tenant_id_location_id
        FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE NOT VALID
    """,
    # The rule that takes its place allows more: nothing that relied on it meets less than before.
    """
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE external_references DROP CONSTRAINT ck_external_references_of_one_card
    """,
    """
    ALTER TABLE external_references ADD CONSTRAINT ck_external_references_of_one_card
        CHECK (num_nonnulls(company_id, contact_id, location_id) = 1) NOT VALID
    """,
)
# What is valid already is only looked at once more.
_VALID = tuple(
    f"-- squawk-ignore prefer-robust-stmts\nALTER TABLE {table} VALIDATE CONSTRAINT {name}"
    for table, name in (
        ("tickets", "fk_tickets_tenant_id_company_id_location_id"),
        ("tickets", "ck_tickets_location_of_company"),
        ("external_references", "fk_external_references_tenant_id_location_id"),
        ("external_references", "ck_external_references_of_one_card"),
    )
)
_INDEXES = {
    "ix_tickets_tenant_id_location_id_created_at": (
        "INDEX",
        "tickets (tenant_id, location_id, created_at) WHERE location_id IS NOT NULL",
    ),
    "ix_external_references_tenant_id_location_id": ("INDEX", "external_references (tenant_id, location_id)"),
    "uq_external_references_locations": (
        "UNIQUE INDEX",
        "external_references (tenant_id, source, external_id) WHERE location_id IS NOT NULL",
    ),
}
_MAY = {
    ("supervisor", "crm_sync"): ("locations:list", "locations:read", "locations:write"),
    ("contact", "contact_manager"): ("locations:list", "locations:read"),
    ("agent", "light_agent"): ("locations:read",),
}

_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'ticket', 'company', 'contact', 'external_reference', 'team', 'calendar', 'sla_policy',
                'test_clock', 'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def upgrade() -> None:
    """Apply."""
    for statement in (*_LOCATIONS, *_PLACED):
        op.execute(statement)
    op.execute(_FLOORS.format("'inbound_message', 'location', "))
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
    """Take back; references to locations go with them."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(_FLOORS.format(""))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'locations:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE external_references NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM external_references WHERE location_id IS NOT NULL")
    op.execute("ALTER TABLE external_references FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE external_references DROP CONSTRAINT ck_external_references_of_one_card")
    op.execute("ALTER TABLE external_references DROP COLUMN location_id")
    op.execute(
        "ALTER TABLE external_references ADD CONSTRAINT ck_external_references_of_one_card "
        "CHECK (num_nonnulls(company_id, contact_id) = 1) NOT VALID"
    )
    op.execute("ALTER TABLE tickets DROP COLUMN location_id")
    op.execute("DROP TABLE location_contacts")
    op.execute("DROP TABLE locations")
