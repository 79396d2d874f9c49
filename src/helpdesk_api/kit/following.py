"""Following the events of one tenant as they settle, read once for everybody who listens to it in this process.

A feed looks when it is told that there is something, and now and then by itself. What it has read is kept until every
listener has taken it, but never more than a fixed number of events: a listener that falls further behind is told so,
and goes on from the database. No connection is held while nothing happens. Which feeds there are, and who tells them,
is `kit.live`.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, bindparam, exists, func, select, true

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit.db import Database, Record
from helpdesk_api.kit.events import LAST_OF_TRANSACTION, TOLD, Position, Xid8, commit_order, events, is_settled
from helpdesk_api.kit.signals import Message
from helpdesk_api.kit.sql import Statement

log = structlog.get_logger()

_READ_AT_ONCE: Final = 200
_MOST_KEPT: Final = 1_000
_TAKEN_AT_ONCE: Final = 100
_MOST_MESSAGES: Final = 50
_PAUSE_AFTER_REFUSAL: Final = 1.0
# An event that waits for an older transaction to end is looked for ever less often.
_UNSETTLED_SECONDS: Final = 0.02
_LONGEST_UNSETTLED_SECONDS: Final = 0.5

_tenant = events.c.tenant_id == bindparam("tenant")
_order = commit_order()
_page = (
    select(*TOLD)
    .where(
        _tenant,
        is_settled(),
        func.row(*_order) > func.row(bindparam("xid", type_=Xid8()), bindparam("seq", type_=BigInteger())),
    )
    .order_by(*_order)
    .limit(_READ_AT_ONCE)
    .subquery("page")
)
_horizon = select(
    func.pg_snapshot_xmin(func.pg_current_snapshot()).label("settled_below"),
    exists().where(_tenant, ~is_settled()).label("has_unsettled"),
).subquery("horizon")
_READ = Statement(
    select(_horizon.c.settled_below, _horizon.c.has_unsettled, *_page.c)
    .select_from(_horizon.outerjoin(_page, true()))
    .order_by(_page.c.xid, _page.c.seq)
)
_SETTLED_BELOW = Statement(select(func.pg_snapshot_xmin(func.pg_current_snapshot())))


@dataclass(slots=True)
class Entry:
    """An event that has settled. What listeners write of it is kept, for others who are shown the same fields."""

    position: Position
    row: Record
    made: dict[frozenset[str], bytes] = field(default_factory=dict)


class Pending(NamedTuple):
    """The next events, and the position up to which they are all."""

    entries: Sequence[Entry]
    end: Position | None


class Listener:
    """One who follows the events of a tenant from a position on, which moves as they are taken."""

    __slots__ = ("_feed", "_woken", "doubted_at", "ids", "is_closed", "messages", "position")

    def __init__(self, feed: "TenantFeed", position: Position | None, ids: frozenset[UUID]) -> None:
        self._feed = feed
        self._woken = asyncio.Event()
        self.position = position
        # Messages are worth something only now: of too many the oldest go.
        self.messages: deque[Message] = deque(maxlen=_MOST_MESSAGES)
        # Who it is and what it came with: events of these make its rights doubtful.
        self.ids = ids
        self.doubted_at = 0.0
        self.is_closed = False

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to look at, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def pending(self) -> "Pending | None":
        """Give what comes next; None when it is so far behind that it has to read the database first.

        Whoever has dealt with it moves `position` to its end.
        """
        return self._feed.after(self.position)

    def look(self) -> None:
        """Have the feed look, which gives a listener without a position that of its end."""
        self._feed.tell()

    def doubt(self) -> None:
        """Have its rights looked up anew before it is told anything."""
        self.doubted_at = monotonic()

    def wake(self) -> None:
        """Have it look."""
        self._woken.set()


class TenantFeed:
    """The events of one tenant: those after `start` up to `end` are kept, until everybody has taken them.

    `grants` names the types of objects whose events may change anybody's rights; `sweep` gives how long to wait for
    being told.
    """

    def __init__(
        self, database: Database, tenant_id: UUID, *, grants: frozenset[str], sweep: Callable[[], float]
    ) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._grants = grants
        self._sweep = sweep
        self._told = asyncio.Event()
        self._entries: list[Entry] = []
        self.start: Position | None = None
        self.end: Position | None = None
        self.listeners: set[Listener] = set()
        self._is_over = False

    def tell(self) -> None:
        """Have it look for new events."""
        self._told.set()

    def end_following(self) -> None:
        """Have it stop after what it is doing: to break off a read would cost its connection."""
        self._is_over = True
        self._told.set()

    def after(self, position: Position | None) -> "Pending | None":
        """Give the next events after a position, none while nothing is known; None when they are not kept any more."""
        if self.start is None or self.end is None or position is None:
            return Pending((), position)
        if position < self.start:
            return None
        first = bisect_right(self._entries, position, key=_position)
        entries = self._entries[first : first + _TAKEN_AT_ONCE]
        return Pending(entries, entries[-1].position if entries else max(position, self.end))

    async def follow(self) -> None:
        """Read what has settled, whenever there may be something, until it is over."""
        pause = _UNSETTLED_SECONDS
        while not self._is_over:
            self._told.clear()
            try:
                has_more, has_unsettled = await self._read()
            except Refusal as refusal:
                log.warning("live.unread", code=refusal.code)
                has_more, has_unsettled = False, False
                await asyncio.sleep(_PAUSE_AFTER_REFUSAL)
            if has_more:
                continue
            pause = min(pause * 2, _LONGEST_UNSETTLED_SECONDS) if has_unsettled else _UNSETTLED_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause if has_unsettled else self._sweep()):
                    await self._told.wait()

    async def _read(self) -> tuple[bool, bool]:
        """Read once; tells whether there is more, and whether there is what has not settled."""
        async with self._database.transaction(self._tenant_id, read_only=True) as transaction:
            end = self.end or before(await transaction.value(_SETTLED_BELOW))
            found = await transaction.rows(_READ, {"tenant": self._tenant_id, "xid": end.xid, "seq": end.seq})
        is_first, self.start = self.start is None, self.start or end
        rows = [row for row in found if row["id"] is not None]
        has_more = len(rows) == _READ_AT_ONCE
        for row in rows:
            self._doubt(row)
        self._entries += [Entry(Position(row["xid"], row["seq"]), row) for row in rows]
        self.end = end = self._entries[-1].position if has_more else before(found[0]["settled_below"])
        self._forget(end)
        self._wake(end, has_news=is_first or bool(rows))
        return has_more, found[0]["has_unsettled"]

    def _doubt(self, row: Record) -> None:
        """Have listeners looked up again whose rights this event may have changed, before they are told anything."""
        doubts_all = row["object_type"] in self._grants
        for listener in self.listeners:
            if doubts_all or row["object_id"] in listener.ids:
                listener.doubt()

    def _forget(self, end: Position) -> None:
        """Drop what everybody has taken, and more of what is too much."""
        positions = [listener.position for listener in self.listeners if listener.position is not None]
        taken = bisect_right(self._entries, min(positions, default=end), key=_position)
        drop = max(taken, len(self._entries) - _MOST_KEPT)
        if drop > 0:
            self.start = self._entries[drop - 1].position
            del self._entries[:drop]

    def _wake(self, end: Position, *, has_news: bool) -> None:
        for listener in self.listeners:
            if listener.position is None:
                listener.position = end
                listener.wake()
            elif has_news:
                listener.wake()


def _position(entry: Entry) -> Position:
    return entry.position


def before(settled_below: int) -> Position:
    """Give the position up to which all is told when every transaction below this one has ended."""
    return Position(settled_below - 1, LAST_OF_TRANSACTION)
