"""Naming, in the refusal of a reference, the object that stands for the one that was meant, where another does."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource


async def name_successor(ctx: Ctx, resources: Iterable[Resource[Any]], refusal: Refusal, body: object) -> None:
    """Add `merged_into` to the parameters of a refusal that points at the id of what was merged.

    Only what the caller may read is named.
    """
    named = _id_at(body, refusal.errors[0].pointer) if refusal.errors else None
    if named is None:
        return
    for resource in resources:
        if resource.successor is None or not ctx.principal.may(f"{resource.plural}:read"):
            continue
        successor_id = await resource.successor(ctx, named)
        if successor_id is not None and await crud.fetch_many(ctx, resource, [successor_id]):
            refusal.params["merged_into"] = str(successor_id)
            return


def _id_at(body: object, pointer: str) -> UUID | None:
    """Give the id at a place of a body, if there is one (RFC 6901; no member that holds an id needs escaping)."""
    found = body
    for step in pointer.split("/")[1:]:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    try:
        return UUID(found) if isinstance(found, str) else None
    except ValueError:
        return None
