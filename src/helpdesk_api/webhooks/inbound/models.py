"""The tables of what comes in: hooks, the messages they took with their outcomes, and which alert has which ticket.

Messages live in real time, as deliveries do: a sender cannot be asked to wait for a test clock.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sealing import SealedColumn
from helpdesk_api.kit.sql import reference, tenant_table

inbound_hooks = tenant_table(
    "inbound_hooks",
    Column("name", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("preset", Text),
    Column("mapping", JSONB, nullable=False),
    Column("on_recovery", Text, nullable=False),
    # As it is shown, without the secret.
    Column("signature", JSONB, nullable=False),
    Column("sealed_secret", LargeBinary),
    Column("token_hash", LargeBinary, nullable=False),
    Column("previous_token_hash", LargeBinary),
    Column("previous_token_expires_at", DateTime(timezone=True)),
    Column("sealed_previous_secret", LargeBinary),
    Column("previous_secret_expires_at", DateTime(timezone=True)),
    CheckConstraint("on_recovery IN ('solve', 'note')", name="on_recovery"),
    CheckConstraint(
        "(previous_token_hash IS NULL) = (previous_token_expires_at IS NULL)", name="previous_token_expires"
    ),
    CheckConstraint(
        "(sealed_previous_secret IS NULL) = (previous_secret_expires_at IS NULL)", name="previous_secret_expires"
    ),
    Index(None, "tenant_id", "created_at", "id"),
)

SEALED_SECRET: Final = SealedColumn(inbound_hooks.c.sealed_secret, "inbound_hooks.sealed_secret")
SEALED_PREVIOUS_SECRET: Final = SealedColumn(
    # The same purpose: a secret that becomes the previous one is not sealed anew.
    inbound_hooks.c.sealed_previous_secret,
    "inbound_hooks.sealed_secret",
)

# A message refers to its hook by id only: the log outlives the hook.
inbound_messages = tenant_table(
    "inbound_messages",
    Column("hook_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("results", JSONB, nullable=False),
    # The bytes that were signed, as text: JSON in UTF-8 that was parsed before it was stored.
    Column("body", Text, nullable=False),
    Column("repetition_hash", LargeBinary, nullable=False),
    CheckConstraint("state IN ('done', 'failed')", name="state"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "hook_id", "created_at", "id"),
    Index("ix_inbound_messages_of_repetition", "tenant_id", "hook_id", "repetition_hash", "created_at"),
)

MESSAGES_KEPT: Final = Kept(
    name="inbound_messages",
    meaning="Messages that came in through inbound hooks, whole, after they came.",
    table=inbound_messages,
    since=inbound_messages.c.created_at,
    days=Days(default=30, least=1, most=365),
)

# The latest ticket of each alert. The key itself may name somebody; here it only has to be recognised.
inbound_alerts = tenant_table(
    "inbound_alerts",
    Column("hook_id", Uuid, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    # Null between the moment the row is locked and that its ticket is there.
    Column("ticket_id", Uuid),
    UniqueConstraint("tenant_id", "hook_id", "key_hash"),
    reference("hook_id", "inbound_hooks", ondelete="CASCADE"),
    reference("ticket_id", "tickets", ondelete="CASCADE"),
    Index(None, "tenant_id", "ticket_id"),
    versioned=False,
)
