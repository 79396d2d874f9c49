"""Storing and changing many objects of a resource by a few statements, to the same effect as one by one.

Rows travel as one JSON document, so that a statement is the same however many they are and whatever their columns hold.
What is stored has been checked by the caller, one object after the other, as `kit.crud` would have it; what the
database still refuses, it refuses of them all.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import Column, FromClause, Table, bindparam, column, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import Changes, record
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.sql import Statement, insert_many

_CHANGED_ALWAYS = ("updated_at", "version")


async def fetch_locked_many(ctx: Ctx, resource: Resource[R], ids: Sequence[UUID]) -> dict[UUID, R]:
    """Read several objects and lock them for a change, in one order for everybody; those not to be seen are missing."""
    if not ids:
        return {}
    reach = ctx.principal.reach
    values = {"tenant": ctx.tenant_id, "ids": sorted(ids), **reach.values}
    found = await ctx.tx.all(resource.read, _locking(resource, reach.kind), values)
    return {each.id: each for each in found}


async def add_many(ctx: Ctx, resource: Resource[R], rows: Sequence[Mapping[str, Any]]) -> list[R]:
    """Store new objects that all have the same fields, and record `<name>.created` of each; gives them in order."""
    if not rows:
        return []
    names = tuple(rows[0])
    about = {"tenant_id": ctx.tenant_id, "created_at": ctx.now, "updated_at": ctx.now, "version": 1}
    ids = [new_id() for _ in rows]
    stored = [{**row, **about, "id": each} for each, row in zip(ids, rows, strict=True)]
    written = await ctx.tx.rows(_insertion(resource, names), {"rows": to_jsonable_python(stored)})
    created = {row["id"]: resource.read.from_record(row) for row in written}
    await _link(ctx, resource, dict(zip(ids, rows, strict=True)), is_new=True)
    for each in ids:
        changes = crud.initial(resource, created[each])
        record(ctx, f"{resource.name}.created", object_id=each, version=1, changes=changes)
    return [created[each] for each in ids]


async def amend_many(ctx: Ctx, resource: Resource[R], changed: Sequence[tuple[R, Changes]]) -> list[R]:
    """Change objects that the caller has locked, and record `<name>.updated` of each; gives them in order."""
    if not changed:
        return []
    names = tuple(sorted({name for _, effective in changed for name in effective}))
    stored = [
        {
            "id": before.id,
            "updated_at": ctx.now,
            "version": before.version + 1,
            **{name: effective[name][1] if name in effective else getattr(before, name) for name in names},
        }
        for before, effective in changed
    ]
    values = {"rows": to_jsonable_python(stored), "tenant": ctx.tenant_id}
    written = await ctx.tx.rows(_change(resource, names), values)
    after = {row["id"]: resource.read.from_record(row) for row in written}
    new = {before.id: {name: value for name, (_, value) in effective.items()} for before, effective in changed}
    await _link(ctx, resource, new, is_new=False)
    for before, effective in changed:
        version = after[before.id].version
        record(ctx, f"{resource.name}.updated", object_id=before.id, version=version, changes=effective)
    return [after[before.id] for before, _ in changed]


async def _link(ctx: Ctx, resource: Resource[R], stored: Mapping[UUID, Mapping[str, Any]], *, is_new: bool) -> None:
    """Let the rows that hold what is listed follow the lists that were stored."""
    for listed in resource.reference_lists:
        owners = [owner for owner, values in stored.items() if listed.column in values]
        pairs = [(owner, each) for owner in owners for each in listed.ids(stored[owner][listed.column])]
        links = listed.links
        if not is_new and owners:
            mine = links.c[listed.owner].in_(owners)
            await ctx.tx.run(delete(links).where(links.c.tenant_id == ctx.tenant_id, mine))
        if pairs:
            rows = {"tenant_id": [ctx.tenant_id] * len(pairs), "id": [new_id() for _ in pairs]}
            rows |= {listed.owner: [owner for owner, _ in pairs], listed.target: [each for _, each in pairs]}
            await ctx.tx.run(insert_many(links, list(rows)), rows)


@lru_cache(maxsize=100)
def _locking(resource: Resource[Any], kind: str) -> Statement:
    ids = bindparam("ids", type_=ARRAY(resource.table.c.id.type))
    table = resource.table
    seen = select(*resource.columns).where(table.c.tenant_id == bindparam("tenant"), table.c.id == func.any(ids))
    return Statement(seen.where(*resource.seen_by(kind)).order_by(table.c.id).with_for_update())


@lru_cache(maxsize=500)
def _insertion(resource: Resource[Any], names: tuple[str, ...]) -> Statement:
    table = resource.table
    whole = ("tenant_id", "id", "created_at", *_CHANGED_ALWAYS, *names)
    rows = _given(table, whole)
    stored = insert(table).from_select(list(whole), select(*(rows.c[name] for name in whole)))
    return Statement(stored.returning(*resource.columns))


@lru_cache(maxsize=500)
def _change(resource: Resource[Any], names: tuple[str, ...]) -> Statement:
    table = resource.table
    whole = ("id", *_CHANGED_ALWAYS, *names)
    rows = _given(table, whole)
    stored = (
        update(table)
        .where(table.c.tenant_id == bindparam("tenant"), table.c.id == rows.c.id)
        .values({name: rows.c[name] for name in (*_CHANGED_ALWAYS, *names)})
    )
    return Statement(stored.returning(*resource.columns))


def _given(table: Table, names: Sequence[str]) -> FromClause:
    """Give the rows of a document as a table with some of the columns of another."""
    columns: list[Column[Any]] = [cast("Column[Any]", column(name, table.c[name].type)) for name in names]
    document = func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    return document.table_valued(*columns).render_derived(name="given", with_types=True)
