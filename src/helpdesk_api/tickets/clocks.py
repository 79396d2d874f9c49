"""The SLA clocks of a ticket: begun, and moved by what happens to it, in the transaction of the change.

How a clock behaves is `domain.sla` and `domain.workflow`; the rows, deadlines and events that follow from a move are
`tickets.clock_rows`. Each cycle of a metric is a clock of its own, counted by `instance`; only the latest one moves.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from helpdesk_api.agreements.promises import Promise
from helpdesk_api.domain import sla
from helpdesk_api.domain.clock_history import Change, Move, Moved, Retargeted, Started, begun
from helpdesk_api.domain.sla import ClockState, Metric, Terms
from helpdesk_api.domain.workflow import (
    FINISHED,
    KEPT_BY_REPLY,
    STARTED_BY_CREATION,
    OnChange,
    OnReopen,
    Status,
    moves_to,
    runs_on,
)
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.tickets.clock_entries import Reason, Source, written
from helpdesk_api.tickets.clock_rows import TicketClock, hours_by

Promises = Mapping[Metric, Promise]


class TicketClocks:
    """The clocks of one ticket while it changes: as they were, and as they have become."""

    def __init__(self, ctx: Ctx, ticket_id: UUID, before: Sequence[TicketClock] = ()) -> None:
        self._ctx = ctx
        self._ticket_id = ticket_id
        self.before = before
        self._latest = {item.clock.metric: item for item in before}
        self._superseded: list[TicketClock] = []

    @property
    def after(self) -> list[TicketClock]:
        """Give every clock that was there or has begun, as it is now."""
        return [*self._superseded, *self._latest.values()]

    @property
    def earliest_due(self) -> datetime | None:
        """Give the next deadline of the running clocks; a breached one counts until it stops."""
        ticking = (item.clock for item in self._latest.values() if sla.is_ticking(item.clock))
        return min((clock.due_at for clock in ticking if clock.due_at), default=None)

    def find(self, clock_id: UUID) -> TicketClock | None:
        """Give one of the latest clocks by its id."""
        return next((item for item in self._latest.values() if item.id == clock_id), None)

    def put(self, item: TicketClock) -> None:
        """Take a clock in the place of the one of its metric."""
        self._latest[item.clock.metric] = item

    def move(self, item: TicketClock, change: Change, reason: Reason) -> None:
        """Let a change happen to one of the clocks."""
        self.put(item.after(change, reason))

    async def begin_all(self, promises: Promises, status: Status, *, is_assigned: bool) -> None:
        """Begin what the creation of a ticket begins."""
        for metric, promise in promises.items():
            if _is_owed(metric, is_assigned=is_assigned):
                await self._begin(promise, status, Reason("created"))

    async def follow(self, status: Status, *, reopened: Promises | None = None) -> None:
        """Carry clocks to what a status asks of them; a stopped one only when a reopening promises it again."""
        reason = Reason("status", status)
        for metric, item in list(self._latest.items()):
            if item.clock.state in sla.LIVE:
                self._follow(item, status, reason)
            elif reopened and metric in reopened and runs_on(metric, item.clock.state):
                if reopened[metric].conduct.on_reopen is OnReopen.RESTART:
                    await self._begin(reopened[metric], status, reason)
                else:
                    self._follow(item, status, reason)

    def answer(self) -> None:
        """Stop what a reply to the client stops, also while the ticket waits."""
        for metric in KEPT_BY_REPLY:
            self._stop(metric, Reason("reply"))

    async def expect_update(self, promises: Promises, status: Status) -> None:
        """Begin the time to the next update, because a user has replied."""
        await self._begin_if_promised(Metric.PERIODIC_UPDATE, promises, status, Reason("reply"))

    async def expect_answer(self, promises: Promises, status: Status) -> None:
        """Begin the time to the next answer, because a client has written.

        A second message does not move the deadline: the clock counts from the oldest one that waits for an answer.
        """
        await self._begin_if_promised(Metric.NEXT_RESPONSE, promises, status, Reason("message"))

    async def follow_assignment(self, promises: Promises, status: Status, *, is_assigned: bool) -> None:
        """Stop the time to assign when there is an assignee, and begin it anew when there is none any more."""
        if is_assigned:
            self._stop(Metric.TIME_TO_ASSIGN, Reason("assignment"))
        else:
            await self._begin_if_promised(Metric.TIME_TO_ASSIGN, promises, status, Reason("assignment"))

    async def retarget(
        self, promises: Promises, status: Status, *, changed: Collection[str], is_assigned: bool
    ) -> None:
        """Put live clocks under what is promised now, keeping used and waited time unless the policy says otherwise.

        A clock whose metric is no longer promised is cancelled, and runs on when it is promised again. A clock that was
        stopped otherwise is history and keeps its terms. On a finished ticket nothing begins: it would be met at once.
        """
        reason = Reason("change", fields=tuple(sorted(changed)))
        for metric, item in list(self._latest.items()):
            await self._retarget(item, promises.get(metric), status, reason)
        for metric, promise in promises.items():
            is_new = metric not in self._latest and _is_owed(metric, is_assigned=is_assigned)
            if is_new and status not in FINISHED:
                await self._begin(promise, status, reason)

    async def _retarget(self, item: TicketClock, promise: Promise | None, status: Status, reason: Reason) -> None:
        now = self._ctx.now
        if item.clock.state is ClockState.CANCELLED and promise is not None and status not in FINISHED:
            item = item.after(Moved(Move.REOPEN, now), reason)
        if item.clock.state not in sla.LIVE:
            return
        if promise is None:
            self.move(item, Moved(Move.CANCEL, now), reason)
            return
        terms, source = await _terms(self._ctx, promise), _source(promise)
        retargeted = item.after(Retargeted(terms, now), reason, source=source, conduct=promise.conduct)
        # What an escalation changes must not begin the clock anew that it escalates: it would go round in circles.
        may_restart = promise.conduct.on_change is OnChange.RESTART and self._ctx.cause.type != "deadline"
        if may_restart and replace(terms, steps=()) != replace(item.measured.terms, steps=()):
            self.move(item, Moved(Move.CANCEL, now), reason)
            await self._begin(promise, status, reason)
        else:
            self._follow(retargeted, status, reason)

    def _follow(self, item: TicketClock, status: Status, reason: Reason) -> None:
        for move in moves_to(status, metric=item.clock.metric, state=item.clock.state, conduct=item.conduct):
            item = item.after(Moved(move, self._ctx.now), reason)
        self.put(item)

    def _stop(self, metric: Metric, reason: Reason) -> None:
        item = self._latest.get(metric)
        if item is not None and item.clock.state in sla.LIVE:
            self.move(item, Moved(Move.STOP, self._ctx.now), reason)

    async def _begin_if_promised(self, metric: Metric, promises: Promises, status: Status, reason: Reason) -> None:
        item = self._latest.get(metric)
        is_live = item is not None and item.clock.state in sla.LIVE
        if metric in promises and status not in FINISHED and not is_live:
            await self._begin(promises[metric], status, reason)

    async def _begin(self, promise: Promise, status: Status, reason: Reason) -> None:
        earlier = self._latest.get(promise.metric)
        if earlier is not None:
            self._superseded.append(earlier)
        started, source = Started(await _terms(self._ctx, promise), self._ctx.now), _source(promise)
        item = TicketClock(
            id=new_id(),
            ticket_id=self._ticket_id,
            source=source,
            conduct=promise.conduct,
            measured=begun(promise.metric, started, instance=1 if earlier is None else earlier.clock.instance + 1),
            unwritten=(written(started, reason, source),),
        )
        self._follow(item, status, Reason("status", status))


def _is_owed(metric: Metric, *, is_assigned: bool) -> bool:
    """Say whether a promise begins without anything happening: an answer is owed to a message, an update to a reply."""
    return metric in STARTED_BY_CREATION or (metric is Metric.TIME_TO_ASSIGN and not is_assigned)


async def _terms(ctx: Ctx, promise: Promise) -> Terms:
    warning = None if promise.warning_seconds is None else timedelta(seconds=promise.warning_seconds)
    calendar = await hours_by(ctx, promise.calendar_id, promise.calendar_version)
    return Terms(target=timedelta(seconds=promise.seconds), calendar=calendar, warning=warning, steps=promise.steps)


def _source(promise: Promise) -> Source:
    return Source(promise.policy_id, promise.policy_version, promise.calendar_id, promise.calendar_version)
