"""What an occurrence of a plan is for: assets, the places where they are, or places; what it has not come to yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    Integer,
    Select,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from helpdesk_api.assets.asset_types import ASSET_TYPES
from helpdesk_api.assets.assets import ASSETS, assets
from helpdesk_api.directory.locations import LOCATIONS, locations
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.plans.schemas import GroupBy, PlanTargetsInput, TicketPlan
from helpdesk_api.tickets.plans.tables import ticket_plan_occurrences

_MOST_NAMED: Final = 100
_EVERY: Final = 2**31 - 1
_LISTED: Final[Mapping[str, Resource[Any]]] = {
    "asset_ids": ASSETS,
    "asset_type_ids": ASSET_TYPES,
    "location_ids": LOCATIONS,
}


@dataclass(frozen=True, slots=True)
class Target:
    """For what a ticket is opened: what it says about the ticket, and the equipment that the ticket names."""

    id: UUID | None
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] = ()


def _ids(name: str) -> BindParameter[Sequence[UUID]]:
    return bindparam(name, type_=ARRAY(Uuid))


def _has_not_come_to(target: ColumnElement[Any]) -> ColumnElement[bool]:
    come = ticket_plan_occurrences.c
    return ~(
        select(come.id)
        .where(
            come.tenant_id == bindparam("tenant"),
            come.plan_id == bindparam("plan", type_=Uuid()),
            come.occurs_on == bindparam("on", type_=Date()),
            come.target_id == target,
        )
        .exists()
    )


def _of_assets(target: ColumnElement[Any]) -> Select[Any]:
    # What is put together with a serial number that is not there is nothing, and adds nothing.
    serial = literal(" (").concat(assets.c.serial_number).concat(")")
    names = func.array_agg(aggregate_order_by(func.concat(assets.c.name, serial), assets.c.name, assets.c.id))
    company = bindparam("company", type_=Uuid())
    return (
        select(target.label("target"), func.array_agg(assets.c.location_id).label("places"), names.label("names"))
        .where(
            assets.c.tenant_id == bindparam("tenant"),
            or_(assets.c.id == any_(_ids("assets")), assets.c.asset_type_id == any_(_ids("types"))),
            assets.c.status != "retired",
            or_(func.cardinality(_ids("locations")) == 0, assets.c.location_id == any_(_ids("locations"))),
            or_(company.is_(None), assets.c.company_id == company),
            _has_not_come_to(target),
        )
        .group_by(target)
        .order_by(target)
        .limit(bindparam("most", type_=Integer))
    )


_PER_ASSET: Final = _of_assets(assets.c.id)
# Equipment that is nowhere is for itself.
_PER_PLACE: Final = _of_assets(func.coalesce(assets.c.location_id, assets.c.id))
_PLACES: Final = (
    select(locations.c.id.label("target"))
    .where(
        locations.c.tenant_id == bindparam("tenant"),
        locations.c.id == any_(_ids("locations")),
        locations.c.is_active,
        _has_not_come_to(locations.c.id),
    )
    .order_by(locations.c.id)
    .limit(bindparam("most", type_=Integer))
)
_FOUND: Final = {each: Statement(each) for each in (_PER_ASSET, _PER_PLACE, _PLACES)}
_COUNTED: Final = {each: Statement(select(func.count()).select_from(each.subquery())) for each in _FOUND}


async def check_targets(ctx: Ctx, targets: Mapping[str, Sequence[UUID]]) -> None:
    """Refuse targets that are not there; raises UnknownReferenceError."""
    for name, resource in _LISTED.items():
        ids = list(targets[name])
        found = await crud.fetch_many(ctx, resource, ids)
        for index, each in enumerate(ids):
            if each not in found:
                message = f"There is no {resource.name.replace('_', ' ')} {each}."
                raise UnknownReferenceError(message, pointer=f"/targets/{name}/{index}")


async def targets_of(ctx: Ctx, plan: TicketPlan, on: date, *, most: int) -> list[Target]:
    """Give for what an occurrence of a plan is that it has not come to yet, some of it at a time."""
    wanted = _wanted(plan)
    if wanted is None:
        return [Target(None)]
    rows = await ctx.tx.rows(_FOUND[wanted], _asked(ctx, plan) | {"on": on, "most": most})
    if wanted is _PLACES:
        return [Target(row["target"], {"location_id": row["target"], "asset_id": None}) for row in rows]
    return [_of_row(row["target"], row["places"][0], row["names"], plan.group_by) for row in rows]


async def count_targets(ctx: Ctx, plan: TicketPlan) -> int:
    """Tell for how many targets an occurrence of a plan would be."""
    wanted = _wanted(plan)
    if wanted is None:
        return 1
    count: int = await ctx.tx.value(_COUNTED[wanted], _asked(ctx, plan) | {"on": date.max, "most": _EVERY})
    return count


def _wanted(plan: TicketPlan) -> Select[Any] | None:
    if plan.targets["asset_ids"] or plan.targets["asset_type_ids"]:
        return _PER_PLACE if plan.group_by == GroupBy.LOCATION else _PER_ASSET
    return _PLACES if plan.targets["location_ids"] else None


def _asked(ctx: Ctx, plan: TicketPlan) -> dict[str, Any]:
    # As they are stored they are no more than words.
    targets, company_id = PlanTargetsInput.model_validate(plan.targets), plan.ticket["company_id"]
    asked: dict[str, Any] = {"tenant": ctx.tenant_id, "plan": plan.id, "locations": targets.location_ids}
    if _wanted(plan) is not _PLACES:
        asked |= {"assets": targets.asset_ids, "types": targets.asset_type_ids}
        asked["company"] = None if company_id is None else UUID(str(company_id))
    return asked


def _of_row(target: UUID, place: UUID | None, names: Sequence[str], group_by: str) -> Target:
    if group_by == GroupBy.ASSET or place is None:
        return Target(target, {"asset_id": target, "location_id": None})
    more = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return Target(target, {"location_id": place, "asset_id": None}, [*names[:_MOST_NAMED], *more])
