"""Noticing that somebody on the staff reads unusually many client cards: the way in which a client base leaves.

Every card counts that a user is shown, by itself, in a list, or along with a ticket. When in an hour they become more
than is usual, over all processes, an event of that user is recorded, once, for people and automation to act on; reading
goes on. Integrations are not watched: they are given cards to copy them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from fastapi import Request

from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.unit_of_work import unit_of_work

USUAL_AN_HOUR: Final = 200
_HOUR: Final = timedelta(hours=1)


async def watch_reading(request: Request, ctx: Ctx, cards: Sequence[Entity]) -> None:
    """Record `user.unusual_reading` when a user has read unusually many cards with these."""
    runtime: Runtime = request.app.state.runtime
    # Whoever views as somebody else has read the cards all the same.
    reader: Principal = request.state.principal
    if reader.type != "user" or reader.id is None:
        return
    key = f"cards:{reader.tenant_id}:{reader.id}"
    seen = [str(card.id) for card in cards]
    if not await runtime.distinct.passes(key, seen, most=USUAL_AN_HOUR, within=_HOUR, now=ctx.real_now):
        return
    # Reading goes on in a transaction that cannot write.
    async with unit_of_work(runtime, reader, cause=ctx.cause, request_id=ctx.request_id) as writing:
        user = await crud.fetch(writing, USERS, reader.id)
        data = {"card_count": USUAL_AN_HOUR + 1, "within_seconds": int(_HOUR.total_seconds())}
        record(writing, "user.unusual_reading", object_id=user.id, version=user.version, data=data)
