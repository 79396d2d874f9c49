"""Usage: which credential called which operation how often, counted in memory and handed over in batches.

Counting costs a request nothing that it would notice; storing the counts is the concern of whoever takes them. A
process that is killed loses what it has not handed over.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

# Far more than a process meets between two batches; beyond it, counts are dropped rather than memory used up.
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Used:
    """One operation that one credential called on one day (UTC)."""

    tenant_id: UUID
    credential_id: UUID
    operation_id: str
    on: date


@dataclass(slots=True)
class Count:
    """How often, how often without success, and when last."""

    requests: int
    refused: int
    last_at: datetime


class UsageCounts:
    """The counts of one process."""

    def __init__(self) -> None:
        self._counts: dict[Used, Count] = {}

    def note(self, tenant_id: UUID, credential_id: UUID, operation_id: str, *, was_refused: bool) -> None:
        """Count one request."""
        now = datetime.now(UTC)
        used = Used(tenant_id, credential_id, operation_id, now.date())
        known = self._counts.get(used)
        if known is None:
            self._add(used, Count(1, int(was_refused), now))
        else:
            known.requests += 1
            known.refused += was_refused
            known.last_at = now

    def take(self) -> dict[Used, Count]:
        """Give everything that was counted, and begin anew."""
        taken, self._counts = self._counts, {}
        return taken

    def give_back(self, taken: dict[Used, Count]) -> None:
        """Count again what could not be stored."""
        for used, count in taken.items():
            self._add(used, count)

    def _add(self, used: Used, more: Count) -> None:
        known = self._counts.get(used)
        if known is not None:
            known.requests += more.requests
            known.refused += more.refused
            known.last_at = max(known.last_at, more.last_at)
        elif len(self._counts) < _MOST_REMEMBERED:
            self._counts[used] = more
