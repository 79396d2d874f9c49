"""Keep of every client card how many tickets it has, and let those see it who may see cards.

Cards that have tickets already are counted soon after, as if something had happened to these.

Revision: 0083. Comes after: 0082.
"""

from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

_CARDS = {"company": "companies", "contact": "contacts", "location": "locations"}
_TABLE = """
    CREATE TABLE ticket_summaries (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        open_count integer NOT NULL,
        overdue_count integer NOT NULL,
        breached_count integer NOT NULL,
        quarter_began_on date NOT NULL,
        last_contact_at timestamptz,
        company_id uuid,
        contact_id uuid,
        location_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_summaries PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_ticket_summaries_of_one_card CHECK (num_nonnulls(company_id, contact_id, location_id) = 1),
        CONSTRAINT fk_ticket_summaries_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_ticket_summaries_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_ticket_summaries_tenant_id_location_id
            FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE
    )
"""
_DUE = """
INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, is_test_clock)
SELECT
    card.tenant_id, gen_random_uuid(), '{one}.ticket_summary', card.id, 0, coalesce(tenants.clock_at, now()), now(),
    tenants.clock_at IS NOT NULL
FROM {many} AS card JOIN tenants ON tenants.id = card.tenant_id
WHERE EXISTS (SELECT FROM tickets WHERE tickets.tenant_id = card.tenant_id AND tickets.{one}_id = card.id)
"""
_READ = (*_CARDS.values(), "deadlines", "tickets")
_MAY = ("supervisor", "agent", "crm_sync")
_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'ticket_watcher', 'ticket_link', 'merge', 'entitlement', 'contract', 'service', 'asset_relation',
                'asset', 'asset_type', 'inbound_message', 'location', 'ticket', 'company', 'contact',
                'external_reference', 'team', 'calendar', 'sla_policy', 'test_clock', 'webhook_delivery',
                'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""


def _reading(how: str, *tables: str) -> None:
    for table in tables:
        op.execute(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY")


def upgrade() -> None:
    """Apply."""
    op.execute(_TABLE)
    for one in _CARDS:
        op.execute(f"CREATE INDEX ix_ticket_summaries_tenant_id_{one}_id ON ticket_summaries (tenant_id, {one}_id)")
    op.execute("CALL tenant_owned('ticket_summaries')")
    op.execute(_FLOORS.format("'ticket_summary', "))
    _reading("NO FORCE", "roles", *_READ)
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{ticket-summaries:read}'::text[]) "  # noqa: S608 - names of ours.
        f"ORDER BY 1) WHERE slug IN ({', '.join(map(repr, _MAY))})"
    )
    for one, many in _CARDS.items():
        op.execute(_DUE.format(one=one, many=many))
    _reading("FORCE", "roles", *_READ)


def downgrade() -> None:
    """Take back."""
    op.execute(_FLOORS.format(""))
    _reading("NO FORCE", "roles", "deadlines")
    op.execute("DELETE FROM deadlines WHERE kind LIKE '%.ticket\\_summary'")
    op.execute(
        "UPDATE roles SET permissions = array_remove(permissions, 'ticket-summaries:read') WHERE slug IS NOT NULL"
    )
    _reading("FORCE", "roles", "deadlines")
    op.execute("DROP TABLE ticket_summaries")
