"""Tell sealed answers to repeated writes from plain ones.

Answers that show a secret are stored sealed from now on; those that were stored in plain text before are forgotten.

Revision: 0013. Comes after: 0012.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_FORGET = """
DELETE FROM idempotency_keys
WHERE method = 'POST' AND (path ~ '^/v1/(api-keys|webhook-endpoints)$' OR path ~ '/rotate-secret$')
"""


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN is_sealed boolean DEFAULT false NOT NULL")
    # The owner is bound by row-level security like everybody; here it has to reach the rows of every tenant.
    op.execute("ALTER TABLE idempotency_keys NO FORCE ROW LEVEL SECURITY")
    op.execute(_FORGET)
    op.execute("ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back; what is sealed could not be told from plain text any more, and is forgotten."""
    op.execute("ALTER TABLE idempotency_keys NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM idempotency_keys WHERE is_sealed")
    op.execute("ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE idempotency_keys DROP COLUMN is_sealed")
