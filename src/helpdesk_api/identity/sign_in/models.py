"""What signing in stores: passwords, sessions with their tokens, and links that were sent by e-mail.

Of every secret only a hash is here. Rows go with the person they belong to. The table of contacts belongs to a layer
above and is named in foreign keys only.
"""

from typing import Final

from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, Text, UniqueConstraint, Uuid

from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sql import reference, tenant_table

passwords = tenant_table(
    "passwords",
    Column("user_id", Uuid, nullable=False),
    Column("hash", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "user_id"),
    reference("user_id", "users", ondelete="CASCADE"),
    versioned=False,
)

sessions = tenant_table(
    "sessions",
    Column("user_id", Uuid),
    Column("contact_id", Uuid),
    Column("method", Text, nullable=False),
    Column("user_agent", Text),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("refreshed_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text),
    CheckConstraint("num_nonnulls(user_id, contact_id) = 1", name="one_person"),
    CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended_for_a_reason"),
    reference("user_id", "users", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "expires_at"),
    Index(None, "tenant_id", "user_id"),
    Index(None, "tenant_id", "contact_id"),
)

# One row per refresh: an access token and a refresh token that were given out together.
session_tokens = tenant_table(
    "session_tokens",
    Column("session_id", Uuid, nullable=False),
    Column("access_hash", LargeBinary, nullable=False),
    Column("access_expires_at", DateTime(timezone=True), nullable=False),
    Column("refresh_hash", LargeBinary, nullable=False),
    Column("refresh_expires_at", DateTime(timezone=True), nullable=False),
    Column("refreshed_at", DateTime(timezone=True)),
    reference("session_id", "sessions", ondelete="CASCADE"),
    Index(None, "tenant_id", "session_id"),
    versioned=False,
)

sign_in_links = tenant_table(
    "sign_in_links",
    Column("purpose", Text, nullable=False),
    Column("user_id", Uuid),
    Column("contact_id", Uuid),
    # A link is void once the person no longer has the address it went to.
    Column("email", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    CheckConstraint("purpose IN ('invitation', 'password_reset', 'magic_link')", name="purpose"),
    CheckConstraint("num_nonnulls(user_id, contact_id) = 1", name="one_person"),
    reference("user_id", "users", ondelete="CASCADE"),
    reference("contact_id", "contacts", ondelete="CASCADE"),
    Index(None, "tenant_id", "expires_at"),
    Index(None, "tenant_id", "user_id"),
    Index(None, "tenant_id", "contact_id"),
    versioned=False,
)

SESSIONS_KEPT: Final = Kept(
    name="sessions",
    meaning="Sessions, after the day on which they would have expired; with them from where and when somebody came.",
    table=sessions,
    since=sessions.c.expires_at,
    days=Days(default=60, least=1, most=365, may_be_endless=False),
)
LINKS_KEPT: Final = Kept(
    name="sign_in_links",
    meaning="Invitations and other links that were sent by e-mail, used or not, after they have expired.",
    table=sign_in_links,
    since=sign_in_links.c.expires_at,
    days=Days(default=7, least=1, most=90, may_be_endless=False),
)
