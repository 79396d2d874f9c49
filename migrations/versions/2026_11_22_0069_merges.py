"""Merge client cards: what was merged, and where the ids of losers lead.

What refers to a card together with a place or an asset of it is held when everything has followed, so those foreign
keys may be looked at later. Supervisors may merge; who synchronises cards may read what was merged.

Revision: 0069. Comes after: 0068.
"""

from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE merges (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        card_type text NOT NULL,
        winner_id uuid NOT NULL,
        loser_ids uuid[] NOT NULL,
        state text NOT NULL,
        moved_counts jsonb NOT NULL,
        still_named_counts jsonb NOT NULL,
        undone_at timestamptz,
        snapshot jsonb,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_merges PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_merges_card_type CHECK (card_type IN ('company', 'contact')),
        CONSTRAINT ck_merges_state CHECK (state IN ('merged', 'undone', 'final')),
        CONSTRAINT ck_merges_undone_by_its_snapshot CHECK ((state = 'merged') = (snapshot IS NOT NULL)),
        CONSTRAINT ck_merges_undone_at CHECK ((state = 'undone') = (undone_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_merges_tenant_id_created_at_id ON merges (tenant_id, created_at, id)",
    "CREATE INDEX ix_merges_tenant_id_winner_id ON merges (tenant_id, winner_id)",
    "CALL tenant_owned('merges')",
    """
    CREATE TABLE card_redirects (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        card_type text NOT NULL,
        winner_id uuid NOT NULL,
        merge_id uuid NOT NULL,
        CONSTRAINT pk_card_redirects PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_card_redirects_card_type CHECK (card_type IN ('company', 'contact'))
    )
    """,
    "CREATE INDEX ix_card_redirects_tenant_id_winner_id ON card_redirects (tenant_id, winner_id)",
    "CALL tenant_owned('card_redirects')",
)
_TOGETHER = (
    ("assets", "fk_assets_tenant_id_company_id_location_id"),
    ("asset_placements", "fk_asset_placements_tenant_id_company_id_location_id"),
    ("tickets", "fk_tickets_tenant_id_company_id_location_id"),
    ("tickets", "fk_tickets_tenant_id_company_id_asset_id"),
    ("contract_references", "fk_contract_references_client"),
    ("contract_references", "fk_contract_references_tenant_id_company_id_location_id"),
    ("contract_references", "fk_contract_references_tenant_id_company_id_asset_id"),
)
_MAY = {"supervisor": ("merges:read", "merges:write"), "crm_sync": ("merges:read",)}

# These events are about the business of the desk, and may be purged as early as those of tickets.
_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'entitlement', 'contract', 'service', 'asset_relation', 'asset', 'asset_type', 'inbound_message',
                'location', 'ticket', 'company', 'contact', 'external_reference', 'team', 'calendar', 'sla_policy',
                'test_clock', 'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def _hold(how: str) -> None:
    for table, constraint in _TOGETHER:
        op.execute(f"ALTER TABLE {table} ALTER CONSTRAINT {constraint} {how}")


def upgrade() -> None:
    """Apply."""
    for statement in _TABLES:
        op.execute(statement)
    _hold("DEFERRABLE INITIALLY IMMEDIATE")
    op.execute(_FLOORS.format("'merge', "))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slug, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug = '{slug}'"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back; what was merged stays so, and its old ids lead nowhere."""
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'merges:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute(_FLOORS.format(""))
    _hold("NOT DEFERRABLE")
    for table in ("card_redirects", "merges"):
        op.execute(f"DROP TABLE {table}")
