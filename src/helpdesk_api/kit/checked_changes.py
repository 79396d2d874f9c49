"""Creating and changing an object together with what its resource has to say about it, before and after it is stored.

The plain functions are `kit.crud`, the endpoints that call these are `kit.resource_routes`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource

# Looks at what was given before it is stored, beside the object as it is now, if there is one yet; gives what is to be
# stored, or refuses. A removal gives nothing.
Check = Callable[[Ctx, dict[str, Any], R | None], Awaitable[dict[str, Any]]]

# Hears what was given and what has become of it, beside the object as it was, if it was there; may still refuse.
Follow = Callable[[Ctx, Mapping[str, Any], R | None, R], Awaitable[None]]


async def create(
    ctx: Ctx,
    resource: Resource[R],
    given: dict[str, Any],
    *,
    check: Check[R] | None = None,
    follow: Follow[R] | None = None,
) -> R:
    """Store a new object; raises what `crud.add`, the check and what follows raise."""
    values = given if check is None else await check(ctx, given, None)
    created = await crud.add(ctx, resource, values)
    if follow is not None:
        await follow(ctx, given, None, created)
    return created


async def change(
    ctx: Ctx,
    resource: Resource[R],
    object_id: UUID,
    given: dict[str, Any],
    *,
    expected: int | None = None,
    check: Check[R] | None = None,
    follow: Follow[R] | None = None,
) -> R:
    """Change an object; raises what `crud.amend`, the check and what follows raise."""
    if check is None and follow is None:
        return await crud.amend(ctx, resource, object_id, given, expected=expected)
    before = await crud.fetch_locked(ctx, resource, object_id)
    crud.difference(resource, before, given)
    values = given if check is None else await check(ctx, given, before)
    changed = await crud.amend(ctx, resource, object_id, values, expected=expected)
    if follow is not None:
        await follow(ctx, given, before, changed)
    return changed
