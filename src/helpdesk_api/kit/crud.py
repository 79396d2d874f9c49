"""Create, read, change and remove as plain functions, the same for the generic endpoints and for services.

Each writes one event for one effective change; a change that changes nothing writes nothing, neither version nor
event. Which endpoints call them is `kit.resource_routes`; a resource that differs writes its own endpoint and calls
the same functions.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Changes, record
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.kit.sqlstate import UnknownReferenceError

_BOOKKEEPING = frozenset({"id", "tenant_id", "created_at", "updated_at", "version"})


class NotNullableError(InvalidError):
    """A field that always has a value was set to null."""

    code = "not_nullable"
    title = "The field cannot be empty"


class MergedError(ConflictError):
    """The object was merged into another, which `params` name; it has no life of its own any more."""

    code = "merged"
    title = "The object was merged into another"


async def fetch(ctx: Ctx, resource: Resource[R], object_id: UUID) -> R:
    """Read one that the principal may see; raises NotFoundError, and MergedError where another stands for it."""
    return await _fetch(ctx, resource, object_id, is_locked=False)


async def fetch_locked(ctx: Ctx, resource: Resource[R], object_id: UUID) -> R:
    """Read one and lock it for a change; raises NotFoundError, and MergedError where another stands for it."""
    return await _fetch(ctx, resource, object_id, is_locked=True)


async def fetch_many(ctx: Ctx, resource: Resource[R], ids: list[UUID]) -> dict[UUID, R]:
    """Read several by id; those that are missing, or not to be seen, are left out."""
    if not ids:
        return {}
    reach = ctx.principal.reach
    rows = await ctx.tx.all(
        resource.read, resource.by_ids(reach.kind), {"tenant": ctx.tenant_id, "ids": ids, **reach.values}
    )
    return {item.id: item for item in rows}


async def add(
    ctx: Ctx,
    resource: Resource[R],
    values: Mapping[str, Any],
    *,
    object_id: UUID | None = None,
    decided: Collection[str] = (),
) -> R:
    """Store a new object and record `<name>.created` with every value it starts with.

    What the product itself has `decided` may refer to what the caller is not shown. Raises UnknownReferenceError when
    the rest refers to what is not there, or not to be seen, and QuotaExceededError when the tenant has as many as it
    may have.
    """
    await _check_references(ctx, resource, {name: value for name, value in values.items() if name not in decided})
    if resource.quota is not None and (resource.activates is None or values[resource.activates]):
        await resource.quota.check_room(ctx)
    stored = _storable(resource, values) | {
        "tenant_id": ctx.tenant_id,
        "id": object_id or new_id(),
        "created_at": ctx.now,
        "updated_at": ctx.now,
        "version": 1,
    }
    row = await ctx.tx.row(_insertion(resource, tuple(stored)), stored | {"of_tenant": ctx.tenant_id})
    created = resource.read.from_record(_present(row))
    await _link(ctx, resource, created, values)
    record(
        ctx,
        f"{resource.name}.created",
        object_id=created.id,
        version=1,
        changes=initial(resource, created),
    )
    return created


async def amend(
    ctx: Ctx, resource: Resource[R], object_id: UUID, changes: Mapping[str, Any], *, expected: int | None = None
) -> R:
    """Change an object and record `<name>.updated` with old and new values; a change without effect leaves no trace.

    Raises NotFoundError, StaleVersionError when `expected` is not the current version, and UnknownReferenceError.
    """
    before = await fetch_locked(ctx, resource, object_id)
    check_version(before.version, expected)
    effective = difference(resource, before, changes)
    if not effective:
        return before
    await _check_references(ctx, resource, {field: new for field, (_, new) in effective.items()})
    if resource.quota is not None and resource.activates is not None and changes.get(resource.activates) is True:
        await resource.quota.check_room(ctx)
    after = await store_changes(ctx, resource, before, {field: new for field, (_, new) in effective.items()})
    record(ctx, f"{resource.name}.updated", object_id=object_id, version=after.version, changes=effective)
    return after


async def remove(ctx: Ctx, resource: Resource[R], object_id: UUID, *, expected: int | None = None) -> None:
    """Delete an object and record `<name>.deleted` with its last values.

    Raises NotFoundError, StaleVersionError, and StillReferencedError while others need it.
    """
    before = await fetch_locked(ctx, resource, object_id)
    check_version(before.version, expected)
    table = resource.table
    await ctx.tx.run(delete(table).where(table.c.tenant_id == ctx.tenant_id, table.c.id == object_id), removing=True)
    last = {field: (new, None) for field, (_, new) in initial(resource, before).items()}
    record(ctx, f"{resource.name}.deleted", object_id=object_id, version=before.version + 1, changes=last)


async def store_changes(ctx: Ctx, resource: Resource[R], before: R, values: Mapping[str, Any]) -> R:
    """Write new values and the next version of an object that the caller has locked; records nothing."""
    table = resource.table
    row = await ctx.tx.row(
        update(table)
        .where(table.c.tenant_id == ctx.tenant_id, table.c.id == before.id)
        .values(updated_at=ctx.now, version=before.version + 1, **values)
        .returning(*resource.columns),
        changing=table.name,
    )
    after = resource.read.from_record(_present(row))
    await _link(ctx, resource, after, values)
    return after


def difference(resource: Resource[R], before: R, changes: Mapping[str, Any]) -> Changes:
    """Give what a merge patch (RFC 7396) would really change, field by field; raises NotNullableError."""
    wanted = _storable(resource, changes)
    return {field: (old, new) for field, new in wanted.items() if (old := getattr(before, field)) != new}


def initial(resource: Resource[R], created: Output) -> Changes:
    """Give the values an object starts with, as changes from nothing."""
    return {
        column.name: (None, value)
        for column in resource.columns
        if column.name not in _BOOKKEEPING and (value := getattr(created, column.name)) not in (None, [], {})
    }


@lru_cache(maxsize=500)
def _insertion(resource: Resource[Any], names: tuple[str, ...]) -> Statement:
    """Give the statement that stores a new object with values for these columns: one for each way of creating it."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return Statement(insert(resource.table).values(values | dict(resource.computed)).returning(*resource.columns))


