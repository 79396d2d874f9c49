"""Store the plans that open tickets, and what came of each of their occurrences.

Revision: 0083. Comes after: 0082.
"""

from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE ticket_plans (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        recurrence text NOT NULL,
        recurs text NOT NULL,
        starts_on date NOT NULL,
        ends_on date,
        time_of_day text NOT NULL,
        time_zone text NOT NULL,
        lead_days integer NOT NULL,
        holiday_shift text NOT NULL,
        calendar_id uuid,
        catch_up text NOT NULL,
        overlap text NOT NULL,
        targets jsonb NOT NULL,
        group_by text NOT NULL,
        ticket jsonb NOT NULL,
        is_active boolean NOT NULL,
        turn integer DEFAULT 0 NOT NULL,
        next_on date,
        begun_on date,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_plans PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_ticket_plans_tenant_id_name UNIQUE (tenant_id, name),
        CONSTRAINT ck_ticket_plans_recurs CHECK (recurs IN ('fixed', 'floating')),
        CONSTRAINT ck_ticket_plans_holiday_shift CHECK (holiday_shift IN ('none', 'next', 'previous', 'skip')),
        CONSTRAINT ck_ticket_plans_shifted_by_calendar CHECK (holiday_shift = 'none' OR calendar_id IS NOT NULL),
        CONSTRAINT ck_ticket_plans_catch_up CHECK (catch_up IN ('all', 'one', 'skip')),
        CONSTRAINT ck_ticket_plans_overlap CHECK (overlap IN ('open', 'suppress')),
        CONSTRAINT ck_ticket_plans_group_by CHECK (group_by IN ('asset', 'location')),
        CONSTRAINT ck_ticket_plans_ends_after_start CHECK (ends_on >= starts_on),
        CONSTRAINT fk_ticket_plans_tenant_id_calendar_id
            FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_ticket_plans_tenant_id_created_at_id ON ticket_plans (tenant_id, created_at, id)",
    "CREATE INDEX ix_ticket_plans_tenant_id_calendar_id ON ticket_plans (tenant_id, calendar_id)",
    "CALL tenant_owned('ticket_plans')",
    """
    CREATE TABLE ticket_plan_occurrences (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        plan_id uuid NOT NULL,
        occurs_on date NOT NULL,
        target_id uuid,
        planned_at timestamptz NOT NULL,
        outcome text NOT NULL,
        ticket_id uuid,
        reason text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_ticket_plan_occurrences PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_ticket_plan_occurrences_outcome
            CHECK (outcome IN ('opened', 'failed', 'suppressed', 'missed', 'skipped')),
        CONSTRAINT ck_ticket_plan_occurrences_failed_for_a_reason
            CHECK ((outcome = 'failed') = (reason IS NOT NULL)),
        CONSTRAINT fk_ticket_plan_occurrences_tenant_id_plan_id
            FOREIGN KEY (tenant_id, plan_id) REFERENCES ticket_plans (tenant_id, id) ON DELETE CASCADE
    )
    """,
    """
    CREATE UNIQUE INDEX uq_ticket_plan_occurrences_target
        ON ticket_plan_occurrences (tenant_id, plan_id, target_id, occurs_on) NULLS NOT DISTINCT
    """,
    """
    CREATE INDEX ix_ticket_plan_occurrences_tenant_id_plan_id_occurs_on
        ON ticket_plan_occurrences (tenant_id, plan_id, occurs_on)
    """,
    "CREATE INDEX ix_ticket_plan_occurrences_tenant_id_ticket_id ON ticket_plan_occurrences (tenant_id, ticket_id)",
    """
    CREATE INDEX ix_ticket_plan_occurrences_tenant_id_created_at_id
        ON ticket_plan_occurrences (tenant_id, created_at, id)
    """,
    "CALL tenant_owned('ticket_plan_occurrences')",
)


def upgrade() -> None:
    """Apply."""
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE ticket_plan_occurrences")
    op.execute("DROP TABLE ticket_plans")
