"""Tickets that come back by themselves when they were put off until now; how they are put off is `tickets.snoozing`.

A ticket that somebody is at is left for later instead of being waited for: whoever changes a ticket may wait for its
deadlines, which are held here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.deadlines import DueDeadline, Unfired
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets import service
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.reactions import settled
from helpdesk_api.tickets.resources import TICKETS

_wanted = (
    select(tickets.c.id)
    .where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(tickets.c.id)
)
_KNOWN: Final = Statement(_wanted)
_HOLD_FREE: Final = Statement(_wanted.with_for_update(skip_locked=True))


async def wake(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
    """Bring back tickets whose time has come, each for itself; one that was put off anew waits on."""
    params = {"tenant": ctx.tenant_id, "ids": [deadline.object_id for deadline in due]}
    held = {row["id"] for row in await ctx.tx.rows(_HOLD_FREE, params)}
    for deadline in due:
        if deadline.object_id in held:
            await _wake(ctx, deadline)
    left = [deadline for deadline in due if deadline.object_id not in held]
    if not left:
        return Unfired()
    known = {row["id"] for row in await ctx.tx.rows(_KNOWN, params)}
    return Unfired(
        waiting=[deadline.id for deadline in left if deadline.object_id in known],
        orphans=[deadline.id for deadline in left if deadline.object_id not in known],
    )


async def _wake(ctx: Ctx, deadline: DueDeadline) -> None:
    # On a test clock deadlines fire for whoever moves it, who may do less.
    acting = replace(ctx, principal=system(ctx.tenant_id, is_sandbox=ctx.principal.is_sandbox))
    ticket = await crud.fetch_locked(acting, TICKETS, deadline.object_id)
    if ticket.snoozed_until is None or ticket.snoozed_until > deadline.due_at:
        return
    at = max(ctx.now, deadline.due_at, ticket.updated_at)
    moment = replace(acting, now=at, cause=Cause("deadline", str(deadline.id)))
    since = len(ctx.events)
    clocks = await service.clocks_of(moment, ticket.id)
    after = await service.change(moment, ticket, clocks, {"snoozed_until": None})
    await settled(moment, after, since=since)
