"""How long rows are kept: the one mechanism by which old ones go, in small batches, with all that refers to them.

A module declares beside its table what is kept how long (`Kept`): from when a row's age counts, the bounds that a
tenant may choose within, and which rows are never old. What is due is found through an index on that time, so looking
costs the same however much is not due. When rules are applied, and to whom, is said in `retention`; the event log,
which must stay verifiable, goes in a way of its own (`identity.event_purging`).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Date, Select, Table, any_, delete, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import metadata

COUNTED_UP_TO: Final = 100_000

# Does what else has to be done about rows that are about to go: ctx, their ids and what is `told` of them, and the run.
Farewell = Callable[[Ctx, Sequence[Record], UUID], Awaitable[None]]


class NotRemovedError(Exception):
    """Rows that were to go are still there: nothing of the batch is removed, and nothing told of it."""


@dataclass(frozen=True, slots=True)
class Days:
    """The choice that a tenant has: a number of days within bounds, and, if it may be endless, none at all."""

    default: int | None
    least: int
    most: int
    may_be_endless: bool = True


@dataclass(frozen=True, slots=True)
class Due:
    """What would go: how many rows, counted up to `COUNTED_UP_TO`, and when the oldest and the newest are from."""

    row_count: int
    oldest_at: datetime | None
    newest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """How many rows of its own a rule has removed in one go, and whether that was all that is due."""

    row_count: int
    is_last: bool


class Rule(Protocol):
    """Whatever keeps something for a number of days."""

    @property
    def name(self) -> str:
        """Name what is kept, as tenants and the counts of a run do."""

    @property
    def meaning(self) -> str:
        """Say what is kept, and from when its age counts."""

    @property
    def days(self) -> Days:
        """Give the choice that a tenant has."""

    async def due(self, ctx: Ctx, days: int) -> Due:
        """Tell what would go."""

    async def is_due(self, ctx: Ctx, days: int) -> bool:
        """Tell whether anything would go."""

    async def purge(self, ctx: Ctx, days: int, run_id: UUID) -> Batch:
        """Remove a batch of what is due."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Rows of a table that are kept for a number of days after the instant, or the date, in one of their columns.

    Rows that are not `removable` stay, however old. With a row goes what refers to it by a foreign key; `farewell` sees
    to what else there is. What lives `in_real_time` grows old in real time also in a sandbox.
    """

    name: str
    meaning: str
    table: Table
    since: Column[Any]
    days: Days
    removable: ColumnElement[bool] = true()  # noqa: RUF009 - a constant.
    in_real_time: bool = True
    at_once: int = 500
    told: tuple[Column[Any], ...] = ()
    farewell: Farewell | None = None

    async def due(self, ctx: Ctx, days: int) -> Due:
        """Tell what would go."""
        found = self._found(ctx, days, self.table.c.id).limit(COUNTED_UP_TO).subquery("found")
        count: int = await ctx.tx.value(select(func.count()).select_from(found))
        ends = [
            await ctx.tx.value(self._found(ctx, days, self.since).order_by(order).limit(1))
            for order in (self.since, self.since.desc())
        ]
        oldest_at, newest_at = (None if end is None else _instant(end) for end in ends)
        return Due(count, oldest_at, newest_at)

    async def is_due(self, ctx: Ctx, days: int) -> bool:
        """Tell whether anything would go."""
        return bool(await ctx.tx.value(select(self._found(ctx, days, self.table.c.id).exists())))

    async def purge(self, ctx: Ctx, days: int, run_id: UUID) -> Batch:
        """Remove a batch of what is due, oldest first."""
        batch = self._found(ctx, days, self.table.c.id, *self.told).order_by(self.since).limit(self.at_once)
        rows = await ctx.tx.rows(batch)
        if rows and self.farewell is not None:
            await self.farewell(ctx, rows, run_id)
        if rows:
            await remove(ctx, self.table, [row["id"] for row in rows])
        return Batch(len(rows), is_last=len(rows) < self.at_once)

    def _found(self, ctx: Ctx, days: int, *columns: Column[Any]) -> Select[Any]:
        now = ctx.real_now if self.in_real_time else ctx.now
        before = now - timedelta(days=days)
        bound = before.date() if isinstance(self.since.type, Date) else before
        return select(*columns).where(self.table.c.tenant_id == ctx.tenant_id, self.since < bound, self.removable)


async def remove(ctx: Ctx, table: Table, ids: list[UUID]) -> None:
    """Delete rows by their ids, and before them every row that refers to them by a foreign key.

    Raises NotRemovedError when the database holds on to a row, as it does to events that are younger than the floor.
    """
    for column in referring(table):
        theirs = select(column.table.c.id).where(column.table.c.tenant_id == ctx.tenant_id, _among(column, ids))
        if found := [row["id"] for row in await ctx.tx.rows(theirs)]:
            await remove(ctx, column.table, found)
    gone = await ctx.tx.run(delete(table).where(table.c.tenant_id == ctx.tenant_id, _among(table.c.id, ids)))
    if gone != len(ids):
        message = f"{len(ids) - gone} of {len(ids)} rows of {table.name} were not removed"
        raise NotRemovedError(message)


@lru_cache(maxsize=50)
def referring(table: Table) -> tuple[Column[Any], ...]:
    """Give the columns of other tables that refer to a table, but for those that the database itself follows."""
    return tuple(
        constraint.elements[-1].parent
        for _, other in sorted(metadata.tables.items())
        for constraint in sorted(other.foreign_key_constraints, key=lambda item: str(item.name))
        if constraint.referred_table is table and constraint.ondelete is None
    )


def _instant(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def _among(column: Column[Any], ids: list[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(ids, ARRAY(column.type)))
