"""The chain that makes tampering with the audit trail visible: which hash covers what, and where a chain is broken.

An event is hashed in two steps. What somebody wrote, and from where, is hashed with the salt of its row; everything
else is hashed together with that. So the personal part of an event can be erased together with its salt while the
hash that the chain holds still stands: the hashes before and after are kept, and the event that tells of the erasure
vouches for them. A seal covers a stretch of events in commit order, each by its hash, and the
seal before it. Texts are hashed as the database writes them. Storing and reading is `identity.audit_seals`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

HASH_BYTES = 32
# What the first seal of a tenant has before it.
NO_SEAL = bytes(HASH_BYTES)

Flaw = Literal[
    "seal_missing", "seal_changed", "seal_misplaced", "event_changed", "event_missing", "event_inserted",
    "redaction_forged", "purge_forged",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """A place in commit order."""

    xid: int
    seq: int


@dataclass(frozen=True, slots=True)
class HashedEvent:
    """An event of the log and its hash."""

    id: UUID
    hash: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain: the events after the seal before it, up to `last`."""

    tenant_id: UUID
    number: int
    last: Position
    event_hashes: bytes
    previous_hash: bytes
    hash: bytes
    sealed_at: datetime

    @property
    def hashes(self) -> list[bytes]:
        """Give the hash of each event."""
        whole = self.event_hashes
        return [whole[start : start + HASH_BYTES] for start in range(0, len(whole), HASH_BYTES)]


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain is not what was sealed."""

    seal_number: int
    flaw: Flaw
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Redaction:
    """What an erasure did to one event: the hash of its content before and after."""

    event_id: UUID
    erasure_id: UUID
    hash_before: bytes
    hash_after: bytes


def sealed_content(content: bytes, redactions: Sequence[Redaction]) -> bytes | None:
    """Give the hash that the content had before it was redacted, step by step; None when the steps do not join."""
    for redaction in reversed(redactions):
        if redaction.hash_after != content:
            return None
        content = redaction.hash_before
    return content


def redactions_hash(redactions: Sequence[Redaction]) -> bytes:
    """Hash all that one erasure did to events: what its destruction record and its event vouch for."""
    steps = (redaction.event_id.bytes + redaction.hash_before + redaction.hash_after for redaction in redactions)
    return hashlib.sha256(b"".join(steps)).digest()


def content_hash(salt: UUID, content: Sequence[str | None]) -> bytes:
    """Hash what somebody wrote in an event, and from where."""
    return hashlib.sha256(salt.bytes + _canonical(content)).digest()


def event_hash(facts: Sequence[str | None], content: bytes) -> bytes:
    """Hash an event: what happened to what, by whom and when, and the hash of its content."""
    return hashlib.sha256(_canonical(facts) + content).digest()


def next_seal(
    tenant_id: UUID, before: Seal | None, events: Sequence[HashedEvent], last: Position, sealed_at: datetime
) -> Seal:
    """Seal the events that follow what was sealed before."""
    number = 1 if before is None else before.number + 1
    previous = NO_SEAL if before is None else before.hash
    hashes = b"".join(event.hash for event in events)
    return Seal(
        tenant_id=tenant_id,
        number=number,
        last=last,
        event_hashes=hashes,
        previous_hash=previous,
        hash=_seal_hash(tenant_id, number, last, hashes, previous, sealed_at),
        sealed_at=sealed_at,
    )


def first_break(
    before: Seal | None, seal: Seal, events: Sequence[HashedEvent], *, kept: Sequence[int] | None = None
) -> Break | None:
    """Compare a seal with the one before it and with its events.

    `kept` gives the places in the seal of the events that stayed when the others were purged under the rules; None when
    none were.
    """
    expected = 1 if before is None else before.number + 1
    if seal.number != expected:
        return Break(expected, "seal_missing")
    fits = _seal_hash(
        seal.tenant_id, seal.number, seal.last, seal.event_hashes, seal.previous_hash, seal.sealed_at
    )  # fmt: skip
    if seal.hash != fits:
        return Break(seal.number, "seal_changed")
    if seal.previous_hash != (NO_SEAL if before is None else before.hash):
        return Break(seal.number, "seal_misplaced")
    sealed = seal.hashes
    return _first_difference(seal, sealed if kept is None else _at(sealed, kept), events)


def _at(sealed: Sequence[bytes], places: Sequence[int]) -> list[bytes]:
    chosen = frozenset(places)
    return [one for place, one in enumerate(sealed) if place in chosen]


def _first_difference(seal: Seal, sealed: Sequence[bytes], events: Sequence[HashedEvent]) -> Break | None:
    found = [event.hash for event in events]
    if sealed == found:
        return None
    at = next((i for i, (one, other) in enumerate(zip(sealed, found, strict=False)) if one != other), None)
    if at is None:
        at = min(len(sealed), len(found))
    # What stands there is one that was sealed later, so what should stand here is gone; or the other way round.
    if at == len(found) or (at < len(sealed) and len(found) < len(sealed) and found[at] in sealed[at:]):
        return Break(seal.number, "event_missing", events[at - 1].id if at else None)
    if at == len(sealed) or (len(found) > len(sealed) and sealed[at] in found[at:]):
        return Break(seal.number, "event_inserted", events[at].id)
    return Break(seal.number, "event_changed", events[at].id)


def _seal_hash(  # noqa: PLR0917 - everything a seal says.
    tenant_id: UUID, number: int, last: Position, event_hashes: bytes, previous: bytes, sealed_at: datetime
) -> bytes:
    head = _canonical([
        str(tenant_id), str(number), str(last.xid), str(last.seq), sealed_at.isoformat(), previous.hex()
    ])  # fmt: skip
    return hashlib.sha256(head + event_hashes).digest()


def _canonical(values: Sequence[str | None]) -> bytes:
    """Write values so that no two lists of values read the same."""
    return json.dumps(list(values), separators=(",", ":")).encode()
