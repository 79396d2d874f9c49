"""Keep with a stored answer what its caller might do and see.

Revision: 0028. Comes after: 0027.

Answers stored before have no rights to compare with and are withheld, for the day that they live.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN rights bytea")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE idempotency_keys DROP COLUMN rights")
