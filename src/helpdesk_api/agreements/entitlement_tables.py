"""The tables of entitlements: what is agreed, what was granted, and the ledger of what became of it.

An entry moves an amount between two accounts, so a ledger is balanced whoever writes it. The database numbers entries,
adds up the accounts after each of them and what remains of each grant, and lets none of them fall below zero; an entry
is never changed or deleted.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.ledger import Account
from helpdesk_api.kit.sql import reference, tenant_table

entitlements = tenant_table(
    "entitlements",
    Column("contract_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text),
    Column("quantity", Integer, nullable=False),
    Column("period_months", Integer),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("rollover", Text, nullable=False),
    Column("rollover_limit", Integer),
    Column("rollover_periods", Integer),
    Column("overage", Text, nullable=False),
    Column("rounding_step", Integer, nullable=False),
    Column("minimum_charge", Integer, nullable=False),
    Column("warn_at", ARRAY(Integer), nullable=False),
    # The period that is granted next, the instant at which time changes something next, and which deadline it has.
    Column("next_period", Integer, nullable=False, server_default="0"),
    Column("turns_at", DateTime(timezone=True)),
    Column("turn", Integer, nullable=False, server_default="1"),
    CheckConstraint("kind IN ('hours', 'incidents', 'visits', 'money')", name="kind"),
    CheckConstraint("(kind = 'money') = (currency IS NOT NULL)", name="money_has_a_currency"),
    CheckConstraint("rollover IN ('none', 'all', 'limited')", name="rollover"),
    CheckConstraint("(rollover = 'limited') = (rollover_limit IS NOT NULL)", name="limited_has_a_limit"),
    CheckConstraint("overage IN ('refuse', 'allow')", name="overage"),
    CheckConstraint("quantity > 0 AND rounding_step > 0 AND minimum_charge >= 0", name="amounts"),
    reference("contract_id", "contracts"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "contract_id"),
)

entitlement_grants = tenant_table(
    "entitlement_grants",
    Column("entitlement_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("period", Integer),
    Column("expires_at", DateTime(timezone=True)),
    Column("account", Text, nullable=False),
    Column("remaining", BigInteger, nullable=False, server_default="0"),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("account IN ('available', 'rolled_over', 'expired')", name="account"),
    CheckConstraint("remaining >= 0 AND reserved >= 0", name="never_negative"),
    CheckConstraint("account <> 'expired' OR remaining = 0", name="nothing_remains_of_what_is_over"),
    UniqueConstraint("tenant_id", "entitlement_id", "number"),
    UniqueConstraint("tenant_id", "entitlement_id", "period"),
    reference("entitlement_id", "entitlements"),
    versioned=False,
)

ACCOUNTS = tuple(account.value for account in Account)

entitlement_entries = tenant_table(
    "entitlement_entries",
    Column("entitlement_id", Uuid, nullable=False),
    # Given by the database, without gaps.
    Column("number", Integer, nullable=False, server_default="0"),
    Column("operation_id", Uuid, nullable=False),
    Column("part", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_account", Text, nullable=False),
    Column("to_account", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("grant_number", Integer),
    Column("reservation_id", Uuid),
    Column("reverses_id", Uuid),
    # No foreign key: tickets go when their time of keeping is over, and entries stay.
    Column("ticket_id", Uuid),
    Column("asked_amount", Integer),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("reason", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    # The accounts after this entry, added up by the database.
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in ACCOUNTS),
    CheckConstraint("kind IN ('grant', 'reserve', 'post', 'reverse', 'expire', 'roll_over')", name="kind"),
    CheckConstraint(
        f"from_account <> to_account AND ARRAY[from_account, to_account] <@ ARRAY{list(ACCOUNTS)}", name="two_accounts"
    ),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint(
        "grant_number IS NOT NULL OR reservation_id IS NOT NULL OR 'overage' IN (from_account, to_account)",
        name="of_a_grant_unless_overage",
    ),
    CheckConstraint(f"least({', '.join(ACCOUNTS)}) >= 0", name="never_negative"),
    CheckConstraint("granted + overage = available + rolled_over + reserved + used + expired", name="balanced"),
    UniqueConstraint("tenant_id", "entitlement_id", "number"),
    # Nothing is entered twice under the same reference.
    UniqueConstraint(
        "tenant_id", "entitlement_id", "source", "reference", "part", name="uq_entitlement_entries_reference"
    ),
    reference("entitlement_id", "entitlements"),
    ForeignKeyConstraint(
        ["tenant_id", "entitlement_id", "grant_number"],
        [f"entitlement_grants.{name}" for name in ("tenant_id", "entitlement_id", "number")],
        name="fk_entitlement_entries_grant",
    ),
    Index("ix_entitlement_entries_by_time", "tenant_id", "entitlement_id", "occurred_at", "number"),
    Index(None, "tenant_id", "entitlement_id", "grant_number"),
    Index(
        "ix_entitlement_entries_of_ticket",
        *("tenant_id", "ticket_id", "entitlement_id", "number"),
        postgresql_where=text("ticket_id IS NOT NULL"),
    ),
    Index(None, "tenant_id", "operation_id"),
    Index(None, "tenant_id", "reservation_id", postgresql_where=text("reservation_id IS NOT NULL")),
    Index(None, "tenant_id", "reverses_id", postgresql_where=text("reverses_id IS NOT NULL")),
    versioned=False,
)
