"""Who is at which object just now: marks that fade by themselves, kept in Valkey and nowhere else.

While Valkey is away nobody is anywhere: the marks are worth nothing later, so nothing is done to keep them. Every mark
is told to whoever listens (`kit.signals`). What the marks mean, and who may see them, is said by the layers above.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from helpdesk_api.kit.shared_store import SharedStore

LIFE: Final = timedelta(seconds=30)

_PREFIX: Final = "helpdesk:presence:"
_SET: Final = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_LEAVE: Final = "return redis.call('HDEL', KEYS[1], ARGV[1])"
_ALL: Final = "return redis.call('HGETALL', KEYS[1])"


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody is at an object, in some state, until an instant."""

    who: UUID
    state: str
    expires_at: datetime


class Presence:
    """The marks that all processes share."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store

    async def set(self, tenant_id: UUID, object_id: UUID, mark: Mark) -> None:
        """Mark that somebody is at an object; it replaces the mark before."""
        milliseconds = int(LIFE.total_seconds() * 1_000)
        arguments: list[str | int] = [str(mark.who), f"{mark.expires_at.isoformat()} {mark.state}", milliseconds]
        await self._store.run(_SET, [_key(tenant_id, object_id)], arguments)

    async def leave(self, tenant_id: UUID, object_id: UUID, who: UUID) -> None:
        """Take somebody's mark away."""
        await self._store.run(_LEAVE, [_key(tenant_id, object_id)], [str(who)])

    async def of(self, tenant_id: UUID, object_id: UUID, now: datetime) -> list[Mark]:
        """Give the marks at an object that have not faded, by who made them."""
        found = await self._store.run(_ALL, [_key(tenant_id, object_id)], [])
        texts = [value.decode() for value in found or ()]
        marks: Mapping[str, str] = dict(zip(texts[::2], texts[1::2], strict=True))
        return [mark for who in sorted(marks) if (mark := _read(who, marks[who])).expires_at > now]


def _read(who: str, text: str) -> Mark:
    expires_at, _, state = text.partition(" ")
    return Mark(UUID(who), state, datetime.fromisoformat(expires_at))


def _key(tenant_id: UUID, object_id: UUID) -> str:
    return f"{_PREFIX}{{{tenant_id}}}:{object_id}"
