"""The tables of custom fields: their definitions, and the index of the values that rows hold.

Values stand in the column `custom_fields` of their row. A trigger keeps a row of `custom_field_values` for each that
can be sorted or compared by size, or that names another object: no path that writes can forget it, and the database
refuses what is not there, also between tenants.
"""

from typing import Any, Final

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, Integer, Numeric, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.sql import reference, tenant_table

COLUMN: Final = "custom_fields"

custom_fields = tenant_table(
    "custom_fields",
    Column("resource", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("description", Text),
    Column("group", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("required_when", JSONB),
    Column("choices", JSONB, nullable=False),
    Column("depends_on", Text),
    Column("is_retired", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "resource", "key"),
    CheckConstraint("resource IN ('companies', 'contacts', 'locations', 'tickets')", name="resource"),
    CheckConstraint("\"group\" IN ('everybody', 'internal', 'commercial')", name="group"),
    Index(None, "tenant_id", "resource", "position", "id"),
)

custom_field_values = tenant_table(
    "custom_field_values",
    Column("object_id", Uuid, nullable=False),
    Column("field_id", Uuid, nullable=False),
    # The row that holds the value; it goes with it.
    Column("company_id", Uuid),
    Column("contact_id", Uuid),
    Column("location_id", Uuid),
    Column("ticket_id", Uuid),
    # The value, as far as it can be sorted by, or the object that it names.
    Column("text_value", Text),
    Column("number_value", Numeric),
    Column("instant_value", DateTime(timezone=True)),
    Column("user_value", Uuid),
    Column("company_value", Uuid),
    Column("location_value", Uuid),
    UniqueConstraint("tenant_id", "object_id", "field_id"),
    CheckConstraint("num_nonnulls(company_id, contact_id, location_id, ticket_id) = 1", name="one_owner"),
    reference("field_id", "custom_fields"),
    reference("company_id", "companies", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    reference("location_id", "locations", ondelete="CASCADE"),
    reference("ticket_id", "tickets", ondelete="CASCADE"),
    reference("user_value", "users"),
    reference("company_value", "companies"),
    reference("location_value", "locations"),
    Index("ix_custom_field_values_text", "tenant_id", "field_id", "text_value", "object_id"),
    Index("ix_custom_field_values_number", "tenant_id", "field_id", "number_value", "object_id"),
    Index("ix_custom_field_values_instant", "tenant_id", "field_id", "instant_value", "object_id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "location_id"),
    Index(None, "tenant_id", "ticket_id"),
    Index(None, "tenant_id", "user_value"),
    Index(None, "tenant_id", "company_value"),
    Index(None, "tenant_id", "location_value"),
    versioned=False,
)


def custom_fields_column() -> Column[Any]:
    """Give the column that a table has whose rows hold custom fields."""
    return Column(COLUMN, JSONB, nullable=False, server_default="{}")


def custom_fields_index() -> Index:
    """Give the index that finds rows by the value of a custom field."""
    return Index(None, COLUMN, postgresql_using="gin", postgresql_ops={COLUMN: "jsonb_path_ops"})