def _storable(resource: Resource[R], values: Mapping[str, Any]) -> dict[str, Any]:
    table = resource.table
    for field, value in values.items():
        if value is None and not table.c[field].nullable:
            message = f"{field} always has a value and cannot be set to null."
            raise NotNullableError(message, pointer=f"/{field}")
    return {
        field: to_jsonable_python(value) if isinstance(table.c[field].type, JSONB) else value
        for field, value in values.items()
    }


async def _check_references(ctx: Ctx, resource: Resource[Any], values: Mapping[str, Any]) -> None:
    """Refuse references to rows that the principal does not see; whether they are there at all the database checks.

    Of what is listed it is looked up, for the refusal to name the place in the list.
    """
    for listed in resource.reference_lists:
        ids = listed.ids(values.get(listed.column) or ())
        found = await fetch_many(ctx, listed.resource, ids)
        for index, listed_id in enumerate(ids):
            if listed_id not in found:
                message = f"There is no {listed.resource.name.replace('_', ' ')} {listed_id}."
                raise UnknownReferenceError(message, pointer=listed.pointer(index))
    if ctx.principal.reach.is_unlimited:
        return
    for include in resource.includes:
        wanted = values.get(include.column)
        if wanted is not None and not await fetch_many(ctx, include.resource, [wanted]):
            message = f"There is no {include.resource.name.replace('_', ' ')} {wanted}."
            raise UnknownReferenceError(message, pointer=f"/{include.column}")


async def _link(ctx: Ctx, resource: Resource[R], stored: R, values: Mapping[str, Any]) -> None:
    """Let the rows that hold what is listed follow a list that was stored."""
    for listed in resource.reference_lists:
        if listed.column not in values:
            continue
        links, ids = listed.links, listed.ids(values[listed.column])
        await ctx.tx.run(delete(links).where(links.c.tenant_id == ctx.tenant_id, links.c[listed.owner] == stored.id))
        if ids:
            size = len(ids)
            rows = {"tenant_id": [ctx.tenant_id] * size, "id": [new_id() for _ in ids]}
            rows |= {listed.owner: [stored.id] * size, listed.target: ids}
            await ctx.tx.run(insert_many(links, list(rows)), rows)


async def _fetch(ctx: Ctx, resource: Resource[R], object_id: UUID, *, is_locked: bool) -> R:
    reach = ctx.principal.reach
    row = await ctx.tx.row(
        resource.by_id(reach.kind, is_locked=is_locked), {"tenant": ctx.tenant_id, "key": object_id, **reach.values}
    )
    if row is None:
        await _refuse_replaced(ctx, resource, object_id)
        raise resource.missing(object_id)
    return resource.read.from_record(row)


async def _refuse_replaced(ctx: Ctx, resource: Resource[Any], object_id: UUID) -> None:
    """Refuse an id for which another object stands that the principal may see."""
    successor_id = None if resource.successor is None else await resource.successor(ctx, object_id)
    if successor_id is not None and await fetch_many(ctx, resource, [successor_id]):
        name = resource.name.replace("_", " ")
        message = f"The {name} {object_id} was merged into {successor_id}."
        raise MergedError(message, params={"id": str(object_id), "merged_into": str(successor_id)})


def _present(row: Record | None) -> Record:
    if row is None:
        message = "a statement with RETURNING gave no row"
        raise LookupError(message)
    return row
