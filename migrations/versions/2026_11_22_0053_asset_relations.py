"""Store how assets of one client are related.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0053. Comes after: 0052.
"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_RELATIONS = (
    """
    CREATE TABLE asset_relations (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        type text NOT NULL,
        company_id uuid NOT NULL,
        source_asset_id uuid NOT NULL,
        target_asset_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_asset_relations PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_asset_relations_ends_and_type
            UNIQUE (tenant_id, source_asset_id, target_asset_id, type),
        CONSTRAINT ck_asset_relations_type
            CHECK (type IN ('part_of', 'depends_on', 'runs_on', 'backs_up', 'connected_to')),
        CONSTRAINT ck_asset_relations_of_two CHECK (source_asset_id <> target_asset_id),
        CONSTRAINT fk_asset_relations_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_asset_relations_source_of_company
            FOREIGN KEY (tenant_id, company_id, source_asset_id) REFERENCES assets (tenant_id, company_id, id)
            ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
        CONSTRAINT fk_asset_relations_target_of_company
            FOREIGN KEY (tenant_id, company_id, target_asset_id) REFERENCES assets (tenant_id, company_id, id)
            ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE
    )
    """,
    "CREATE INDEX ix_asset_relations_tenant_id_created_at_id ON asset_relations (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_asset_relations_tenant_id_company_id_source_asset_id
        ON asset_relations (tenant_id, company_id, source_asset_id)
    """,
    """
    CREATE INDEX ix_asset_relations_tenant_id_company_id_target_asset_id
        ON asset_relations (tenant_id, company_id, target_asset_id)
    """,
    """
    CREATE INDEX ix_asset_relations_tenant_id_target_asset_id_type
        ON asset_relations (tenant_id, target_asset_id, type)
    """,
    "CALL tenant_owned('asset_relations')",
)
_MAY = {
    ("supervisor", "crm_sync"): ("asset-relations:read", "asset-relations:write"),
    ("agent", "light_agent"): ("asset-relations:read",),
}

_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'asset', 'asset_type', 'inbound_message', 'location', 'ticket', 'company', 'contact',
                'external_reference', 'team', 'calendar', 'sla_policy', 'test_clock', 'webhook_delivery',
                'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def upgrade() -> None:
    """Apply."""
    for statement in _RELATIONS:
        op.execute(statement)
    op.execute(_FLOORS.format("'asset_relation', "))
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
        "WHERE each NOT LIKE 'asset-relations:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE asset_relations")
