"""The tables of tickets, comments and SLA clocks."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.directory.custom_fields.models import custom_fields_column, custom_fields_index
from helpdesk_api.kit.sql import reference, tenant_table

tickets = tenant_table(
    "tickets",
    Column("number", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("company_id", Uuid),
    Column("contact_id", Uuid),
    Column("location_id", Uuid),
    Column("asset_id", Uuid),
    Column("service_id", Uuid),
    Column("contract_id", Uuid),
    Column("coverage", Text),
    Column("covered_by", Text),
    Column("coverage_decided_at", DateTime(timezone=True)),
    # What contract or service promise, kept as decided. No foreign keys: policies and calendars may go when nothing
    # promises them any more, and then those of the tenant hold.
    Column("sla_policy_id", Uuid),
    Column("calendar_id", Uuid),
    Column("team_id", Uuid),
    Column("assignee_id", Uuid),
    Column("tags", ARRAY(Text), nullable=False),
    Column("channel", Text, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("snoozed_until", DateTime(timezone=True)),
    Column("first_responded_at", DateTime(timezone=True)),
    Column("solved_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("reopen_count", Integer, nullable=False),
    # Kept by a trigger, so that nothing that writes a status can forget it.
    Column("status_changed_at", DateTime(timezone=True), nullable=False),
    custom_fields_column(),
    custom_fields_index(),
    # What the API shows of the files on it: tickets are read most of all, and files do not change.
    Column("attachments", JSONB, nullable=False, server_default="[]"),
    UniqueConstraint("tenant_id", "number"),
    CheckConstraint("status IN ('new', 'open', 'pending', 'on_hold', 'solved', 'closed')", name="status"),
    CheckConstraint("priority IN ('low', 'normal', 'high', 'urgent')", name="priority"),
    reference("company_id", "companies"),
    reference("contact_id", "contacts"),
    # With its company, so that no ticket is for one client at the place of another.
    CheckConstraint("location_id IS NULL OR company_id IS NOT NULL", name="location_of_company"),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "location_id"],
        ["locations.tenant_id", "locations.company_id", "locations.id"],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    # With a client that the asset is or has been with: it may move on, and the tickets of the time before keep it.
    CheckConstraint("asset_id IS NULL OR company_id IS NOT NULL", name="asset_of_company"),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "asset_id"],
        [f"asset_companies.{name}" for name in ("tenant_id", "company_id", "asset_id")],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    CheckConstraint("coverage IN ('covered', 'not_covered')", name="coverage"),
    CheckConstraint("contract_id IS NULL OR company_id IS NOT NULL", name="contract_of_company"),
    CheckConstraint("coverage <> 'covered' OR contract_id IS NOT NULL", name="covered_by_a_contract"),
    reference("service_id", "services"),
    # That it is for the company, or for all, a trigger sees to: a contract is for all by having no client.
    reference("contract_id", "contracts"),
    reference("team_id", "teams"),
    reference("assignee_id", "users"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "updated_at", "id"),
    Index(None, "tenant_id", "status", "created_at", "id"),
    Index(None, "tenant_id", "company_id", "created_at"),
    Index(None, "tenant_id", "contact_id"),
    Index(None, "tenant_id", "location_id", "created_at", postgresql_where=text("location_id IS NOT NULL")),
    Index(None, "tenant_id", "asset_id", "created_at", postgresql_where=text("asset_id IS NOT NULL")),
    Index(None, "tenant_id", "service_id", "created_at", postgresql_where=text("service_id IS NOT NULL")),
    Index(None, "tenant_id", "contract_id", "created_at", postgresql_where=text("contract_id IS NOT NULL")),
    Index(None, "tenant_id", "team_id", "created_at"),
    Index(None, "tenant_id", "assignee_id", "created_at"),
    # What somebody still has to do.
    Index("ix_tickets_unfinished_by_assignee", "tenant_id", "assignee_id", postgresql_where=text("solved_at IS NULL")),
    Index(None, "tenant_id", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
    Index(None, "tenant_id", "snoozed_until", postgresql_where=text("snoozed_until IS NOT NULL")),
    Index("ix_tickets_tenant_id_due_at", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)

comments = tenant_table(
    "comments",
    Column("ticket_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("author_user_id", Uuid),
    Column("author_contact_id", Uuid),
    Column("attachments", JSONB, nullable=False, server_default="[]"),
    CheckConstraint("kind IN ('reply', 'note')", name="kind"),
    # One of which no person is the author was written by a rule or an inbound hook; its event tells which.
    CheckConstraint("num_nonnulls(author_user_id, author_contact_id) <= 1", name="one_author"),
    CheckConstraint("kind = 'reply' OR author_contact_id IS NULL", name="notes_by_staff"),
    reference("ticket_id", "tickets"),
    reference("author_user_id", "users"),
    reference("author_contact_id", "contacts"),
    Index(None, "tenant_id", "ticket_id", "created_at", "id"),
    Index(None, "tenant_id", "author_user_id"),
    Index(None, "tenant_id", "author_contact_id"),
)

# Beside the tickets, because whoever of a client watches a ticket is shown it.
ticket_watchers = tenant_table(
    "ticket_watchers",
    Column("ticket_id", Uuid, nullable=False),
    Column("user_id", Uuid),
    Column("contact_id", Uuid),
    CheckConstraint("num_nonnulls(user_id, contact_id) = 1", name="one_person"),
    UniqueConstraint("tenant_id", "ticket_id", "user_id", name="uq_ticket_watchers_user"),
    UniqueConstraint("tenant_id", "ticket_id", "contact_id", name="uq_ticket_watchers_contact"),
    reference("ticket_id", "tickets", ondelete="CASCADE"),
    reference("user_id", "users", ondelete="CASCADE"),
    # Not removed with the contact: it follows into the contact that one is merged into.
    reference("contact_id", "contacts"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
    Index(None, "tenant_id", "contact_id", "ticket_id", postgresql_where=text("contact_id IS NOT NULL")),
)

_is_due = text("state IN ('running', 'paused') AND due_at IS NOT NULL")
sla_clocks = tenant_table(
    "sla_clocks",
    Column("ticket_id", Uuid, nullable=False),
    Column("metric", Text, nullable=False),
    Column("instance", Integer, nullable=False),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("calendar_id", Uuid),
    Column("calendar_version", Integer),
    Column("target", Interval, nullable=False),
    Column("warning", Interval),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("since_at", DateTime(timezone=True), nullable=False),
    Column("elapsed", Interval, nullable=False),
    Column("paused", Interval, nullable=False),
    Column("elapsed_wall", Interval, nullable=False, server_default="0"),
    Column("paused_wall", Interval, nullable=False, server_default="0"),
    Column("extension", Interval, nullable=False, server_default="0"),
    Column("manual_due_at", DateTime(timezone=True)),
    Column("manual_reason", Text),
    Column("manual_by_id", Uuid),
    Column("due_at", DateTime(timezone=True)),
    Column("warning_at", DateTime(timezone=True)),
    Column("warned_at", DateTime(timezone=True)),
    Column("breached_at", DateTime(timezone=True)),
    Column("stopped_at", DateTime(timezone=True)),
    Column("escalations", JSONB, nullable=False, server_default="[]"),
    Column(
        "conduct",
        JSONB,
        nullable=False,
        server_default='{"pauses_in": ["on_hold", "pending"], "on_reopen": "resume", "on_change": "keep"}',
    ),
    Column("history", JSONB, nullable=False, server_default="[]"),
    UniqueConstraint("tenant_id", "ticket_id", "metric", "instance"),
    CheckConstraint("state IN ('running', 'paused', 'met', 'breached', 'cancelled')", name="state"),
    CheckConstraint(
        "state <> 'paused' OR due_at IS NOT DISTINCT FROM manual_due_at", name="paused_is_due_by_hand_only"
    ),
    CheckConstraint("state <> 'running' OR due_at IS NOT NULL", name="running_is_due"),
    reference("ticket_id", "tickets"),
    Index(
        "ix_sla_clocks_live_by_calendar",
        *("tenant_id", "calendar_id", "ticket_id"),
        postgresql_where=text("state IN ('running', 'paused') AND calendar_id IS NOT NULL"),
    ),
    # What is due next, of all metrics and of one.
    Index("ix_sla_clocks_due", "tenant_id", "due_at", "id", postgresql_where=_is_due),
    Index("ix_sla_clocks_due_by_metric", "tenant_id", "metric", "due_at", "id", postgresql_where=_is_due),
    versioned=False,
)
