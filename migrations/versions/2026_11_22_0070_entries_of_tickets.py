"""Say of an entry in the ledger of an entitlement which ticket it is for.

Tickets go when their time of keeping is over, and entries stay: so there is no foreign key.

Revision: 0070. Comes after: 0069.
"""

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE entitlement_entries ADD COLUMN ticket_id uuid")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_entitlement_entries_of_ticket "
            "ON entitlement_entries (tenant_id, ticket_id, entitlement_id, number) WHERE ticket_id IS NOT NULL"
        )


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE entitlement_entries DROP COLUMN ticket_id")
