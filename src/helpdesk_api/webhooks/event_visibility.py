"""Which events a principal sees, and what of them: those of objects it may read, without the fields it is not shown.

An event of an object needs the permission to read that object, and for a reach that is not unlimited the object must
be among its rows now; what was deleted is then no longer told. Events of internal notes and of files need `notes:read`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, all_, and_, any_, exists, false, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.webhooks.event_patterns import is_wanted
from helpdesk_api.webhooks.event_types import EVENT_TYPES

# A file may hang on a note, and what was deleted no longer tells whether it did.
_OF_NOTES: Final = frozenset(
    {"ticket.note_added", *(name for name, event_type in EVENT_TYPES.items() if event_type.object_type == "file")}
)

Resources = Mapping[str, Resource[Any]]


def seen_events(ctx: Ctx, resources: Resources) -> list[ColumnElement[bool]]:
    """Give the conditions for the events that the principal sees; empty for one who reads everything.

    The statement takes the values of the principal's reach as parameters.
    """
    principal = ctx.principal
    conditions: list[ColumnElement[bool]] = []
    if not principal.may("notes:read"):
        conditions.append(events.c.type != all_(literal(sorted(_OF_NOTES), ARRAY(events.c.type.type))))
    readable = [name for name, resource in resources.items() if principal.may(f"{resource.plural}:read")]
    if not principal.reach.is_unlimited:
        conditions.append(or_(false(), *(_of_seen(resources[name], principal) for name in readable)))
    elif not principal.may("*:read"):
        conditions.append(events.c.object_type == any_(literal(readable, ARRAY(events.c.object_type.type))))
    return conditions


def may_see(principal: Principal, resources: Resources, row: Record) -> bool:
    """Tell of one event what `seen_events` tells a statement, but for whether its object is among the seen rows."""
    if row["type"] in _OF_NOTES and not principal.may("notes:read"):
        return False
    resource = resources.get(row["object_type"])
    if resource is None:
        return principal.reach.is_unlimited and principal.may("*:read")
    return principal.may(f"{resource.plural}:read")


def check_subscription(ctx: Ctx, resources: Resources, patterns: Iterable[str]) -> None:
    """Refuse to have events sent whose objects the caller may not read.

    Messages are sent for the whole tenant, whoever made the endpoint. Raises MissingPermissionError, and
    ReachTooNarrowError for a caller who does not see every row.
    """
    principal = ctx.principal
    if not principal.reach.is_unlimited:
        message = "An endpoint is sent what happens to every object of the tenant; this caller sees some of them."
        raise ReachTooNarrowError(message, pointer="/event_types")
    if principal.may("*:read"):
        return
    for name, event_type in EVENT_TYPES.items():
        if is_wanted(name, patterns):
            resource = resources.get(event_type.object_type)
            principal.require(f"{resource.plural}:read" if resource is not None else "audit:read")
            if name in _OF_NOTES:
                principal.require("notes:read")


def _of_seen(resource: Resource[Any], principal: Principal) -> ColumnElement[bool]:
    """Give the condition for events of objects that are among the principal's rows."""
    table = resource.table
    here = exists().where(
        table.c.tenant_id == events.c.tenant_id,
        table.c.id == events.c.object_id,
        *seen_rows(resource.rows, principal.reach.kind),
    )
    return and_(events.c.object_type == resource.name, here)
