"""Let rules wait: their timers, the tickets that wait, and since when a ticket has been in its status.

The status of a ticket is dated by a trigger, also for processes of the release before. Tickets that are there already
are dated by their last event of it, or where that is not kept by what they say themselves.

Revision: 0060. Comes after: 0059.
"""

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

_DATED = (
    "ALTER TABLE tickets ADD COLUMN status_changed_at timestamptz",
    "ALTER TABLE tickets NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE events NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE tickets SET status_changed_at = coalesce(
        (SELECT max(events.occurred_at) FROM events
         WHERE events.tenant_id = tickets.tenant_id AND events.object_id = tickets.id
             AND events.type = 'ticket.status_changed'),
        closed_at, solved_at, created_at
    )
    """,
    "ALTER TABLE events FORCE ROW LEVEL SECURITY",
    "ALTER TABLE tickets FORCE ROW LEVEL SECURITY",
    "ALTER TABLE tickets ALTER COLUMN status_changed_at SET NOT NULL",
    """
    CREATE FUNCTION date_status_of_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.status_changed_at := NEW.updated_at;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER status_of_new BEFORE INSERT ON tickets FOR EACH ROW
        EXECUTE FUNCTION date_status_of_ticket()
    """,
    """
    CREATE TRIGGER status_of_changed BEFORE UPDATE OF status ON tickets FOR EACH ROW
        WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION date_status_of_ticket()
    """,
)
# Not validated, which would hold up the tables: no rule that is there already has one without the other.
_TIMERS = (
    *(
        statement
        for table in ("rules", "rule_versions")
        for statement in (
            f"ALTER TABLE {table} ADD COLUMN timer jsonb",
            f"""
            ALTER TABLE {table} ADD CONSTRAINT ck_{table}_timer_with_its_occasion
                CHECK ((timer IS NOT NULL) = ('elapsed' = ANY (occasions))) NOT VALID
            """,
        )
    ),
    """
    CREATE TABLE rule_timers (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        rule_id uuid NOT NULL,
        ticket_id uuid NOT NULL,
        instance integer NOT NULL,
        due_at timestamptz,
        fired_count integer NOT NULL,
        fired_for timestamptz,
        CONSTRAINT pk_rule_timers PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_rule_timers_tenant_id_rule_id_ticket_id UNIQUE (tenant_id, rule_id, ticket_id),
        CONSTRAINT fk_rule_timers_tenant_id_rule_id
            FOREIGN KEY (tenant_id, rule_id) REFERENCES rules (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_rule_timers_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_rule_timers_tenant_id_ticket_id ON rule_timers (tenant_id, ticket_id)",
    "CALL tenant_owned('rule_timers')",
)
_BACK = (
    "DROP TABLE rule_timers",
    *(
        statement
        for table in ("rules", "rule_versions")
        for statement in (
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_timer_with_its_occasion",
            f"ALTER TABLE {table} DROP COLUMN timer",
        )
    ),
    "DROP TRIGGER status_of_new ON tickets",
    "DROP TRIGGER status_of_changed ON tickets",
    "DROP FUNCTION date_status_of_ticket()",
    "ALTER TABLE tickets DROP COLUMN status_changed_at",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_DATED, *_TIMERS):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for statement in _BACK:
        op.execute(statement)
