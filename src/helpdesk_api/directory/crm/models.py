"""The tables of CRM sources: what each owns, by whom the fields of a card were last written, what was not taken.

None of them holds a card; they go with it. What is done with them stands in the modules beside this one.
"""

from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.sql import reference, tenant_table

crm_sources = tenant_table(
    "crm_sources",
    Column("source", Text, nullable=False),
    Column("companies", JSONB, nullable=False),
    Column("contacts", JSONB, nullable=False),
    Column("locations", JSONB, nullable=False),
    Column("is_strict", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "source"),
    Index(None, "tenant_id", "created_at", "id"),
)


def of_one_card() -> tuple[Any, ...]:
    columns = ("company_id", "contact_id", "location_id")
    tables = ("companies", "contacts", "locations")
    return (
        *(Column(column, Uuid) for column in columns),
        *(reference(column, table, ondelete="CASCADE") for column, table in zip(columns, tables, strict=True)),
        *(Index(None, "tenant_id", column) for column in columns),
        CheckConstraint(f"num_nonnulls({', '.join(columns)}) = 1", name="of_one_card"),
    )


# A row goes by the id of its card. `fields` says of each field who wrote it last, when, and as which version.
card_provenance = tenant_table(
    "card_provenance",
    Column("fields", JSONB, nullable=False),
    *of_one_card(),
    versioned=False,
)

sync_conflicts = tenant_table(
    "sync_conflicts",
    Column("source", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("theirs", JSONB),
    Column("source_updated_at", DateTime(timezone=True)),
    Column("state", Text, nullable=False),
    Column("resolution", Text),
    *of_one_card(),
    UniqueConstraint(
        *("tenant_id", "source", "field", "company_id", "contact_id", "location_id"),
        name="uq_sync_conflicts_of_field",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("(state = 'open') = (resolution IS NULL)", name="resolution"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "state", "created_at", "id"),
)
