"""Let two secrets of an inbound hook hold while one is replaced, and let mappings name type, team and domain.

Revision: 0054. Comes after: 0053.
"""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE inbound_hooks
        ADD COLUMN sealed_previous_secret bytea,
        ADD COLUMN previous_secret_expires_at timestamptz
    """,
    """
    ALTER TABLE inbound_hooks ADD CONSTRAINT ck_inbound_hooks_previous_secret_expires
    CHECK ((sealed_previous_secret IS NULL) = (previous_secret_expires_at IS NULL)) NOT VALID
    """,
    "ALTER TABLE inbound_hooks NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE inbound_hooks
    SET mapping = '{"type": null, "team_id": null, "team_name": null, "company_domain": null}'::jsonb || mapping
    """,
    "ALTER TABLE inbound_hooks FORCE ROW LEVEL SECURITY",
)
_DOWN = (
    "ALTER TABLE inbound_hooks NO FORCE ROW LEVEL SECURITY",
    "UPDATE inbound_hooks SET mapping = mapping - '{type,team_id,team_name,company_domain}'::text[]",
    "ALTER TABLE inbound_hooks FORCE ROW LEVEL SECURITY",
    "ALTER TABLE inbound_hooks DROP COLUMN sealed_previous_secret, DROP COLUMN previous_secret_expires_at",
)


def upgrade() -> None:
    """Apply."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    for statement in _DOWN:
        op.execute(statement)
