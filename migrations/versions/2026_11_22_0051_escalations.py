"""Give the targets of SLA policies escalation steps, and clocks what became of theirs.

Revision: 0051. Comes after: 0050.
"""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

_STEPS = """
UPDATE {table} SET targets = (
    SELECT coalesce(jsonb_agg('{{"escalations": []}}' || target ORDER BY place), '[]')
    FROM jsonb_array_elements(targets) WITH ORDINALITY AS listed (target, place)
)
"""
_NO_STEPS = """
UPDATE {table} SET targets = (
    SELECT coalesce(jsonb_agg(target - 'escalations' ORDER BY place), '[]')
    FROM jsonb_array_elements(targets) WITH ORDINALITY AS listed (target, place)
)
"""


def _rewrite(statement: str) -> None:
    for table in ("sla_policies", "sla_policy_versions"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(statement.format(table=table))
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE sla_clocks ADD COLUMN escalations jsonb DEFAULT '[]' NOT NULL")
    _rewrite(_STEPS)


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE sla_clocks DROP COLUMN escalations")
    _rewrite(_NO_STEPS)
