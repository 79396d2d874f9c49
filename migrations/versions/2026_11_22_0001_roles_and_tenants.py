"""Lay the ground: roles, tenants, and the function that puts a table under row-level security.

Roles exist once per cluster, so they are made only where they are missing: a hosted PostgreSQL may have been given
them already.

Revision: 0001. Comes after: nothing.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROLES = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'helpdesk_app') THEN
        CREATE ROLE helpdesk_app LOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'helpdesk_sweeper') THEN
        CREATE ROLE helpdesk_sweeper NOLOGIN;
    END IF;
    IF NOT pg_has_role('helpdesk_app', 'helpdesk_sweeper', 'MEMBER') THEN
        GRANT helpdesk_sweeper TO helpdesk_app;
    END IF;
END
$$
"""

# The setting reads '' and not NULL once a transaction that had set it is over, hence NULLIF.
_CURRENT_TENANT = """
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('app.tenant_id', true), '')::uuid
"""

_TENANT_OWNED = """
CREATE PROCEDURE tenant_owned(owned regclass, privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO helpdesk_app USING (tenant_id = (SELECT current_tenant())) '
        'WITH CHECK (tenant_id = (SELECT current_tenant()))', owned);
    EXECUTE format('GRANT %s ON %s TO helpdesk_app', privileges, owned);
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_ROLES)
    op.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA public TO helpdesk_app, helpdesk_sweeper")
    op.execute(_CURRENT_TENANT)
    op.execute("GRANT EXECUTE ON FUNCTION current_tenant() TO helpdesk_app")
    op.execute(_TENANT_OWNED)
    op.execute("REVOKE ALL ON PROCEDURE tenant_owned(regclass, text) FROM PUBLIC")
    op.execute(
        """
        CREATE TABLE tenants (
            id uuid NOT NULL CONSTRAINT pk_tenants PRIMARY KEY,
            name text NOT NULL CONSTRAINT uq_tenants_name UNIQUE,
            clock_at timestamptz,
            clock_target_at timestamptz,
            created_at timestamptz NOT NULL
        )
        """
    )
    op.execute("ALTER TABLE tenants ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE tenants FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON tenants TO helpdesk_app "
        "USING (id = (SELECT current_tenant())) WITH CHECK (id = (SELECT current_tenant()))"
    )
    op.execute("CREATE POLICY sweeper ON tenants FOR SELECT TO helpdesk_sweeper USING (true)")
    op.execute("GRANT SELECT, INSERT ON tenants TO helpdesk_app")
    op.execute("GRANT UPDATE (clock_at, clock_target_at) ON tenants TO helpdesk_app")
    op.execute("GRANT SELECT ON tenants TO helpdesk_sweeper")


def downgrade() -> None:
    """Take back; the roles stay, because other databases of the cluster may use them."""
    op.execute("DROP TABLE tenants")
    op.execute("DROP PROCEDURE tenant_owned(regclass, text)")
    op.execute("DROP FUNCTION current_tenant()")
