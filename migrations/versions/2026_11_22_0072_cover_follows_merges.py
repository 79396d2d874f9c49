"""Look at the contract of a ticket when constraints are looked at: a merge moves tickets before the contract's clients.

Revision: 0072. Comes after: 0071.
"""

from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

# Deferred, it meets the ticket as it has become.
_CHECK = """
CREATE OR REPLACE FUNCTION check_contract_of_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM tickets AS ticket
        WHERE ticket.tenant_id = NEW.tenant_id AND ticket.id = NEW.id AND ticket.contract_id IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM contract_companies AS client
                WHERE client.tenant_id = ticket.tenant_id AND client.contract_id = ticket.contract_id
                    AND client.company_id = ticket.company_id
            )
            AND NOT EXISTS (
                SELECT FROM contract_versions AS version
                WHERE version.tenant_id = ticket.tenant_id AND version.contract_id = ticket.contract_id
                    AND version.company_ids = '{}'
            )
    ) THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'the contract is not for the company of the ticket',
            CONSTRAINT = 'tickets_contract_of_client';
    END IF;
    RETURN NULL;
END $$
"""
_TRIGGERS = {"contract_of_new": "INSERT", "contract_of_changed": "UPDATE OF contract_id, company_id"}


def upgrade() -> None:
    """Apply."""
    op.execute(_CHECK)
    for name, occasion in _TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON tickets")
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {name} AFTER {occasion} ON tickets DEFERRABLE INITIALLY IMMEDIATE "
            "FOR EACH ROW WHEN (NEW.contract_id IS NOT NULL) EXECUTE FUNCTION check_contract_of_ticket()"
        )


def downgrade() -> None:
    """Take back; what the function looks at is the same for a trigger that waits for nothing."""
    for name, occasion in _TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON tickets")
        op.execute(
            f"CREATE TRIGGER {name} AFTER {occasion} ON tickets "
            "FOR EACH ROW WHEN (NEW.contract_id IS NOT NULL) EXECUTE FUNCTION check_contract_of_ticket()"
        )
