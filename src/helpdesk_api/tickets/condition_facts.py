"""What conditions are told in memory: the values of the fields of tickets, and of an event that happened to one.

They are read by the very expressions that a search uses, so a condition cannot mean two things. Those of a ticket that
is not stored as it will be are read by them too, with its values in place of the columns.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Column, ColumnElement, Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.visitors import replacement_traverse

from helpdesk_api.directory.custom_fields.conditions import PREFIX
from helpdesk_api.domain.conditions import Facts, FieldType
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Query
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import UNLIMITED
from helpdesk_api.tickets.condition_fields import OFFERED, Offered, columns_among, columns_for
from helpdesk_api.tickets.custom_conditions import offered_to
from helpdesk_api.tickets.models import tickets

_PREVIOUS = "previous."


async def facts_of(ctx: Ctx, ticket_ids: Collection[UUID], paths: Collection[str]) -> dict[UUID, dict[str, Any]]:
    """Read these fields of tickets, as the principal's reach shows them; what belongs to an event is left out."""
    offered = await offered_to(ctx, *paths)
    names = tuple(sorted(path for path in paths if offered[path].column is not None))
    if not names or not ticket_ids:
        return {}
    reach = ctx.principal.reach
    if offered is OFFERED:
        statement: Query = _reading(reach.kind, names)
    else:
        statement = _selection(names, columns_among(offered, reach.kind))
    rows = await ctx.tx.rows(statement, {"tenant": ctx.tenant_id, "ids": list(ticket_ids), **reach.values})
    return {row[0]: {name: row[place] for place, name in enumerate(names, start=1)} for row in rows}


async def facts_of_values(
    ctx: Ctx, ticket: Mapping[str, Any], paths: Collection[str], *, offered: Offered = OFFERED
) -> Facts:
    """Give these fields of a ticket that has, or will have, these values, whoever the caller is.

    They are fields of the ticket itself, of the cards that it names, and custom fields.
    """
    beyond = tuple(sorted(path for path in paths if "." in path))
    if not beyond:
        return ticket
    statement = _reading_values(beyond) if offered is OFFERED else _of_values(beyond, offered)
    values = {f"ticket_{name}": ticket.get(name) for name in map(column_behind, beyond)}
    row = await ctx.tx.row(statement, {**values, "ticket_tenant_id": ctx.tenant_id})
    return ticket if row is None else {**ticket, **{path: row[place] for place, path in enumerate(beyond)}}


def column_behind(path: str) -> str:
    """Name the column of a ticket behind a field: its own, or that which names a card, or holds the custom fields."""
    first, _, rest = path.partition(".")
    return path if not rest else first if path.startswith(PREFIX) else f"{first}_id"


def facts_of_event(
    *,
    actor_type: str,
    actor_id: UUID | None,
    changes: Mapping[str, Any],
    metrics: Collection[str],
    is_of_ticket: bool,
) -> Facts:
    """Give the values of the fields of an event, which tells old and new values of what it changed.

    `metrics` are those of the clocks that it is about, if it is about any.
    """
    facts = {
        "event.changed_fields": sorted(changes),
        "event.actor_type": actor_type,
        "event.actor_id": actor_id,
        "event.clock_metrics": sorted(metrics),
    }
    if not is_of_ticket:
        return facts
    before = {f"{_PREVIOUS}{name}": old for name, (old, _) in changes.items() if f"{_PREVIOUS}{name}" in OFFERED}
    return facts | {path: _typed(path, old) for path, old in before.items()}


def _typed(path: str, value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    """Give a value as the field has it; ids are text in the log of events."""
    return UUID(value) if OFFERED[path].field.type is FieldType.REFERENCE and isinstance(value, str) else value


@lru_cache(maxsize=500)
def _reading(reach: str, names: tuple[str, ...]) -> Statement:
    return Statement(_selection(names, columns_for(reach)))


def _selection(names: Sequence[str], columns: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    wanted = [columns[name].label(f"value_{place}") for place, name in enumerate(names)]
    return select(tickets.c.id, *wanted).where(
        tickets.c.tenant_id == bindparam("tenant"),
        tickets.c.id == any_(bindparam("ids", type_=ARRAY(tickets.c.id.type))),
    )


@lru_cache(maxsize=500)
def _reading_values(paths: tuple[str, ...]) -> Statement:
    return _of_values(paths, OFFERED)


def _of_values(paths: Sequence[str], offered: Offered) -> Statement:
    columns = columns_among(offered, UNLIMITED)
    wanted = [_without_row(columns[path]).label(f"value_{place}") for place, path in enumerate(paths)]
    return Statement(select(*wanted))


def _without_row(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give an expression over the columns of tickets as one over parameters named after them."""

    def replaced(element: object, **_: object) -> BindParameter[Any] | None:
        if isinstance(element, Column) and element.table is tickets:
            return bindparam(f"ticket_{element.name}", type_=element.type)
        return None

    found: ColumnElement[Any] = replacement_traverse(expression, {}, replaced)
    return found
