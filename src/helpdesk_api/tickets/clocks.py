"""The SLA clocks of a ticket: begun, and moved by what happens to it, in the transaction of the change.

How a clock behaves is `domain.sla` and `domain.workflow`; the rows, deadlines and events that follow from a move are
`tickets.clock_rows`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from helpdesk_api.agreements.promises import Promise
from helpdesk_api.domain import sla
from helpdesk_api.domain.clock_history import Move, Moved, Retargeted, Started, begun
from helpdesk_api.domain.sla import ClockState, Metric, Terms
from helpdesk_api.domain.workflow import FINISHED, Status, moves_to
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.tickets.clock_entries import Reason, Source, written
from helpdesk_api.tickets.clock_rows import TicketClock, hours_by


async def begin(ctx: Ctx, ticket_id: UUID, promises: Mapping[Metric, Promise], status: Status) -> list[TicketClock]:
    """Make the clocks of a new ticket, already where its first status wants them."""
    return [await _begin_one(ctx, ticket_id, promise, status, Reason("created")) for promise in promises.values()]


def follow(
    moving: Sequence[TicketClock], status: Status, at: datetime, *, promised: Collection[Metric] = ()
) -> list[TicketClock]:
    """Carry clocks to what a status asks of them; a stopped one only when it is `promised` again by a reopening."""
    return [
        _followed(item, status, at, Reason("status", status))
        if item.clock.state in sla.LIVE or item.clock.metric in promised
        else item
        for item in moving
    ]


def answer(moving: Sequence[TicketClock], at: datetime) -> list[TicketClock]:
    """Stop the first-response clock because a user has replied, also while the ticket waits."""
    return [
        item.after(Moved(Move.STOP, at), Reason("reply"))
        if item.clock.metric is Metric.FIRST_RESPONSE and item.clock.state in sla.LIVE
        else item
        for item in moving
    ]


async def retarget(
    ctx: Ctx,
    ticket_id: UUID,
    moving: Sequence[TicketClock],
    promises: Mapping[Metric, Promise],
    status: Status,
    *,
    changed: Collection[str],
) -> tuple[list[TicketClock], list[TicketClock]]:
    """Put live clocks under what is promised now, keeping used and waited time; gives them and those newly begun.

    A clock whose metric is no longer promised is cancelled, and runs on when it is promised again. A clock that was
    stopped otherwise is history and keeps its terms. On a finished ticket nothing begins: it would be met at once.
    """
    reason = Reason("change", fields=tuple(sorted(changed)))
    moved: list[TicketClock] = []
    for item in moving:
        promise = promises.get(item.clock.metric)
        if item.clock.state is ClockState.CANCELLED and promise is not None and status not in FINISHED:
            item = item.after(Moved(Move.REOPEN, ctx.now), reason)  # noqa: PLW2901 - the same clock, moved.
        if item.clock.state not in sla.LIVE:
            moved.append(item)
        elif promise is None:
            moved.append(item.after(Moved(Move.CANCEL, ctx.now), reason))
        else:
            retargeted = Retargeted(await _terms(ctx, promise), ctx.now)
            item = item.after(retargeted, reason, source=_source(promise))  # noqa: PLW2901 - as above.
            moved.append(_followed(item, status, ctx.now, reason))
    running = {item.clock.metric for item in moving}
    new = [
        await _begin_one(ctx, ticket_id, promise, status, reason)
        for metric, promise in promises.items()
        if metric not in running and status not in FINISHED
    ]
    return moved, new


def earliest_due(clocks: Sequence[TicketClock]) -> datetime | None:
    """Give the next deadline of the running clocks; a breached one counts until it stops."""
    running = (item.clock for item in clocks if item.clock.state is ClockState.RUNNING)
    return min((clock.due_at for clock in running if clock.due_at), default=None)


def _followed(item: TicketClock, status: Status, at: datetime, reason: Reason) -> TicketClock:
    for move in moves_to(status, metric=item.clock.metric, state=item.clock.state):
        item = item.after(Moved(move, at), reason)
    return item


async def _begin_one(ctx: Ctx, ticket_id: UUID, promise: Promise, status: Status, reason: Reason) -> TicketClock:
    started, source = Started(await _terms(ctx, promise), ctx.now), _source(promise)
    item = TicketClock(
        id=new_id(),
        ticket_id=ticket_id,
        source=source,
        measured=begun(promise.metric, started),
        unwritten=(written(started, reason, source),),
    )
    return _followed(item, status, ctx.now, Reason("status", status))


async def _terms(ctx: Ctx, promise: Promise) -> Terms:
    warning = None if promise.warning_seconds is None else timedelta(seconds=promise.warning_seconds)
    calendar = await hours_by(ctx, promise.calendar_id, promise.calendar_version)
    return Terms(target=timedelta(seconds=promise.seconds), calendar=calendar, warning=warning)


def _source(promise: Promise) -> Source:
    return Source(promise.policy_id, promise.policy_version, promise.calendar_id, promise.calendar_version)
