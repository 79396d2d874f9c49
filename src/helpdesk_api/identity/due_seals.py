"""Up to which seal all events are old enough to go.

Seals are looked at, not events: a seal is as old as the time at which it was made, about a minute after its newest
event, and an index finds the last one that is due. Only a sandbox, which lives by its own time, is asked for its
events; what is stamped with real time there goes with what was recorded around it.
"""

from datetime import timedelta

from sqlalchemy import BigInteger, ColumnElement, func, literal, select

from helpdesk_api.domain.audit_chain import Position
from helpdesk_api.identity.audit_seals import audit_seals
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Xid8, commit_order, events


async def last_due_seal(ctx: Ctx, age: timedelta, *, after: Position) -> int:
    """Give the number of the last seal whose events are all older than `age`; `after` is where to begin looking."""
    if ctx.is_test_clock:
        return await _last_in_own_time(ctx, age, after)
    number = await ctx.tx.value(
        select(audit_seals.c.number)
        .where(audit_seals.c.tenant_id == ctx.tenant_id, audit_seals.c.sealed_at < ctx.real_now - age)
        .order_by(audit_seals.c.sealed_at.desc())
        .limit(1)
    )
    return int(number or 0)


async def _last_in_own_time(ctx: Ctx, age: timedelta, after: Position) -> int:
    """Find the seal of the last old event that no younger one comes before."""
    order = commit_order()
    mine = (events.c.tenant_id == ctx.tenant_id, beyond(after))
    young = await ctx.tx.row(
        select(*order)
        .where(*mine, events.c.occurred_at >= ctx.now - age, events.c.occurred_at <= ctx.now)
        .order_by(*order)
        .limit(1)
    )
    older = [] if young is None else [func.row(*order) < _row(Position(young["xid"], young["seq"]))]
    old = await ctx.tx.row(
        select(*order)
        .where(*mine, *older, events.c.occurred_at < ctx.now - age)
        .order_by(*(column.desc() for column in order))
        .limit(1)
    )
    if old is None:
        return 0
    ends = func.row(audit_seals.c.last_xid, audit_seals.c.last_seq)
    seal = await ctx.tx.row(
        select(audit_seals.c.number, audit_seals.c.last_xid, audit_seals.c.last_seq)
        .where(audit_seals.c.tenant_id == ctx.tenant_id, ends >= _row(Position(old["xid"], old["seq"])))
        .order_by(audit_seals.c.number)
        .limit(1)
    )
    if seal is None:
        # It is not sealed yet, so every seal there is comes before it.
        last = select(func.max(audit_seals.c.number)).where(audit_seals.c.tenant_id == ctx.tenant_id)
        return int(await ctx.tx.value(last) or 0)
    holds_young = young is not None and (seal["last_xid"], seal["last_seq"]) >= (young["xid"], young["seq"])
    return int(seal["number"]) - holds_young


def beyond(position: Position) -> ColumnElement[bool]:
    """Give the condition for events behind a position in commit order."""
    return func.row(*commit_order()) > _row(position)


def up_to(position: Position) -> ColumnElement[bool]:
    """Give the condition for events up to a position in commit order."""
    return func.row(*commit_order()) <= _row(position)


def _row(position: Position) -> ColumnElement[object]:
    return func.row(literal(position.xid, Xid8), literal(position.seq, BigInteger))
