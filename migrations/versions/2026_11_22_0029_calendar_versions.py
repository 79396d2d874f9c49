"""Give calendars seasons and national holidays, and every version of one the instant from which on it holds.

What was stored before holds from the instant at which it was stored, which its id tells; the first version always has.

Revision: 0029. Comes after: 0028.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_COLUMNS = (
    """
    ALTER TABLE calendars
        ADD COLUMN seasons jsonb DEFAULT '[]' NOT NULL,
        ADD COLUMN national_holidays jsonb,
        ADD COLUMN effective_from timestamptz
    """,
    """
    ALTER TABLE calendar_versions
        ADD COLUMN seasons jsonb DEFAULT '[]' NOT NULL,
        ADD COLUMN effective_from timestamptz,
        ADD COLUMN recorded_at timestamptz DEFAULT now() NOT NULL,
        ADD COLUMN fields text[] DEFAULT '{time_zone,weekly_hours,seasons,special_hours,holidays}' NOT NULL
    """,
)
_SOURCES = """
    UPDATE {table} SET holidays = (
        SELECT coalesce(jsonb_agg('{{"source": "own"}}' || entry ORDER BY place), '[]')
        FROM jsonb_array_elements(holidays) WITH ORDINALITY AS listed (entry, place)
    )
"""
_INSTANTS = (
    # The first 48 bits of a UUIDv7 are the milliseconds since 1970.
    """
    UPDATE calendar_versions
    SET recorded_at = to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
    """,
    """
    UPDATE calendar_versions SET effective_from = recorded_at
    WHERE calendar_version > (
        SELECT min(first.calendar_version) FROM calendar_versions AS first
        WHERE first.tenant_id = calendar_versions.tenant_id AND first.calendar_id = calendar_versions.calendar_id
    )
    """,
    """
    UPDATE calendars SET effective_from = (
        SELECT known.effective_from FROM calendar_versions AS known
        WHERE known.tenant_id = calendars.tenant_id AND known.calendar_id = calendars.id
        ORDER BY known.calendar_version DESC LIMIT 1
    )
    """,
)
_TABLES = ("calendars", "calendar_versions")


def upgrade() -> None:
    """Apply."""
    for statement in _COLUMNS:
        op.execute(statement)
    # The owner of a table is otherwise shown no tenant's rows.
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(_SOURCES.format(table=table))
    for statement in _INSTANTS:
        op.execute(statement)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back; what a calendar said from some instant on, it then says for all time."""
    op.execute(
        """
        ALTER TABLE calendar_versions
            DROP COLUMN fields, DROP COLUMN recorded_at, DROP COLUMN effective_from, DROP COLUMN seasons
        """
    )
    op.execute("ALTER TABLE calendars DROP COLUMN effective_from, DROP COLUMN national_holidays, DROP COLUMN seasons")
