"""Noticing that somebody on the staff reads unusually many client cards: the way in which a client base leaves.

Each process remembers which cards a user has read in the running hour. When they become more than is usual, an event of
that user is recorded, once an hour, for people and automation to act on; reading goes on. Several processes each count
what they served. Integrations are not watched: they are given cards to copy them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fastapi import Request

from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.unit_of_work import unit_of_work

USUAL_AN_HOUR: Final = 200
_HOUR: Final = timedelta(hours=1)
_MOST_READERS: Final = 10_000


class CardReads:
    """Which cards each user has read in the running hour."""

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._read: dict[UUID, set[UUID]] = {}

    def note(self, user_id: UUID, cards: Sequence[UUID], *, at: datetime) -> bool:
        """Remember cards that were read; tells whether with these they have become unusually many."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or len(self._read) >= _MOST_READERS:
            self._hour = hour
            self._read.clear()
        known = self._read.setdefault(user_id, set())
        if len(known) > USUAL_AN_HOUR:
            return False
        known.update(cards)
        return len(known) > USUAL_AN_HOUR


async def watch_reading(request: Request, ctx: Ctx, cards: Sequence[Entity]) -> None:
    """Record `user.unusual_reading` when a user has read unusually many cards with these."""
    runtime: Runtime = request.app.state.runtime
    principal = ctx.principal
    if principal.type != "user" or principal.id is None:
        return
    if not _reads_of(request).note(principal.id, [card.id for card in cards], at=ctx.real_now):
        return
    # Reading goes on in a transaction that cannot write.
    async with unit_of_work(runtime, principal, cause=ctx.cause, request_id=ctx.request_id) as writing:
        user = await crud.fetch(writing, USERS, principal.id)
        data = {"card_count": USUAL_AN_HOUR + 1, "within_seconds": int(_HOUR.total_seconds())}
        record(writing, "user.unusual_reading", object_id=user.id, version=user.version, data=data)


def _reads_of(request: Request) -> CardReads:
    state = request.app.state
    if not hasattr(state, "card_reads"):
        state.card_reads = CardReads()
    reads: CardReads = state.card_reads
    return reads
