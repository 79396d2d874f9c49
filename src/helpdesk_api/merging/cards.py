"""What a merge makes of the cards themselves, and how they are told apart again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from annotated_types import MaxLen
from pydantic_core import to_jsonable_python
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.sqltypes import Uuid

from helpdesk_api.directory.card_redirects import CardType
from helpdesk_api.directory.companies import COMPANIES, Company, CompanyCreate
from helpdesk_api.directory.contacts import CONTACTS, ContactCreate
from helpdesk_api.directory.custom_fields.definitions import definitions_of
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.custom_fields.values import unfitting_choices
from helpdesk_api.directory.locations import LOCATIONS, Location, LocationCreate
from helpdesk_api.domain.card_merging import parted, united
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.grouped_values import flattened
from helpdesk_api.kit.hierarchy import line_of
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.merging.pointers import Absorption

PARENT: Final = "parent_company_id"


@dataclass(frozen=True, eq=False)
class CardKind:
    """What may be merged: its resource, and the model that says what a card can hold."""

    resource: Resource[Any]
    create: type[Input]


KINDS: Final[Mapping[CardType, CardKind]] = {
    "company": CardKind(COMPANIES, CompanyCreate),
    "contact": CardKind(CONTACTS, ContactCreate),
    "location": CardKind(LOCATIONS, LocationCreate),
}


class CardTooFullError(ConflictError):
    """Together the cards list more than one card can hold; shorten a list first."""

    code = "card_too_full"
    title = "One card cannot hold what both list"


async def unite(
    ctx: Ctx, kind: CardKind, loser: Entity, step: Absorption, decided: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Give the winner what it lacks of the loser; gives what was in each field that changed, and what is in it now."""
    winner = await crud.fetch_locked(ctx, kind.resource, step.winner_id)
    whole = {field: united(field, getattr(winner, field), getattr(loser, field)) for field in kind.create.model_fields}
    whole |= decided
    whole[COLUMN] = await _fitting(ctx, kind.resource, getattr(winner, COLUMN), whole[COLUMN])
    for field, info in kind.create.model_fields.items():
        most = next((each.max_length for each in info.metadata if isinstance(each, MaxLen)), None)
        if most is not None and isinstance(whole[field], list) and len(whole[field]) > most:
            message = f"Together the cards list {len(whole[field])} {field}; {most} are the most."
            raise CardTooFullError(message, params={"field": field, "most": most})
    await _change(ctx, kind.resource, winner, whole, step.cause)
    return {
        field: [to_jsonable_python(getattr(winner, field)), to_jsonable_python(value)]
        for field, value in whole.items()
        if getattr(winner, field) != value
    }


async def _fitting(
    ctx: Ctx, resource: Resource[Any], own: Mapping[str, Any], filled: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Leave out choices of the loser that do not go with what the winner has."""
    definitions = await definitions_of(ctx, resource.plural)
    mine, whole = flattened(own), flattened(filled)
    while misfits := {key for key, _ in unfitting_choices(definitions, whole) if key not in mine}:
        whole = {key: value for key, value in whole.items() if key not in misfits}
    kept = {group: {key: value for key, value in held.items() if key in whole} for group, held in filled.items()}
    return {group: held for group, held in kept.items() if held}


async def part(ctx: Ctx, kind: CardKind, changed: Mapping[str, list[Any]], step: Absorption) -> None:
    """Take out of the winner what came with a loser, as far as it is still as it came."""
    winner = await crud.fetch_locked(ctx, kind.resource, step.winner_id)
    left = {
        field: _typed(kind.resource, field, parted(to_jsonable_python(getattr(winner, field)), before, after))
        for field, (before, after) in changed.items()
    }
    await _change(ctx, kind.resource, winner, left, step.cause)


async def _change(
    ctx: Ctx, resource: Resource[Any], before: Entity, values: Mapping[str, Any], cause: dict[str, Any]
) -> None:
    effective = crud.difference(resource, before, values)
    if not effective:
        return
    after = await crud.store_changes(ctx, resource, before, {field: new for field, (_, new) in effective.items()})
    record(
        ctx,
        f"{resource.name}.updated",
        object_id=before.id,
        version=after.version,
        changes=effective,
        data=cause,
    )


async def decided_before(ctx: Ctx, loser: Entity, step: Absorption) -> dict[str, Any]:
    """Decide what is more than filling what is empty, some of which only shows while everything points at the loser.

    A company keeps the one that it belongs to, unless that is the loser or stands below it. Of a place, how far the
    geofence reaches goes with the point that it is around, and the zone with the hours.
    """
    if isinstance(loser, Location):
        place = await crud.fetch(ctx, LOCATIONS, step.winner_id)
        zone = place.time_zone if place.calendar_id is not None else place.time_zone or loser.time_zone
        around = place if place.coordinates is not None else loser
        return {"geofence_radius_meters": around.geofence_radius_meters, "time_zone": zone}
    if not isinstance(loser, Company):
        return {}
    winner = await crud.fetch(ctx, COMPANIES, step.winner_id)
    is_below = loser.id in await line_of(ctx, COMPANIES, winner.id, PARENT)
    is_above = winner.id in await line_of(ctx, COMPANIES, loser.id, PARENT)
    lacks_one = winner.parent_company_id is None and not is_above
    return {PARENT: loser.parent_company_id if is_below or lacks_one else winner.parent_company_id}


def _typed(resource: Resource[Any], field: str, value: Any) -> Any:  # noqa: ANN401 - the value of any field.
    match resource.table.c[field].type:
        case Uuid() if value is not None:
            return UUID(value)
        case ARRAY(item_type=Uuid()):
            return [UUID(each) for each in value]
        case _:
            return value
