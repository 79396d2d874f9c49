"""One erasure under way: what a step of it knows, and going through a table page by page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import Column, ColumnElement, Table, Text, and_, cast, select, true, update
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource import Resource
from helpdesk_api.privacy.erasures import Erasure, erasures
from helpdesk_api.privacy.people import Wanted

PAGE: Final = 250
BEGINNING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Work:
    """One erasure in one of its transactions."""

    ctx: Ctx
    erasure: Erasure
    wanted: Wanted
    # What the rows of tables are of whose changes receivers are told.
    told: Mapping[str, Resource[Any]]

    async def count(self, name: str, changed: int) -> None:
        """Add to how many rows of a table were changed; once in a step."""
        if not changed:
            return
        counts = self.erasure.counts | {name: self.erasure.counts.get(name, 0) + changed}
        await self.ctx.tx.run(
            update(erasures)
            .where(erasures.c.tenant_id == self.ctx.tenant_id, erasures.c.id == self.erasure.id)
            .values(counts=counts)
        )


# Searches one page of one place beyond an id; gives the id where the next begins, or None at the end.
Search = Callable[[Work, UUID], Awaitable[UUID | None]]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a table between two ids that a condition holds for, locked."""

    work: Work
    table: Table
    end: UUID | None
    rows: list[Record]

    async def rewrite(self, left: Callable[[Column[Any], str], str]) -> UUID | None:
        """Give every text of the rows what is left of it; gives where the next page begins."""
        changed = 0
        for row in self.rows:
            values = {name: new for name, old in row.items() if (new := self._left(name, old, left)) != old}
            values.pop("id", None)
            if values:
                await self._store(row["id"], values)
                changed += 1
        await self.work.count(self.table.name, changed)
        return self.end

    async def set(self, values: Mapping[str, Any]) -> UUID | None:
        """Give each of the rows the same values; gives where the next page begins."""
        for row in self.rows:
            await self._store(row["id"], values)
        await self.work.count(self.table.name, len(self.rows))
        return self.end

    def _left(self, name: str, old: Any, left: Callable[[Column[Any], str], str]) -> Any:  # noqa: ANN401 - any column.
        match old:
            case str():
                return left(self.table.c[name], old)
            case list():
                return [left(self.table.c[name], item) for item in old]
            case _:
                return old

    def _stored(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any column.
        return cast(value, JSONB) if isinstance(self.table.c[name].type, JSONB) and isinstance(value, str) else value

    async def _store(self, row_id: UUID, values: Mapping[str, Any]) -> None:
        table, ctx = self.table, self.work.ctx
        changing = update(table).where(table.c.tenant_id == ctx.tenant_id, table.c.id == row_id)
        stored = {name: self._stored(name, value) for name, value in values.items()}
        if "version" not in table.c:
            await ctx.tx.run(changing.values(stored))
            return
        stored |= {"version": table.c.version + 1, "updated_at": ctx.real_now}
        version = await ctx.tx.value(changing.values(stored).returning(table.c.version))
        if table.name in self.work.told:
            # What it said before is what must be forgotten.
            changes = {name: (None, self._told(name, value)) for name, value in values.items()}
            resource = self.work.told[table.name]
            record(ctx, f"{resource.name}.updated", object_id=row_id, version=version, changes=changes)

    def _told(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any column.
        return from_json(value) if isinstance(self.table.c[name].type, JSONB) and isinstance(value, str) else value


async def page_of(
    work: Work, table: Table, columns: tuple[Column[Any], ...], condition: ColumnElement[bool], after: UUID
) -> Page:
    """Lock the rows of the next `PAGE` that a condition holds for, and fetch these columns of them; JSON as text."""
    end = await end_of_page(work.ctx, table, after)
    shown = [cast(c, Text).label(c.name) if isinstance(c.type, JSONB) else c for c in columns]
    rows = await work.ctx.tx.rows(
        select(table.c.id, *shown)
        .where(within(work.ctx, table, after, end), condition)
        .order_by(table.c.id)
        .with_for_update()
    )
    return Page(work, table, end, rows)


async def end_of_page(ctx: Ctx, table: Table, after: UUID) -> UUID | None:
    """Find the last id of the page beyond another; None when the rest is no full page."""
    ids = select(table.c.id).where(table.c.tenant_id == ctx.tenant_id, table.c.id > after).order_by(table.c.id)
    end: UUID | None = await ctx.tx.value(ids.offset(PAGE - 1).limit(1))
    return end


def within(ctx: Ctx, table: Table, after: UUID, end: UUID | None) -> ColumnElement[bool]:
    """Give the condition of a page."""
    return and_(
        table.c.tenant_id == ctx.tenant_id, table.c.id > after, true() if end is None else table.c.id <= end
    )  # fmt: skip
