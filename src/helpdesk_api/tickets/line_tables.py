"""The table of lines: what was done and handed over on tickets, at which price, and who pays for it.

A line is never changed. What was wrong is taken back by a line of its own that refers to it, once.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from helpdesk_api.kit.sql import reference, tenant_table

ticket_lines = tenant_table(
    "ticket_lines",
    Column("ticket_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("price_item_id", Uuid),
    Column("code", Text),
    Column("name", Text),
    Column("unit", Text),
    Column("quantity", Numeric),
    Column("minutes", Integer),
    Column("worked_at", DateTime(timezone=True), nullable=False),
    Column("performer_id", Uuid),
    Column("note", Text),
    Column("billing", Text, nullable=False),
    Column("contract_id", Uuid),
    Column("entitlement_id", Uuid),
    Column("operation_id", Uuid),
    Column("drawn_amount", Integer),
    Column("currency", Text),
    Column("price", Numeric),
    Column("is_price_manual", Boolean, nullable=False),
    Column("prices_include_vat", Boolean),
    Column("vat_rate", Numeric),
    Column("discount_percent", Numeric, nullable=False),
    Column("discount_amount", Numeric, nullable=False),
    Column("discount", Numeric),
    Column("net", Numeric),
    Column("vat", Numeric),
    Column("gross", Numeric),
    Column("reverses_id", Uuid),
    CheckConstraint("kind IN ('service', 'part', 'labour')", name="kind"),
    CheckConstraint("billing IN ('covered', 'billable')", name="billing"),
    CheckConstraint(
        "num_nonnulls(quantity, minutes) = 1 AND (kind = 'labour') = (minutes IS NOT NULL)", name="minutes_of_labour"
    ),
    CheckConstraint("billing = 'covered' OR price IS NOT NULL", name="billable_has_a_price"),
    CheckConstraint("billing = 'billable' OR contract_id IS NOT NULL", name="covered_by_a_contract"),
    CheckConstraint(
        "num_nonnulls(currency, price, prices_include_vat, vat_rate, discount, net, vat, gross) IN (0, 8)",
        name="amounts_together",
    ),
    CheckConstraint("gross = net + vat", name="adds_up"),
    CheckConstraint("num_nonnulls(entitlement_id, operation_id, drawn_amount) IN (0, 3)", name="drawn_together"),
    UniqueConstraint("tenant_id", "reverses_id"),
    reference("ticket_id", "tickets"),
    reference("price_item_id", "price_items"),
    reference("performer_id", "users"),
    reference("contract_id", "contracts"),
    reference("entitlement_id", "entitlements"),
    # With a ticket go all its lines at once.
    reference("reverses_id", "ticket_lines", ondelete="CASCADE"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "worked_at", "id"),
    Index(None, "tenant_id", "ticket_id", "id"),
    Index(None, "tenant_id", "performer_id", postgresql_where=text("performer_id IS NOT NULL")),
    Index(None, "tenant_id", "price_item_id", postgresql_where=text("price_item_id IS NOT NULL")),
    Index(None, "tenant_id", "contract_id", "worked_at", postgresql_where=text("contract_id IS NOT NULL")),
    Index(None, "tenant_id", "entitlement_id", postgresql_where=text("entitlement_id IS NOT NULL")),
)
