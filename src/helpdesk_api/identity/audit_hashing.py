"""What of a stored event goes into its hashes, and in which form (`domain.audit_chain` says how they are made)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, Text, cast, select

from helpdesk_api.domain.audit_chain import HashedEvent, content_hash, event_hash
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events

_facts = (
    "id", "xid", "seq", "type", "object_type", "object_id", "object_version", "actor_type", "actor_id",
    "credential_id", "cause_type", "cause_id", "occurred_at",
)  # fmt: skip
_content = ("changes", "data", "ip", "user_agent")


def hashable() -> Select[tuple[object, ...]]:
    """Select what is hashed of events; texts as the database writes them, so that no digit of a number is lost."""
    return select(
        *(events.c[name] for name in _facts),
        events.c.salt,
        *(cast(events.c[name], Text).label(name) for name in _content),
    )


def hashed_with(row: Record | Mapping[str, Any], content: bytes) -> HashedEvent:
    """Hash an event whose content has this hash."""
    facts = [*(None if row[name] is None else str(row[name]) for name in _facts[:-1]), row["occurred_at"].isoformat()]
    return HashedEvent(row["id"], event_hash(facts, content))


def content_hash_of(row: Record | Mapping[str, Any]) -> bytes:
    """Hash the content of an event as it is now."""
    return content_hash(row["salt"], [row[name] for name in _content])
