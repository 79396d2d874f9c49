"""Let every target say how its clock follows the ticket; keep wall times, extensions and deadlines set by hand.

Revision: 0039. Comes after: 0038.
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_CONDUCT = '{"pauses_in": ["on_hold", "pending"], "on_reopen": "resume", "on_change": "keep"}'
# A setting that is not given is that of the metric, which is what every clock did before.
_TARGETS = """
UPDATE {}
SET targets = (
    SELECT jsonb_agg('{{"pauses_in": null, "on_reopen": "resume", "on_change": "keep"}}' || target ORDER BY place)
    FROM jsonb_array_elements(targets) WITH ORDINALITY AS each (target, place)
)
"""


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE sla_clocks ADD COLUMN elapsed_wall interval DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE sla_clocks ADD COLUMN paused_wall interval DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE sla_clocks ADD COLUMN extension interval DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE sla_clocks ADD COLUMN manual_due_at timestamptz")
    op.execute("ALTER TABLE sla_clocks ADD COLUMN manual_reason text")
    op.execute("ALTER TABLE sla_clocks ADD COLUMN manual_by_id uuid")
    op.execute(f"ALTER TABLE sla_clocks ADD COLUMN conduct jsonb DEFAULT '{_CONDUCT}' NOT NULL")
    op.execute(
        # The rule that takes its place allows more: nothing that relied on it meets less than before.
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE sla_clocks DROP CONSTRAINT ck_sla_clocks_paused_is_never_due"
    )
    op.execute(
        "ALTER TABLE sla_clocks ADD CONSTRAINT ck_sla_clocks_paused_is_due_by_hand_only "
        "CHECK (state <> 'paused' OR due_at IS NOT DISTINCT FROM manual_due_at) NOT VALID"
    )
    for table in ("sla_policies", "sla_policy_versions"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(_TARGETS.format(table))
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE sla_clocks DROP CONSTRAINT ck_sla_clocks_paused_is_due_by_hand_only")
    op.execute(
        "ALTER TABLE sla_clocks ADD CONSTRAINT ck_sla_clocks_paused_is_never_due "
        "CHECK (state <> 'paused' OR due_at IS NULL) NOT VALID"
    )
    for column in (
        *("conduct", "manual_by_id", "manual_reason", "manual_due_at", "extension", "paused_wall", "elapsed_wall"),
    ):
        op.execute(f"ALTER TABLE sla_clocks DROP COLUMN {column}")
