"""Store how tickets are linked, and what becomes of linked tickets when one of them is finished.

Built-in roles may read and write what they are about; nobody else can change those roles. Events of links are about the
business of the desk, and may be purged as early as those of tickets.

Revision: 0073. Comes after: 0072.
"""

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE ticket_links (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        type text NOT NULL,
        source_ticket_id uuid NOT NULL,
        target_ticket_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_links PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_ticket_links_ends_and_type UNIQUE (tenant_id, source_ticket_id, target_ticket_id, type),
        CONSTRAINT ck_ticket_links_type
            CHECK (type IN ('child_of', 'duplicates', 'blocks', 'caused_by', 'relates_to')),
        CONSTRAINT ck_ticket_links_of_two CHECK (source_ticket_id <> target_ticket_id),
        CONSTRAINT fk_ticket_links_tenant_id_source_ticket_id
            FOREIGN KEY (tenant_id, source_ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_ticket_links_tenant_id_target_ticket_id
            FOREIGN KEY (tenant_id, target_ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_ticket_links_tenant_id_created_at_id ON ticket_links (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_ticket_links_tenant_id_target_ticket_id_type
        ON ticket_links (tenant_id, target_ticket_id, type)
    """,
    """
    CREATE UNIQUE INDEX uq_ticket_links_one_parent
        ON ticket_links (tenant_id, source_ticket_id) WHERE type = 'child_of'
    """,
    "CALL tenant_owned('ticket_links')",
    """
    CREATE TABLE ticket_settings (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        open_children text DEFAULT 'block' NOT NULL,
        open_duplicates text DEFAULT 'finish' NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_settings PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_ticket_settings_open_children CHECK (open_children IN ('block', 'finish', 'ignore')),
        CONSTRAINT ck_ticket_settings_open_duplicates CHECK (open_duplicates IN ('finish', 'ignore'))
    )
    """,
    "CALL tenant_owned('ticket_settings')",
)
_MAY = {
    ("supervisor", "agent"): ("ticket-links:read", "ticket-links:write"),
    ("light_agent", "contractor"): ("ticket-links:read",),
}

_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'merge', 'entitlement', 'contract', 'service', 'asset_relation', 'asset', 'asset_type',
                'inbound_message', 'location', 'ticket', 'company', 'contact', 'external_reference', 'team', 'calendar',
                'sla_policy', 'test_clock', 'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def upgrade() -> None:
    """Apply."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute(_FLOORS.format("'ticket_link', "))
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
        "WHERE each NOT LIKE 'ticket-links:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE ticket_settings")
    op.execute("DROP TABLE ticket_links")
