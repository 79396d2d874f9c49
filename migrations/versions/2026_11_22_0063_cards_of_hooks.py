"""Let inbound hooks write client cards: mappings and results say so, and of what is stored that it is no card.

Revision: 0063. Comes after: 0062.
"""

from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

_EXPRESSIONS = ("card", "card_kind", "card_source", "card_external_id", "card_action", "card_updated_at")
_RESULT = ("card_kind", "card_id")
_EACH_RESULT = """
    UPDATE inbound_messages SET results = (
        SELECT coalesce(jsonb_agg({} ORDER BY place), '[]')
        FROM jsonb_array_elements(results) WITH ORDINALITY AS each (result, place)
    )
"""


def _unguarded(*statements: str) -> None:
    for table in ("inbound_hooks", "inbound_messages"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in statements:
        op.execute(statement)
    for table in ("inbound_hooks", "inbound_messages"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _nothing(names: tuple[str, ...]) -> str:
    return "'{" + ", ".join(f'"{name}": null' for name in names) + "}'::jsonb"


def _names(names: tuple[str, ...]) -> str:
    return f"'{{{','.join(names)}}}'::text[]"


def upgrade() -> None:
    """Apply."""
    _unguarded(
        f"UPDATE inbound_hooks SET mapping = {_nothing(_EXPRESSIONS)} || mapping",  # noqa: S608 - names of ours.
        _EACH_RESULT.format(f"{_nothing(_RESULT)} || result"),
    )


def downgrade() -> None:
    """Take back; hooks that write cards need what is taken from them, and go."""
    _unguarded(
        "DELETE FROM inbound_hooks WHERE mapping ->> 'card' IS NOT NULL",
        f"UPDATE inbound_hooks SET mapping = mapping - {_names(_EXPRESSIONS)}",  # noqa: S608 - names of ours.
        _EACH_RESULT.format(f"result - {_names(_RESULT)}"),
    )
