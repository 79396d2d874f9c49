"""Store who watches tickets.

Built-in roles may read and write it like what tickets they work on; nobody else can change those roles. Events of
watchers are about the business of the desk, and may be purged as early as those of tickets.

Revision: 0079. Comes after: 0078.
"""

from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

_WATCHERS = (
    """
    CREATE TABLE ticket_watchers (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        ticket_id uuid NOT NULL,
        user_id uuid,
        contact_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_watchers PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_ticket_watchers_user UNIQUE (tenant_id, ticket_id, user_id),
        CONSTRAINT uq_ticket_watchers_contact UNIQUE (tenant_id, ticket_id, contact_id),
        CONSTRAINT ck_ticket_watchers_one_person CHECK (num_nonnulls(user_id, contact_id) = 1),
        CONSTRAINT fk_ticket_watchers_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_ticket_watchers_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_ticket_watchers_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_ticket_watchers_tenant_id_created_at_id ON ticket_watchers (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_ticket_watchers_tenant_id_user_id
        ON ticket_watchers (tenant_id, user_id) WHERE user_id IS NOT NULL
    """,
    """
    CREATE INDEX ix_ticket_watchers_tenant_id_contact_id_ticket_id
        ON ticket_watchers (tenant_id, contact_id, ticket_id) WHERE contact_id IS NOT NULL
    """,
    "CALL tenant_owned('ticket_watchers')",
)
_MAY = {
    ("supervisor", "agent"): ("ticket-watchers:read", "ticket-watchers:write"),
    ("light_agent",): ("ticket-watchers:read",),
}

_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'ticket_link', 'merge', 'entitlement', 'contract', 'service', 'asset_relation', 'asset', 'asset_type',
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
    for statement in _WATCHERS:
        op.execute(statement)
    op.execute(_FLOORS.format("'ticket_watcher', "))
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
        "WHERE each NOT LIKE 'ticket-watchers:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE ticket_watchers")
