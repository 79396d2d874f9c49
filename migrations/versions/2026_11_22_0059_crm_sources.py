"""Declare CRM sources: what each owns of client cards, who wrote which field last, and what was not taken.

Built-in roles for the synchronisation and for supervisors may read them; supervisors decide conflicts.

Revision: 0059. Comes after: 0058.
"""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_SOURCES = (
    """
    CREATE TABLE crm_sources (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        source text NOT NULL,
        companies jsonb NOT NULL,
        contacts jsonb NOT NULL,
        locations jsonb NOT NULL,
        is_strict boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_crm_sources PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_crm_sources_tenant_id_source UNIQUE (tenant_id, source)
    )
    """,
    "CREATE INDEX ix_crm_sources_tenant_id_created_at_id ON crm_sources (tenant_id, created_at, id)",
    "CALL tenant_owned('crm_sources')",
)
_OF_ONE_CARD = """
        company_id uuid,
        contact_id uuid,
        location_id uuid,
        CONSTRAINT pk_{table} PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_{table}_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_{table}_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_{table}_tenant_id_location_id
            FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_{table}_of_one_card CHECK (num_nonnulls(company_id, contact_id, location_id) = 1)
"""
_PROVENANCE = f"""
    CREATE TABLE card_provenance (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        fields jsonb NOT NULL,
        {_OF_ONE_CARD.format(table="card_provenance")}
    )
"""
_CONFLICTS = f"""
    CREATE TABLE sync_conflicts (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        source text NOT NULL,
        field text NOT NULL,
        theirs jsonb,
        source_updated_at timestamptz,
        state text NOT NULL,
        resolution text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        {_OF_ONE_CARD.format(table="sync_conflicts")},
        CONSTRAINT uq_sync_conflicts_of_field
            UNIQUE NULLS NOT DISTINCT (tenant_id, source, field, company_id, contact_id, location_id),
        CONSTRAINT ck_sync_conflicts_resolution CHECK ((state = 'open') = (resolution IS NULL))
    )
"""
_INDEXES = (
    *(
        f"CREATE INDEX ix_{table}_tenant_id_{column} ON {table} (tenant_id, {column})"
        for table in ("card_provenance", "sync_conflicts")
        for column in ("company_id", "contact_id", "location_id")
    ),
    "CREATE INDEX ix_sync_conflicts_tenant_id_created_at_id ON sync_conflicts (tenant_id, created_at, id)",
    """
    CREATE INDEX ix_sync_conflicts_tenant_id_state_created_at_id
        ON sync_conflicts (tenant_id, state, created_at, id)
    """,
    "CALL tenant_owned('card_provenance')",
    "CALL tenant_owned('sync_conflicts')",
)
_MAY = {
    "supervisor": ("crm-sources:read", "sync-conflicts:read", "sync-conflicts:write"),
    "crm_sync": ("crm-sources:read", "sync-conflicts:read"),
}


def upgrade() -> None:
    """Apply."""
    for statement in (*_SOURCES, _PROVENANCE, _CONFLICTS, *_INDEXES):
        op.execute(statement)
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slug, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug = '{slug}'"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'crm-sources:%' AND each NOT LIKE 'sync-conflicts:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    for table in ("sync_conflicts", "card_provenance", "crm_sources"):
        op.execute(f"DROP TABLE {table}")
