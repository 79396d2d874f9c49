"""The tables of webhooks: endpoints and their health, what is delivered to them, every attempt at it, and replays.

Deliveries and attempts live in real time, also in a sandbox: a receiver cannot be asked to wait for a test clock.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.kit.events import Snapshot, Xid8
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sealing import SealedColumn
from helpdesk_api.kit.sql import reference, tenant_table

webhook_endpoints = tenant_table(
    "webhook_endpoints",
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("condition", JSONB),
    Column("is_enabled", Boolean, nullable=False),
    Column("disabled_reason", Text),
    Column("disabled_at", DateTime(timezone=True)),
    # Null until a ping got through, and unless somebody asked for a pause.
    Column("verified_at", DateTime(timezone=True)),
    Column("paused_at", DateTime(timezone=True)),
    Column("max_in_flight", Integer, nullable=False, server_default="4"),
    Column("rate_per_second", Integer),
    Column("ordered", Boolean, nullable=False, server_default=text("false")),
    Column("payload", Text, nullable=False, server_default="thin"),
    # Which guarded fields full messages tell, as of a role.
    Column("field_groups", ARRAY(Text), nullable=False, server_default="{}"),
    # One that is made without naming a version was made by a process that knows the first only.
    Column("payload_version", Text, nullable=False, server_default="2026-11-01"),
    Column("format", Text, nullable=False, server_default="standard"),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # As they are shown, without secret values.
    Column("headers", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("authentication", JSONB),
    Column("client_certificate", JSONB),
    Column("public_key", Text, nullable=False),
    Column("sealed_keys", LargeBinary, nullable=False),
    Column("sealed_previous_keys", LargeBinary),
    Column("previous_secret_expires_at", DateTime(timezone=True)),
    Column("sealed_credentials", LargeBinary),
    # The transaction that made the endpoint, and who else was running then: the events of those and of later ones are
    # for it, whenever they are dispatched. Null for an endpoint from before.
    Column("since_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("since_snapshot", Snapshot, server_default=text("pg_current_snapshot()")),
    CheckConstraint("payload IN ('thin', 'full')", name="payload"),
    CheckConstraint("format IN ('standard', 'cloudevents')", name="format"),
    CheckConstraint("is_enabled = (disabled_reason IS NULL)", name="disabled_for_a_reason"),
    CheckConstraint("is_enabled = (disabled_at IS NULL)", name="disabled_at_some_time"),
    CheckConstraint(
        "(sealed_previous_keys IS NULL) = (previous_secret_expires_at IS NULL)", name="previous_secret_expires"
    ),
    Index(None, "tenant_id", "created_at", "id"),
)

# Failures in a row, kept apart from the endpoint: they are no version of it. A row is there once something has failed.
webhook_endpoint_health = tenant_table(
    "webhook_endpoint_health",
    Column("first_failed_at", DateTime(timezone=True)),
    Column("failure_count", Integer, nullable=False),
    Column("failing_since", DateTime(timezone=True)),
    reference("id", "webhook_endpoints", ondelete="CASCADE"),
    versioned=False,
)

SEALED_KEYS: Final = SealedColumn(webhook_endpoints.c.sealed_keys, "webhook_endpoints.sealed_keys")
SEALED_PREVIOUS_KEYS: Final = SealedColumn(
    # The same purpose: a key that becomes the previous one is not sealed anew.
    webhook_endpoints.c.sealed_previous_keys,
    "webhook_endpoints.sealed_keys",
)
SEALED_CREDENTIALS: Final = SealedColumn(webhook_endpoints.c.sealed_credentials, "webhook_endpoints.sealed_credentials")

# A delivery refers to its endpoint by id only: the log outlives the endpoint, and removing an endpoint stays quick.
webhook_deliveries = tenant_table(
    "webhook_deliveries",
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    # For order per object; a delivery from before has none and waits for nothing.
    Column("object_id", Uuid),
    Column("event_seq", BigInteger),
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("delivered_at", DateTime(timezone=True)),
    Column("job_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "endpoint_id", "event_id"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(state = 'pending') = (next_attempt_at IS NOT NULL)", name="pending_has_a_time"),
    reference("event_id", "events"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "endpoint_id", "created_at", "id"),
    Index(None, "tenant_id", "event_id"),
    Index("ix_webhook_deliveries_of_object", "tenant_id", "endpoint_id", "object_id", "event_seq"),
)

DELIVERIES_KEPT: Final = Kept(
    name="webhook_deliveries",
    meaning="Webhook deliveries with their attempts, after they were begun; what still waits to be sent stays.",
    table=webhook_deliveries,
    since=webhook_deliveries.c.created_at,
    days=Days(default=30, least=7, most=365),
    removable=webhook_deliveries.c.state != "pending",
)

webhook_attempts = tenant_table(
    "webhook_attempts",
    Column("delivery_id", Uuid, nullable=False),
    # For statistics; an attempt from before has none and is left out of them.
    Column("endpoint_id", Uuid),
    Column("number", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("response_excerpt", Text),
    UniqueConstraint("tenant_id", "delivery_id", "number"),
    CheckConstraint("num_nonnulls(status, error) = 1", name="answer_or_error"),
    reference("delivery_id", "webhook_deliveries"),
    Index(None, "tenant_id", "endpoint_id", "started_at"),
    versioned=False,
)

# A replay refers to its endpoint by id only, as deliveries do.
webhook_replays = tenant_table(
    "webhook_replays",
    Column("endpoint_id", Uuid, nullable=False),
    Column("scope", Text, nullable=False),
    Column("since", DateTime(timezone=True)),
    Column("until", DateTime(timezone=True)),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False),
    Column("cancelled_reason", Text),
    Column("progress_percent", Integer, nullable=False),
    Column("looked_at_count", Integer, nullable=False),
    Column("queued_count", Integer, nullable=False),
    Column("reached_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    # How far it has come: in the log a transaction and a number, among the deliveries a time and an id.
    Column("position", JSONB),
    # The transactions between which it looks: the first it met, and the one that asked for it. What later ones do is
    # sent as it happens.
    Column("began_xid", Xid8),
    Column("until_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    CheckConstraint("scope IN ('failed', 'all')", name="scope"),
    CheckConstraint("state IN ('running', 'done', 'cancelled')", name="state"),
    CheckConstraint("(state = 'cancelled') = (cancelled_reason IS NOT NULL)", name="cancelled_for_a_reason"),
    CheckConstraint("(state = 'running') = (completed_at IS NULL)", name="completed_at_some_time"),
    CheckConstraint("progress_percent BETWEEN 0 AND 100", name="progress_percent"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "endpoint_id", "created_at", "id"),
)
