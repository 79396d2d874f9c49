"""Find what is old, and what the log tells of removals, without looking at the rest.

Revision: 0037. Comes after: 0036.
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_tenants_retention_due_at": "tenants (retention_due_at)",
    "ix_audit_seals_tenant_id_sealed_at": "audit_seals (tenant_id, sealed_at)",
    "ix_events_purges_told": "events (tenant_id, xid, seq) WHERE type = 'retention_run.events_purged'",
    "ix_tickets_tenant_id_closed_at": "tickets (tenant_id, closed_at) WHERE closed_at IS NOT NULL",
    "ix_api_key_usage_tenant_id_used_on": "api_key_usage (tenant_id, used_on)",
    "ix_sessions_tenant_id_expires_at": "sessions (tenant_id, expires_at)",
    "ix_sign_in_links_tenant_id_expires_at": "sign_in_links (tenant_id, expires_at)",
    "ix_jobs_given_up": "jobs (tenant_id, failed_at) WHERE failed_at IS NOT NULL",
}


def upgrade() -> None:
    """Apply."""
    with op.get_context().autocommit_block():
        for name, what in _INDEXES.items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {what}")


def downgrade() -> None:
    """Take back."""
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
