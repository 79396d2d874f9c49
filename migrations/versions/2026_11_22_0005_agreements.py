"""Store calendars with their versions, and SLA policies.

Revision: 0005. Comes after: 0004.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CALENDARS = (
    """
    CREATE TABLE calendars (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        time_zone text NOT NULL,
        weekly_hours jsonb NOT NULL,
        special_hours jsonb NOT NULL,
        holidays jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_calendars PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_calendars_tenant_id_name UNIQUE (tenant_id, name)
    )
    """,
    "CREATE INDEX ix_calendars_tenant_id_created_at_id ON calendars (tenant_id, created_at, id)",
    "CALL tenant_owned('calendars')",
)
_CALENDAR_VERSIONS = (
    """
    CREATE TABLE calendar_versions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        calendar_id uuid NOT NULL,
        calendar_version integer NOT NULL,
        time_zone text NOT NULL,
        weekly_hours jsonb NOT NULL,
        special_hours jsonb NOT NULL,
        holidays jsonb NOT NULL,
        CONSTRAINT pk_calendar_versions PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_calendar_versions_tenant_id_calendar_id_calendar_version
            UNIQUE (tenant_id, calendar_id, calendar_version),
        CONSTRAINT fk_calendar_versions_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CALL tenant_owned('calendar_versions', 'SELECT, INSERT, DELETE')",
)
_SLA_POLICIES = (
    """
    CREATE TABLE sla_policies (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        description text,
        position integer NOT NULL,
        is_active boolean NOT NULL,
        calendar_id uuid,
        conditions jsonb NOT NULL,
        targets jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_sla_policies PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_sla_policies_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT fk_sla_policies_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_sla_policies_tenant_id_calendar_id ON sla_policies (tenant_id, calendar_id)",
    "CREATE INDEX ix_sla_policies_tenant_id_position_id ON sla_policies (tenant_id, position, id)",
    "CALL tenant_owned('sla_policies')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_CALENDARS, *_CALENDAR_VERSIONS, *_SLA_POLICIES):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE sla_policies")
    op.execute("DROP TABLE calendar_versions")
    op.execute("DROP TABLE calendars")
