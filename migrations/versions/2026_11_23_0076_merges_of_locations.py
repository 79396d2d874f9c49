"""Merge locations, and keep by which values they may turn out to be the same.

Places are compared within a company only: by where they are, and by their names.

Revision: 0076. Comes after: 0075.
"""

from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

_OF_TYPE = ("merges", "card_redirects")
_CHECKS = {
    **{
        f"{table} ck_{table}_card_type": "CHECK (card_type IN ('company', 'contact', 'location'))" for table in _OF_TYPE
    },
    "card_keys ck_card_keys_one_owner": "CHECK (num_nonnulls(company_id, contact_id, location_id) = 1)",
}
_INDEX = "ix_card_keys_tenant_id_location_id"
_KEY = "fk_card_keys_tenant_id_location_id"
_KEPT_AS_LONG = "FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id) ON DELETE CASCADE"
_FORMER = {
    **dict.fromkeys(list(_CHECKS)[:-1], "CHECK (card_type IN ('company', 'contact'))"),
    "card_keys ck_card_keys_one_owner": "CHECK (num_nonnulls(company_id, contact_id) = 1)",
}
_HELD = """
    SELECT 'location_name' AS kind, concat({row}.company_id, ' ', part) AS value
    FROM card_name_parts({row}.name) AS part
    UNION SELECT 'address', concat_ws(
        ' ', {row}.company_id, card_name_key({row}.address ->> 'city'), card_name_key({row}.address ->> 'street')
    ) WHERE {row}.address ->> 'street' IS NOT NULL
"""
_KEEPING = """
CREATE FUNCTION keep_location_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM card_keys WHERE tenant_id = NEW.tenant_id AND object_id = NEW.id;
    END IF;
    INSERT INTO card_keys (tenant_id, id, object_id, location_id, kind, value)
    SELECT NEW.tenant_id, gen_random_uuid(), NEW.id, NEW.id, held.kind, left(held.value, 400)
    FROM ({held}) AS held;
    RETURN NULL;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER location_keys AFTER INSERT OR UPDATE OF name, company_id, address ON locations
    FOR EACH ROW EXECUTE FUNCTION keep_location_keys()
"""
_FILL = """
INSERT INTO card_keys (tenant_id, id, object_id, location_id, kind, value)
SELECT card.tenant_id, gen_random_uuid(), card.id, card.id, held.kind, left(held.value, 400)
FROM locations AS card CROSS JOIN LATERAL ({held}) AS held
"""


def _check(checks: dict[str, str]) -> None:
    for name, check in checks.items():
        table, constraint = name.split()
        # The one that takes its place allows more: nothing that relied on it meets less than before.
        op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT {constraint}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {check} NOT VALID")


def _reading_all(*tables: str) -> None:
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")


def _reading_own(*tables: str) -> None:
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE card_keys ADD COLUMN location_id uuid")
    _check(_CHECKS)
    op.execute(f"ALTER TABLE card_keys ADD CONSTRAINT {_KEY} {_KEPT_AS_LONG} NOT VALID")
    op.execute(_KEEPING.format(held=_HELD.format(row="NEW")))
    op.execute(_TRIGGER)
    _reading_all("locations", "card_keys")
    op.execute(_FILL.format(held=_HELD.format(row="card")))
    _reading_own("locations", "card_keys")
    with op.get_context().autocommit_block():
        for name in (*_CHECKS, f"card_keys {_KEY}"):
            table, constraint = name.split()
            op.execute(f"-- squawk-ignore prefer-robust-stmts\nALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_INDEX} ON card_keys (tenant_id, location_id)")


def downgrade() -> None:
    """Take back; places that were merged stay so, and their old ids lead nowhere."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_INDEX}")
    op.execute("DROP TRIGGER location_keys ON locations")
    op.execute("DROP FUNCTION keep_location_keys()")
    _reading_all("card_keys", *_OF_TYPE)
    op.execute("DELETE FROM card_keys WHERE location_id IS NOT NULL")
    for table in _OF_TYPE:
        op.execute(f"DELETE FROM {table} WHERE card_type = 'location'")  # noqa: S608 - names of ours.
    _reading_own("card_keys", *_OF_TYPE)
    _check(_FORMER)
    op.execute("ALTER TABLE card_keys DROP COLUMN location_id")
