"""Let an SLA policy count by the calendar of the place that a ticket is about.

Revision: 0082. Comes after: 0081.
"""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

_TABLES = ("sla_policies", "sla_policy_versions")


def upgrade() -> None:
    """Apply."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN uses_location_calendar boolean DEFAULT false NOT NULL")


def downgrade() -> None:
    """Take back."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN uses_location_calendar")
