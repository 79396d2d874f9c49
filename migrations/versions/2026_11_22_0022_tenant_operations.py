"""Let an operator suspend a tenant, bound what it uses, say which web pages may call for it, and delete it whole.

Deleting is done by a role of its own, which reaches nothing but tenants whose time of grace is over. Every table with a
tenant admits it: those of today here, those to come by `tenant_owned`.

Revision: 0022. Comes after: 0021.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'helpdesk_purger') THEN
        CREATE ROLE helpdesk_purger NOLOGIN;
    END IF;
    IF NOT pg_has_role('helpdesk_app', 'helpdesk_purger', 'MEMBER') THEN
        GRANT helpdesk_purger TO helpdesk_app;
    END IF;
END
$$
"""
_COLUMNS = (
    "ALTER TABLE tenants ADD COLUMN version integer DEFAULT 1 NOT NULL",
    "ALTER TABLE tenants ADD COLUMN suspended_at timestamptz",
    "ALTER TABLE tenants ADD COLUMN purge_at timestamptz",
    "ALTER TABLE tenants ADD COLUMN quota_requests_per_minute integer",
    "ALTER TABLE tenants ADD COLUMN quota_users integer",
    "ALTER TABLE tenants ADD COLUMN quota_api_keys integer",
    "ALTER TABLE tenants ADD COLUMN quota_webhook_endpoints integer",
    "ALTER TABLE tenants ADD COLUMN cors_origins text[] DEFAULT '{}' NOT NULL",
    """
    GRANT UPDATE (
        name, version, suspended_at, purge_at, quota_requests_per_minute, quota_users, quota_api_keys,
        quota_webhook_endpoints, cors_origins
    ) ON tenants TO helpdesk_app
    """,
)
_PURGEABLE = """
CREATE PROCEDURE purgeable(owned regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE POLICY purger ON %s TO helpdesk_purger '
        'USING (tenant_id IN (SELECT tenants.id FROM tenants WHERE tenants.purge_at <= now()))', owned);
    EXECUTE format('GRANT SELECT (tenant_id, id), DELETE ON %s TO helpdesk_purger', owned);
END
$$
"""
_TENANT_OWNED = """
CREATE OR REPLACE PROCEDURE tenant_owned(owned regclass, privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO helpdesk_app USING (tenant_id = (SELECT current_tenant())) '
        'WITH CHECK (tenant_id = (SELECT current_tenant()))', owned);
    EXECUTE format('GRANT %s ON %s TO helpdesk_app', privileges, owned);
    CALL purgeable(owned);
END
$$
"""
_TABLES_OF_TODAY = """
DO $$
DECLARE
    owned regclass;
BEGIN
    FOR owned IN
        SELECT attrelid FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = 'tenant_id' AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
    LOOP
        CALL purgeable(owned);
    END LOOP;
END
$$
"""
_FORMERLY = _TENANT_OWNED.replace("    CALL purgeable(owned);\n", "")
_NONE_PURGEABLE = """
DO $$
DECLARE
    owned regclass;
BEGIN
    FOR owned IN SELECT polrelid FROM pg_policy WHERE polname = 'purger' LOOP
        EXECUTE format('DROP POLICY purger ON %s', owned);
        EXECUTE format('REVOKE ALL ON %s FROM helpdesk_purger', owned);
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_ROLE)
    for statement in _COLUMNS:
        op.execute(statement)
    op.execute("GRANT USAGE ON SCHEMA public TO helpdesk_purger")
    op.execute("CREATE POLICY purger ON tenants TO helpdesk_purger USING (purge_at <= now())")
    op.execute("GRANT SELECT (id, purge_at), DELETE ON tenants TO helpdesk_purger")
    op.execute(_PURGEABLE)
    op.execute("REVOKE ALL ON PROCEDURE purgeable(regclass) FROM PUBLIC")
    op.execute(_TABLES_OF_TODAY)
    op.execute(_TENANT_OWNED)


def downgrade() -> None:
    """Take back; the role stays, because other databases of the cluster may use it."""
    op.execute(_FORMERLY)
    op.execute(_NONE_PURGEABLE)
    op.execute("DROP PROCEDURE purgeable(regclass)")
    op.execute("REVOKE USAGE ON SCHEMA public FROM helpdesk_purger")
    for column in (
        "cors_origins",
        "quota_webhook_endpoints",
        "quota_api_keys",
        "quota_users",
        "quota_requests_per_minute",
        "purge_at",
        "suspended_at",
        "version",
    ):
        op.execute(f"ALTER TABLE tenants DROP COLUMN {column}")
