"""Check what refers to roles and people, and index it, without holding up who writes.

Revision: 0018. Comes after: 0017.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_REFERRING = (
    ("users", "role_id"),
    ("contacts", "portal_role_id"),
    ("api_keys", "user_id"),
    ("api_keys", "contact_id"),
    ("api_keys", "role_id"),
)
# The linter takes all revisions for one transaction; each has one of its own.
_APART = "-- squawk-ignore constraint-missing-not-valid\n"
_INDEXES = {
    **{f"ix_{table}_tenant_id_{column}": f"{table} (tenant_id, {column})" for table, column in _REFERRING},
    "ix_companies_tenant_id_territory": "companies (tenant_id, territory)",
    "ix_events_revealed": "events (tenant_id, actor_id, occurred_at) WHERE type = 'contact.revealed'",
}


def upgrade() -> None:
    """Apply."""
    for table, column in _REFERRING:
        op.execute(f"{_APART} ALTER TABLE {table} VALIDATE CONSTRAINT fk_{table}_tenant_id_{column}")
    op.execute(f"{_APART} ALTER TABLE api_keys VALIDATE CONSTRAINT ck_api_keys_one_holder")
    with op.get_context().autocommit_block():
        for name, indexed in _INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {indexed}")


def downgrade() -> None:
    """Take back; the constraints go with their columns."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
