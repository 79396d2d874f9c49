"""The values by which client cards may meet: kept by triggers on the cards, compared by `directory.duplicates`."""

from sqlalchemy import CheckConstraint, Column, Index, Text, Uuid

from helpdesk_api.kit.sql import reference, tenant_table

card_keys = tenant_table(
    "card_keys",
    Column("object_id", Uuid, nullable=False),
    Column("company_id", Uuid),
    Column("contact_id", Uuid),
    Column("location_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    CheckConstraint("num_nonnulls(company_id, contact_id, location_id) = 1", name="one_owner"),
    reference("company_id", "companies", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    reference("location_id", "locations", ondelete="CASCADE"),
    Index(None, "tenant_id", "kind", "value", "object_id"),
    Index(None, "tenant_id", "object_id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "location_id"),
    versioned=False,
)
