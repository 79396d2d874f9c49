"""What the log itself tells of events that were removed from it: which seals, under which rule, and what was kept.

It is told by an event, sealed like any other, and believed by whoever verifies the trail. Whoever wrote such an event
to hide what he removed could hide nothing younger than the floors: the age of a seal stands in the chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import bindparam, literal_column, select

from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.events import commit_order, events
from helpdesk_api.kit.id_times import made_at
from helpdesk_api.kit.sql import Statement

RuleName = Literal["events", "security_events"]

EVENTS_PURGED: Final = "retention_run.events_purged"
# Nothing younger is ever removed from the log of a tenant that lives in real time.
FLOORS: Final[Mapping[str, timedelta]] = {"events": timedelta(days=30), "security_events": timedelta(days=365)}

_TOLD = Statement(
    select(events.c.id, events.c.data)
    # Not a parameter: only so does the partial index fit.
    .where(events.c.tenant_id == bindparam("tenant"), events.c.type == literal_column(f"'{EVENTS_PURGED}'"))
    .order_by(*commit_order())
)


@dataclass(frozen=True, slots=True)
class Purge:
    """One removal: the seals it went through, and which events of them stayed, by their places in the seal."""

    rule: RuleName
    first_seal: int
    last_seal: int
    kept: Mapping[str, Sequence[int]]
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Purges:
    """Every removal that the log tells of."""

    told: Sequence[Purge]

    def kept(self, number: int) -> Sequence[int] | None:
        """Give the places of the events that are left of a seal; None when nothing was removed."""
        purge = self._latest(number)
        if purge is None:
            return None
        return () if purge.rule == "security_events" else purge.kept.get(str(number), ())

    def is_too_early(self, number: int, sealed_at: datetime) -> bool:
        """Tell whether what is told of a seal cannot have been done under the rules: it was too young for them."""
        purge = self._latest(number)
        return purge is not None and sealed_at > purge.told_at - FLOORS[purge.rule]

    def _latest(self, number: int) -> Purge | None:
        # What was told of the removal of security events goes itself in the end, the latest of it never.
        emptied = [purge for purge in self.told if purge.rule == "security_events" and number <= purge.last_seal]
        thinned = [
            purge for purge in self.told if purge.rule == "events" and purge.first_seal <= number <= purge.last_seal
        ]
        return next(reversed(emptied or thinned), None)


async def load_purges(transaction: Transaction, tenant_id: UUID) -> Purges:
    """Load what the log of a tenant tells of removals."""
    rows = await transaction.rows(_TOLD, {"tenant": tenant_id})
    return Purges([
        Purge(
            rule=row["data"]["rule"],
            first_seal=row["data"]["first_seal"],
            last_seal=row["data"]["last_seal"],
            kept=row["data"]["kept"],
            told_at=made_at(row["id"]),
        )
        for row in rows
    ])  # fmt: skip
