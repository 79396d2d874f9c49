"""The tables of contracts: who they are known as, what applied when as known when, and what they have ever named.

Everything here is written by `agreements.contract_amending`. A version is never changed but for the instant at which it
was superseded, and no two of a contract say something about the same instant as known at the same instant.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint

from helpdesk_api.kit.sql import reference, tenant_table

contracts = tenant_table(
    "contracts",
    Column("number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("responsible_user_id", Uuid),
    Column("responsible_team_id", Uuid),
    Column("notes", Text),
    # Counts the deadlines of the contract, each of which fires once.
    Column("turn", Integer, nullable=False, server_default="1"),
    UniqueConstraint("tenant_id", "number"),
    CheckConstraint("status IN ('draft', 'scheduled', 'active', 'suspended', 'expired')", name="status"),
    reference("responsible_user_id", "users"),
    reference("responsible_team_id", "teams"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "name", "id"),
    Index(None, "tenant_id", "responsible_user_id"),
    Index(None, "tenant_id", "responsible_team_id"),
)

contract_versions = tenant_table(
    "contract_versions",
    Column("contract_id", Uuid, nullable=False),
    Column("effective_from", DateTime(timezone=True)),
    Column("effective_until", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("superseded_at", DateTime(timezone=True)),
    Column("reason", Text),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True)),
    Column("time_zone", Text, nullable=False),
    Column("renewal", Text, nullable=False),
    Column("renewal_months", Integer),
    Column("notice_days", Integer, nullable=False),
    Column("is_suspended", Boolean, nullable=False),
    Column("company_ids", ARRAY(Uuid), nullable=False),
    Column("covers_everything", Boolean, nullable=False),
    Column("location_ids", ARRAY(Uuid), nullable=False),
    Column("asset_ids", ARRAY(Uuid), nullable=False),
    Column("asset_type_ids", ARRAY(Uuid), nullable=False),
    Column("services", JSONB, nullable=False),
    Column("sla_policy_id", Uuid),
    Column("calendar_id", Uuid),
    Column("price_list_id", Uuid),
    CheckConstraint("renewal IN ('fixed', 'tacit', 'express')", name="renewal"),
    CheckConstraint("ends_at > starts_at", name="ends_after_its_start"),
    CheckConstraint("effective_until > effective_from", name="effective_in_order"),
    CheckConstraint("superseded_at >= recorded_at", name="superseded_in_order"),
    CheckConstraint(
        "renewal <> 'tacit' OR (ends_at IS NOT NULL AND renewal_months IS NOT NULL)", name="tacit_has_a_term"
    ),
    reference("contract_id", "contracts", ondelete="CASCADE"),
    # At any instant one thing applies, as known at any instant.
    ExcludeConstraint(
        (text("tenant_id"), "="),
        (text("contract_id"), "="),
        (func.tstzrange(text("effective_from"), text("effective_until")), "&&"),
        (func.tstzrange(text("recorded_at"), text("superseded_at")), "&&"),
        name="ex_contract_versions_one_truth",
        using="gist",
    ),
    Index("ix_contract_versions_known", "tenant_id", "contract_id", postgresql_where=text("superseded_at IS NULL")),
    # What is for all clients.
    Index(
        "ix_contract_versions_for_all",
        "tenant_id",
        postgresql_where=text("superseded_at IS NULL AND company_ids = '{}'"),
    ),
    versioned=False,
)

# The clients that a contract has ever been for.
contract_companies = tenant_table(
    "contract_companies",
    Column("contract_id", Uuid, nullable=False),
    Column("company_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "contract_id", "company_id"),
    reference("contract_id", "contracts", ondelete="CASCADE"),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "company_id", "contract_id"),
    versioned=False,
)

# What a contract has ever named, held by the database: places and assets with the client whose they are, so that no
# contract covers what belongs to others.
contract_references = tenant_table(
    "contract_references",
    Column("contract_id", Uuid, nullable=False),
    Column("company_id", Uuid),
    Column("location_id", Uuid),
    Column("asset_id", Uuid),
    Column("asset_type_id", Uuid),
    Column("service_id", Uuid),
    Column("sla_policy_id", Uuid),
    Column("calendar_id", Uuid),
    Column("price_list_id", Uuid),
    CheckConstraint(
        "(company_id IS NOT NULL) = (num_nonnulls(location_id, asset_id) = 1)", name="places_and_assets_of_a_client"
    ),
    reference("contract_id", "contracts", ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["tenant_id", "contract_id", "company_id"],
        [f"contract_companies.{name}" for name in ("tenant_id", "contract_id", "company_id")],
        name="fk_contract_references_client",
        ondelete="CASCADE",
        deferrable=True,
        initially="IMMEDIATE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "location_id"],
        ["locations.tenant_id", "locations.company_id", "locations.id"],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "asset_id"],
        [f"asset_companies.{name}" for name in ("tenant_id", "company_id", "asset_id")],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    reference("asset_type_id", "asset_types"),
    reference("service_id", "services"),
    reference("sla_policy_id", "sla_policies"),
    reference("calendar_id", "calendars"),
    reference("price_list_id", "price_lists"),
    Index(None, "tenant_id", "contract_id", "company_id"),
    Index(None, "tenant_id", "company_id", "location_id", postgresql_where=text("location_id IS NOT NULL")),
    Index(None, "tenant_id", "company_id", "asset_id", postgresql_where=text("asset_id IS NOT NULL")),
    Index(None, "tenant_id", "asset_type_id", postgresql_where=text("asset_type_id IS NOT NULL")),
    Index(None, "tenant_id", "service_id", postgresql_where=text("service_id IS NOT NULL")),
    Index(None, "tenant_id", "sla_policy_id", postgresql_where=text("sla_policy_id IS NOT NULL")),
    Index(None, "tenant_id", "calendar_id", postgresql_where=text("calendar_id IS NOT NULL")),
    Index(None, "tenant_id", "price_list_id", postgresql_where=text("price_list_id IS NOT NULL")),
    versioned=False,
)
