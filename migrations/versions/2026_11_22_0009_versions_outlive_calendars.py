"""Keep the versions of a calendar when it is deleted: the clocks of tickets are measured by them.

Revision: 0009. Comes after: 0008.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # What relied on the constraint was the deletion of versions with their calendar, which is what must end.
    op.execute(
        """
        -- squawk-ignore ban-drop-constraint
        ALTER TABLE calendar_versions DROP CONSTRAINT fk_calendar_versions_tenant_id_calendar_id
        """
    )
    op.execute("REVOKE DELETE ON calendar_versions FROM helpdesk_app")


def downgrade() -> None:
    """Take back; versions that have outlived their calendar stay, so the constraint holds for new ones only."""
    op.execute("GRANT DELETE ON calendar_versions TO helpdesk_app")
    op.execute(
        """
        ALTER TABLE calendar_versions ADD CONSTRAINT fk_calendar_versions_tenant_id_calendar_id
        FOREIGN KEY (tenant_id, calendar_id) REFERENCES calendars (tenant_id, id) ON DELETE CASCADE NOT VALID
        """
    )
