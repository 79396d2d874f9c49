"""Let tenants add fields of their own to tickets and client cards.

A trigger keeps an index row for each value that is sorted by, compared by size, or names another object. Built-in roles
may read the definitions, and the synchronisation with a CRM what belongs to sales; nobody else can change those roles.

Revision: 0055. Comes after: 0054.
"""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

_TABLES = ("companies", "contacts", "locations", "tickets")

_DEFINITIONS = (
    """
    CREATE TABLE custom_fields (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        resource text NOT NULL,
        key text NOT NULL,
        type text NOT NULL,
        label text NOT NULL,
        description text,
        "group" text NOT NULL,
        position integer NOT NULL,
        required_when jsonb,
        choices jsonb NOT NULL,
        depends_on text,
        is_retired boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_custom_fields PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_custom_fields_tenant_id_resource_key UNIQUE (tenant_id, resource, key),
        CONSTRAINT ck_custom_fields_resource
            CHECK (resource IN ('companies', 'contacts', 'locations', 'tickets')),
        CONSTRAINT ck_custom_fields_group CHECK ("group" IN ('everybody', 'internal', 'commercial'))
    )
    """,
    """
    CREATE INDEX ix_custom_fields_tenant_id_resource_position_id
        ON custom_fields (tenant_id, resource, position, id)
    """,
    "CALL tenant_owned('custom_fields')",
)
_VALUES = (
    """
    CREATE TABLE custom_field_values (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        object_id uuid NOT NULL,
        field_id uuid NOT NULL,
        company_id uuid,
        contact_id uuid,
        location_id uuid,
        ticket_id uuid,
        text_value text,
        number_value numeric,
        instant_value timestamptz,
        user_value uuid,
        company_value uuid,
        location_value uuid,
        CONSTRAINT pk_custom_field_values PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_custom_field_values_tenant_id_object_id_field_id UNIQUE (tenant_id, object_id, field_id),
        CONSTRAINT ck_custom_field_values_one_owner
            CHECK (num_nonnulls(company_id, contact_id, location_id, ticket_id) = 1),
        CONSTRAINT fk_custom_field_values_tenant_id_field_id
            FOREIGN KEY (tenant_id, field_id) REFERENCES custom_fields (tenant_id, id),
        CONSTRAINT fk_custom_field_values_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_custom_field_values_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_custom_field_values_tenant_id_location_id
            FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_custom_field_values_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_custom_field_values_tenant_id_user_value
            FOREIGN KEY (tenant_id, user_value) REFERENCES users (tenant_id, id),
        CONSTRAINT fk_custom_field_values_tenant_id_company_value
            FOREIGN KEY (tenant_id, company_value) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_custom_field_values_tenant_id_location_value
            FOREIGN KEY (tenant_id, location_value) REFERENCES locations (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_custom_field_values_{name} "
        f"ON custom_field_values (tenant_id, field_id, {name}_value, object_id)"
        for name in ("text", "number", "instant")
    ),
    *(
        f"CREATE INDEX ix_custom_field_values_tenant_id_{name} ON custom_field_values (tenant_id, {name})"
        for name in (
            *("company_id", "contact_id", "location_id", "ticket_id"),
            *("user_value", "company_value", "location_value"),
        )
    ),
    "CALL tenant_owned('custom_field_values')",
)
_KEEPING = """
CREATE FUNCTION keep_custom_field_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM custom_field_values WHERE tenant_id = NEW.tenant_id AND object_id = NEW.id;
    INSERT INTO custom_field_values (
        tenant_id, id, object_id, field_id, company_id, contact_id, location_id, ticket_id,
        text_value, number_value, instant_value, user_value, company_value, location_value
    )
    SELECT
        NEW.tenant_id, gen_random_uuid(), NEW.id, field.id,
        CASE TG_TABLE_NAME WHEN 'companies' THEN NEW.id END,
        CASE TG_TABLE_NAME WHEN 'contacts' THEN NEW.id END,
        CASE TG_TABLE_NAME WHEN 'locations' THEN NEW.id END,
        CASE TG_TABLE_NAME WHEN 'tickets' THEN NEW.id END,
        CASE WHEN field.type NOT IN ('number', 'money', 'datetime') THEN left(held.value #>> '{}', 200) END,
        CASE field.type
            WHEN 'number' THEN (held.value #>> '{}')::numeric
            WHEN 'money' THEN (held.value ->> 'amount')::numeric
        END,
        CASE field.type WHEN 'datetime' THEN (held.value #>> '{}')::timestamptz END,
        CASE field.type WHEN 'user' THEN (held.value #>> '{}')::uuid END,
        CASE field.type WHEN 'company' THEN (held.value #>> '{}')::uuid END,
        CASE field.type WHEN 'location' THEN (held.value #>> '{}')::uuid END
    FROM jsonb_each(NEW.custom_fields) AS grouped
    CROSS JOIN LATERAL jsonb_each(grouped.value) AS held
    JOIN custom_fields AS field
        ON field.tenant_id = NEW.tenant_id AND field.resource = TG_TABLE_NAME AND field.key = held.key
    WHERE field.type <> 'multiselect';
    RETURN NULL;
END
$$
"""
_TRIGGERS = (
    """
    CREATE TRIGGER custom_fields_of_new AFTER INSERT ON {table} FOR EACH ROW
    WHEN (NEW.custom_fields <> '{{}}') EXECUTE FUNCTION keep_custom_field_values()
    """,
    """
    CREATE TRIGGER custom_fields_of_changed AFTER UPDATE OF custom_fields ON {table} FOR EACH ROW
    WHEN (NEW.custom_fields <> OLD.custom_fields) EXECUTE FUNCTION keep_custom_field_values()
    """,
)
_READERS = "'supervisor', 'agent', 'light_agent', 'contractor', 'contact', 'contact_manager', 'crm_sync'"


def _give(column: str, what: str, slugs: str) -> None:
    op.execute(
        f"UPDATE roles SET {column} = ARRAY(SELECT unnest({column} || '{{{what}}}'::text[]) ORDER BY 1) "  # noqa: S608 - names of ours.
        f"WHERE slug IN ({slugs})"
    )


def _take(column: str, what: str) -> None:
    op.execute(f"UPDATE roles SET {column} = array_remove({column}, '{what}') WHERE slug IS NOT NULL")  # noqa: S608 - names of ours.


def upgrade() -> None:
    """Apply."""
    for statement in (*_DEFINITIONS, *_VALUES, _KEEPING):
        op.execute(statement)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN custom_fields jsonb DEFAULT '{{}}' NOT NULL")
        for trigger in _TRIGGERS:
            op.execute(trigger.format(table=table))
    for table in ("roles", "inbound_hooks"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _give("permissions", "custom-fields:read", _READERS)
    _give("field_groups", "client.commercial", "'crm_sync'")
    op.execute("""UPDATE inbound_hooks SET mapping = mapping || '{"custom_fields": null}'""")
    for table in ("roles", "inbound_hooks"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    with op.get_context().autocommit_block():
        for table in _TABLES:
            op.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_{table}_custom_fields "
                f"ON {table} USING gin (custom_fields jsonb_path_ops)"
            )


def downgrade() -> None:
    """Take back; the values go with their fields."""
    for table in ("roles", "inbound_hooks"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _take("permissions", "custom-fields:read")
    _take("field_groups", "client.commercial")
    op.execute("UPDATE inbound_hooks SET mapping = mapping - 'custom_fields'")
    for table in ("roles", "inbound_hooks"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table in _TABLES:
        op.execute(f"DROP TRIGGER custom_fields_of_new ON {table}")
        op.execute(f"DROP TRIGGER custom_fields_of_changed ON {table}")
        op.execute(f"ALTER TABLE {table} DROP COLUMN custom_fields")
    op.execute("DROP FUNCTION keep_custom_field_values()")
    op.execute("DROP TABLE custom_field_values")
    op.execute("DROP TABLE custom_fields")
