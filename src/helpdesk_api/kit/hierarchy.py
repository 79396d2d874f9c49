"""Trees of objects of one kind: each may name a parent, and nothing is its own parent, however long the way up is."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.turns import take_turn

MOST_LEVELS: Final = 50


class ParentCycleError(InvalidError):
    """The parent that is given is the object itself, or stands below it."""

    code = "parent_cycle"
    title = "The parent stands below the object"


class TooManyLevelsError(InvalidError):
    """There would be too many levels above the object."""

    code = "too_many_levels"
    title = "There are too many levels"


async def check_parent(
    ctx: Ctx, resource: Resource[R], given: Mapping[str, Any], before: R | None, column: str
) -> None:
    """Check the parent that is given for an object, if one is.

    Raises UnknownReferenceError for one that is not there or not to be seen, ParentCycleError for one that is the
    object itself or stands below it, and TooManyLevelsError.
    """
    parent_id = given.get(column)
    if parent_id is None:
        return
    await take_tree(ctx, resource)
    if not await crud.fetch_many(ctx, resource, [parent_id]):
        message = f"There is no {resource.name.replace('_', ' ')} {parent_id}."
        raise UnknownReferenceError(message, pointer=f"/{column}")
    line = await line_of(ctx, resource, parent_id, column)
    if before is not None and before.id in line:
        message = f"{parent_id} is {before.id} itself, or stands below it."
        raise ParentCycleError(message, pointer=f"/{column}")
    if len(line) >= MOST_LEVELS:
        message = f"There are {len(line)} levels above already; {MOST_LEVELS} are the most."
        raise TooManyLevelsError(message, pointer=f"/{column}")


async def line_of(ctx: Ctx, resource: Resource[Any], object_id: UUID, column: str) -> list[UUID]:
    """Give an object and everything above it."""
    rows = await ctx.tx.rows(_above(resource, column), {"tenant": ctx.tenant_id, "parent": object_id})
    return [row["id"] for row in rows]


async def take_tree(ctx: Ctx, resource: Resource[Any]) -> None:
    """Wait for whoever changes the tree: two changes at once could each be right and together close a ring."""
    await take_turn(ctx, f"{resource.plural} tree {ctx.tenant_id}")


@lru_cache(maxsize=20)
def _above(resource: Resource[Any], column: str) -> Statement:
    """Find an object and everything above it."""
    table = resource.table
    tenant = bindparam("tenant", type_=Uuid())
    above = (
        select(table.c.id, table.c[column])
        .where(table.c.tenant_id == tenant, table.c.id == bindparam("parent", type_=Uuid()))
        .cte("above", recursive=True)
    )
    # UNION, not UNION ALL: were there a ring after all, it would end.
    following = above.union(
        select(table.c.id, table.c[column]).where(table.c.tenant_id == tenant, table.c.id == above.c[column])
    )
    return Statement(select(following.c.id))
