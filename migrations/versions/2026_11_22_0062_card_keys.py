"""Keep by which values client cards may turn out to be the same, so that duplicates are found by an index.

Trigrams cannot be looked up through row-level security (their operators are not leakproof), equality can: a trigger
keeps the values that two cards may share, among them parts of the name, and pg_trgm compares the few that share one.

Revision: 0062. Comes after: 0061.
"""

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

# One spelling of a name: composed, without marks that nobody sees, in lower case, Cyrillic in Latin letters. Letters
# that only look alike become alike too: that is for candidates, which people judge.
_NAME_KEY = r"""
CREATE FUNCTION card_name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN btrim(regexp_replace(
    replace(replace(replace(replace(replace(replace(replace(replace(
        translate(
            lower(normalize(translate(
                name,
                U&'\00AD\200B\200C\200D\200E\200F\202A\202B\202C\202D\202E\2060\2066\2067\2068\2069\FEFF', ''
            ), NFKC)),
            'абвгґдеёєзиіїйклмнопрстуўфыэъь', 'abvggdeeeziiiyklmnoprstuufye'
        ),
        'ж', 'zh'), U&'\0445', 'kh'), 'ц', 'ts'), 'ч', 'ch'), 'ш', 'sh'), 'щ', 'shch'),
        'ю', 'yu'), 'я', 'ya'),
    '\W+', ' ', 'g'
))
"""
_NAME_PARTS = """
CREATE FUNCTION card_name_parts(name text) RETURNS SETOF text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    WITH words AS (
        SELECT DISTINCT left(word, 4) AS part, max(length(word)) AS size, min(left(word, 6)) AS start
        FROM regexp_split_to_table(card_name_key(name), ' ') AS word
        WHERE length(word) > 1 AND word <> ALL (ARRAY[
            'ooo', 'oao', 'zao', 'pao', 'ao', 'ip', 'tov', 'too', 'chp', 'llc', 'ltd', 'limited', 'inc', 'corp', 'co',
            'gmbh', 'ag', 'kg', 'ohg', 'srl', 'spa', 'sa', 'sas', 'sarl', 'bv', 'nv', 'oy', 'ab', 'as', 'plc', 'pty'
        ])
        GROUP BY 1
        ORDER BY 1
        LIMIT 6
    )
    SELECT a.part || ' ' || b.part FROM words AS a JOIN words AS b ON a.part < b.part
    UNION
    (SELECT start FROM words ORDER BY size DESC, part LIMIT 1);
END
"""
_TABLE = (
    """
    CREATE TABLE card_keys (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        object_id uuid NOT NULL,
        company_id uuid,
        contact_id uuid,
        kind text NOT NULL,
        value text NOT NULL,
        CONSTRAINT pk_card_keys PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_card_keys_one_owner CHECK (num_nonnulls(company_id, contact_id) = 1),
        CONSTRAINT fk_card_keys_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_card_keys_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_card_keys_tenant_id_kind_value_object_id ON card_keys (tenant_id, kind, value, object_id)",
    "CREATE INDEX ix_card_keys_tenant_id_object_id ON card_keys (tenant_id, object_id)",
    "CREATE INDEX ix_card_keys_tenant_id_company_id ON card_keys (tenant_id, company_id)",
    "CREATE INDEX ix_card_keys_tenant_id_contact_id ON card_keys (tenant_id, contact_id)",
    "CALL tenant_owned('card_keys')",
)
_OF_COMPANY = """
    SELECT 'domain' AS kind, unnest({row}.domains) AS value
    UNION SELECT 'tax_id', each ->> 'number' FROM jsonb_array_elements({row}.tax_ids) AS each
    UNION SELECT 'company_name', part FROM card_name_parts({row}.name) AS part
"""
# People with like names are many: only those of one company are compared by their names.
_OF_CONTACT = """
    SELECT 'email' AS kind, unnest({row}.emails) AS value
    UNION SELECT 'phone', unnest({row}.phones)
    UNION SELECT 'contact_name', concat({row}.company_id, ' ', part)
    FROM card_name_parts({row}.name) AS part WHERE {row}.company_id IS NOT NULL
"""
_KEEPING = """
CREATE FUNCTION keep_{one}_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM card_keys WHERE tenant_id = NEW.tenant_id AND object_id = NEW.id;
    END IF;
    INSERT INTO card_keys (tenant_id, id, object_id, {one}_id, kind, value)
    SELECT NEW.tenant_id, gen_random_uuid(), NEW.id, NEW.id, held.kind, left(held.value, 400)
    FROM ({held}) AS held;
    RETURN NULL;
END
$$
"""
_FILL = """
INSERT INTO card_keys (tenant_id, id, object_id, {one}_id, kind, value)
SELECT card.tenant_id, gen_random_uuid(), card.id, card.id, held.kind, left(held.value, 400)
FROM {many} AS card CROSS JOIN LATERAL ({held}) AS held
"""
_KINDS = (
    ("company", "companies", "name, domains, tax_ids", _OF_COMPANY),
    ("contact", "contacts", "name, company_id, emails, phones", _OF_CONTACT),
)


def upgrade() -> None:
    """Apply."""
    # Trusted since PostgreSQL 13: whoever owns the database may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(_NAME_KEY)
    op.execute(_NAME_PARTS)
    for statement in _TABLE:
        op.execute(statement)
    for one, many, changing, held in _KINDS:
        op.execute(_KEEPING.format(one=one, held=held.format(row="NEW")))
        op.execute(
            f"CREATE TRIGGER {one}_keys AFTER INSERT OR UPDATE OF {changing} ON {many} "
            f"FOR EACH ROW EXECUTE FUNCTION keep_{one}_keys()"
        )
        op.execute(f"ALTER TABLE {many} NO FORCE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE card_keys NO FORCE ROW LEVEL SECURITY")
        op.execute(_FILL.format(one=one, many=many, held=held.format(row="card")))
        op.execute("ALTER TABLE card_keys FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {many} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back. The extension stays: others may use it."""
    for one, many, _, _ in _KINDS:
        op.execute(f"DROP TRIGGER {one}_keys ON {many}")
        op.execute(f"DROP FUNCTION keep_{one}_keys()")
    op.execute("DROP TABLE card_keys")
    op.execute("DROP FUNCTION card_name_parts(text)")
    op.execute("DROP FUNCTION card_name_key(text)")
