"""Let people be erased: the requests and their destruction records, and the one way to take texts out of the event log.

Revision: 0023. Comes after: 0022.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ERASURES = (
    """
    CREATE TABLE erasures (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        person_type text NOT NULL,
        person_id uuid NOT NULL,
        reason text NOT NULL,
        messages text NOT NULL,
        state text NOT NULL,
        requested_by_type text NOT NULL,
        requested_by_id uuid,
        counts jsonb NOT NULL,
        wanted jsonb,
        completed_at timestamptz,
        record jsonb,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_erasures PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_erasures_person_type CHECK (person_type IN ('contact', 'user')),
        CONSTRAINT ck_erasures_messages CHECK (messages IN ('erase', 'redact')),
        CONSTRAINT ck_erasures_state CHECK (state IN ('pending', 'done')),
        CONSTRAINT ck_erasures_done_forgets_and_proves CHECK (
            (state = 'done') = (wanted IS NULL) AND (state = 'done') = (completed_at IS NOT NULL)
            AND (state = 'done') = (record IS NOT NULL)
        )
    )
    """,
    "CREATE INDEX ix_erasures_tenant_id_created_at_id ON erasures (tenant_id, created_at, id)",
    "CREATE INDEX ix_erasures_tenant_id_person_id ON erasures (tenant_id, person_id)",
    "CALL tenant_owned('erasures', 'SELECT, INSERT, UPDATE')",
)
_REDACTIONS = (
    """
    CREATE TABLE event_redactions (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        event_id uuid NOT NULL,
        erasure_id uuid NOT NULL,
        hash_before bytea NOT NULL,
        hash_after bytea NOT NULL,
        CONSTRAINT pk_event_redactions PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_event_redactions_tenant_id_erasure_id
            FOREIGN KEY (tenant_id, erasure_id) REFERENCES erasures (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_event_redactions_tenant_id_erasure_id ON event_redactions (tenant_id, erasure_id)",
    "CREATE INDEX ix_event_redactions_tenant_id_event_id ON event_redactions (tenant_id, event_id)",
    "CALL tenant_owned('event_redactions', 'SELECT')",
    "GRANT UPDATE (error, response_excerpt) ON webhook_attempts TO helpdesk_app",
)
# It runs with the rights of the owner of the schema, whom row-level security would show no row.
_OF_OWNER = """
CREATE POLICY redaction ON {table} TO CURRENT_USER
    USING (tenant_id = (SELECT current_tenant())) WITH CHECK (tenant_id = (SELECT current_tenant()))
"""
# Whoever may call it can only put other texts in the place of texts, for an erasure under way, and leaves a trace.
_REDACT = """
CREATE FUNCTION redact_event(
    redaction uuid, erasure uuid, event uuid, new_changes jsonb, new_data jsonb, forgets_origin boolean,
    new_salt uuid, old_hash bytea, new_hash bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    texts CONSTANT text := '"([^"\\\\]|\\\\.)*"';
    old events%ROWTYPE;
BEGIN
    PERFORM FROM erasures WHERE tenant_id = current_tenant() AND id = erasure AND state = 'pending' FOR SHARE;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = 'events are only redacted by an erasure under way';
    END IF;
    SELECT * INTO STRICT old FROM events WHERE tenant_id = current_tenant() AND id = event FOR UPDATE;
    IF regexp_replace(old.changes::text, texts, '', 'g') <> regexp_replace(new_changes::text, texts, '', 'g')
       OR regexp_replace(old.data::text, texts, '', 'g') <> regexp_replace(new_data::text, texts, '', 'g') THEN
        RAISE insufficient_privilege USING MESSAGE = 'only texts may be taken out of an event';
    END IF;
    UPDATE events
    SET changes = new_changes, data = new_data, salt = new_salt,
        ip = CASE WHEN forgets_origin THEN NULL ELSE ip END,
        user_agent = CASE WHEN forgets_origin THEN NULL ELSE user_agent END
    WHERE tenant_id = current_tenant() AND id = event;
    INSERT INTO event_redactions (tenant_id, id, event_id, erasure_id, hash_before, hash_after)
    VALUES (current_tenant(), redaction, event, erasure, old_hash, new_hash);
END
$$
"""
_SIGNATURE = "redact_event(uuid, uuid, uuid, jsonb, jsonb, boolean, uuid, bytea, bytea)"


def upgrade() -> None:
    """Apply."""
    for statement in (*_ERASURES, *_REDACTIONS):
        op.execute(statement)
    for table in ("events", "erasures", "event_redactions"):
        op.execute(_OF_OWNER.format(table=table))
    op.execute(_REDACT)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO helpdesk_app")


def downgrade() -> None:
    """Take back."""
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.execute("DROP POLICY redaction ON events")
    op.execute("REVOKE UPDATE (error, response_excerpt) ON webhook_attempts FROM helpdesk_app")
    op.execute("DROP TABLE event_redactions")
    op.execute("DROP TABLE erasures")
