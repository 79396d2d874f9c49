"""Store what is offered, and contracts with what applied when as known when.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0064. Comes after: 0063.
"""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_SERVICES = (
    """
    CREATE TABLE services (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        is_active boolean NOT NULL,
        needs_contract boolean NOT NULL,
        categories text[] NOT NULL,
        territories text[] NOT NULL,
        team_id uuid,
        sla_policy_id uuid,
        calendar_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_services PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_services_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT fk_services_tenant_id_team_id FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id),
        CONSTRAINT fk_services_tenant_id_sla_policy_id
            FOREIGN KEY (tenant_id, sla_policy_id) REFERENCES sla_policies (tenant_id, id),
        CONSTRAINT fk_services_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_services_tenant_id_{'_'.join(names)} ON services (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("team_id",), ("sla_policy_id",), ("calendar_id",))
    ),
    "CALL tenant_owned('services')",
)
_CONTRACTS = (
    """
    CREATE TABLE contracts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        number text NOT NULL,
        name text NOT NULL,
        status text NOT NULL,
        responsible_user_id uuid,
        responsible_team_id uuid,
        notes text,
        turn integer DEFAULT 1 NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_contracts PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_contracts_tenant_id_number UNIQUE (tenant_id, number),
        CONSTRAINT ck_contracts_status
            CHECK (status IN ('draft', 'scheduled', 'active', 'suspended', 'expired')),
        CONSTRAINT fk_contracts_tenant_id_responsible_user_id
            FOREIGN KEY (tenant_id, responsible_user_id) REFERENCES users (tenant_id, id),
        CONSTRAINT fk_contracts_tenant_id_responsible_team_id
            FOREIGN KEY (tenant_id, responsible_team_id) REFERENCES teams (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_contracts_tenant_id_{'_'.join(names)} ON contracts (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("name", "id"), ("responsible_user_id",), ("responsible_team_id",))
    ),
    "CALL tenant_owned('contracts')",
)
_VERSIONS = (
    """
    CREATE TABLE contract_versions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        contract_id uuid NOT NULL,
        effective_from timestamptz,
        effective_until timestamptz,
        recorded_at timestamptz NOT NULL,
        superseded_at timestamptz,
        reason text,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        time_zone text NOT NULL,
        renewal text NOT NULL,
        renewal_months integer,
        notice_days integer NOT NULL,
        is_suspended boolean NOT NULL,
        company_ids uuid[] NOT NULL,
        covers_everything boolean NOT NULL,
        location_ids uuid[] NOT NULL,
        asset_ids uuid[] NOT NULL,
        asset_type_ids uuid[] NOT NULL,
        services jsonb NOT NULL,
        sla_policy_id uuid,
        calendar_id uuid,
        CONSTRAINT pk_contract_versions PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_contract_versions_renewal CHECK (renewal IN ('fixed', 'tacit', 'express')),
        CONSTRAINT ck_contract_versions_ends_after_its_start CHECK (ends_at > starts_at),
        CONSTRAINT ck_contract_versions_effective_in_order CHECK (effective_until > effective_from),
        CONSTRAINT ck_contract_versions_superseded_in_order CHECK (superseded_at >= recorded_at),
        CONSTRAINT ck_contract_versions_tacit_has_a_term
            CHECK (renewal <> 'tacit' OR (ends_at IS NOT NULL AND renewal_months IS NOT NULL)),
        CONSTRAINT ex_contract_versions_one_truth EXCLUDE USING gist (
            tenant_id WITH =, contract_id WITH =, tstzrange(effective_from, effective_until) WITH &&,
            tstzrange(recorded_at, superseded_at) WITH &&
        ),
        CONSTRAINT fk_contract_versions_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_contract_versions_known ON contract_versions (tenant_id, contract_id)
        WHERE superseded_at IS NULL
    """,
    """
    CREATE INDEX ix_contract_versions_for_all ON contract_versions (tenant_id)
        WHERE superseded_at IS NULL AND company_ids = '{}'
    """,
    "CALL tenant_owned('contract_versions')",
)
_NAMED = (
    """
    CREATE TABLE contract_companies (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        contract_id uuid NOT NULL,
        company_id uuid NOT NULL,
        CONSTRAINT pk_contract_companies PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_contract_companies_tenant_id_contract_id_company_id UNIQUE (tenant_id, contract_id, company_id),
        CONSTRAINT fk_contract_companies_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_contract_companies_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id)
    )
    """,
    """
    CREATE INDEX ix_contract_companies_tenant_id_company_id_contract_id
        ON contract_companies (tenant_id, company_id, contract_id)
    """,
    "CALL tenant_owned('contract_companies')",
    """
    CREATE TABLE contract_references (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        contract_id uuid NOT NULL,
        company_id uuid,
        location_id uuid,
        asset_id uuid,
        asset_type_id uuid,
        service_id uuid,
        sla_policy_id uuid,
        calendar_id uuid,
        CONSTRAINT pk_contract_references PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_contract_references_places_and_assets_of_a_client
            CHECK ((company_id IS NOT NULL) = (num_nonnulls(location_id, asset_id) = 1)),
        CONSTRAINT fk_contract_references_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_contract_references_client
            FOREIGN KEY (tenant_id, contract_id, company_id)
            REFERENCES contract_companies (tenant_id, contract_id, company_id) ON DELETE CASCADE,
        CONSTRAINT fk_contract_references_tenant_id_company_id_location_id
            FOREIGN KEY (tenant_id, company_id, location_id) REFERENCES locations (tenant_id, company_id, id),
        CONSTRAINT fk_contract_references_tenant_id_company_id_asset_id
            FOREIGN KEY (tenant_id, company_id, asset_id) REFERENCES asset_companies (tenant_id, company_id, asset_id),
        CONSTRAINT fk_contract_references_tenant_id_asset_type_id
            FOREIGN KEY (tenant_id, asset_type_id) REFERENCES asset_types (tenant_id, id),
        CONSTRAINT fk_contract_references_tenant_id_service_id
            FOREIGN KEY (tenant_id, service_id) REFERENCES services (tenant_id, id),
        CONSTRAINT fk_contract_references_tenant_id_sla_policy_id
            FOREIGN KEY (tenant_id, sla_policy_id) REFERENCES sla_policies (tenant_id, id),
        CONSTRAINT fk_contract_references_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id)
    )
    """,
    """
    CREATE INDEX ix_contract_references_tenant_id_contract_id_company_id
        ON contract_references (tenant_id, contract_id, company_id)
    """,
    *(
        f"CREATE INDEX ix_contract_references_tenant_id_{'_'.join(names)} "
        f"ON contract_references (tenant_id, {', '.join(names)}) WHERE {names[-1]} IS NOT NULL"
        for names in (
            ("company_id", "location_id"),
            ("company_id", "asset_id"),
            ("asset_type_id",),
            ("service_id",),
            ("sla_policy_id",),
            ("calendar_id",),
        )
    ),
    "CALL tenant_owned('contract_references')",
)

# These events are about the business of the desk, and may be purged as early as those of tickets.
_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'asset_relation', 'asset', 'asset_type', 'inbound_message', 'location', 'ticket', 'company',
                'contact', 'external_reference', 'team', 'calendar', 'sla_policy', 'test_clock', 'webhook_delivery',
                'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""
_MAY = {
    ("supervisor",): ("contracts:read", "contracts:write", "services:read", "services:write"),
    ("agent",): ("contracts:read", "services:read"),
    ("light_agent",): ("services:read",),
    ("crm_sync",): ("contracts:read", "contracts:write", "services:read"),
}


def upgrade() -> None:
    """Apply."""
    for statement in (*_SERVICES, *_CONTRACTS, *_VERSIONS, *_NAMED):
        op.execute(statement)
    op.execute(_FLOORS.format("'contract', 'service', "))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slugs, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug IN ({', '.join(repr(slug) for slug in slugs)})"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute(_FLOORS.format(""))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'contracts:%' AND each NOT LIKE 'services:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    for table in ("contract_references", "contract_companies", "contract_versions", "contracts", "services"):
        op.execute(f"DROP TABLE {table}")
