"""What fails with an asset, and whose failure it would suffer from: a walk over relations and parts, both ways.

One recursive query finds what is near enough, with what each asset needs and what stands in for it; what then becomes
of whom is `domain.impact`. A whole needs its parts, whether they are told by `parent_asset_id` or by a relation; what
is merely connected needs nothing.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import (
    FromClause,
    Integer,
    Label,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.assets.assets import ASSETS, assets
from helpdesk_api.assets.relations import RelationType, asset_relations
from helpdesk_api.domain.impact import Effect, effects_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

MOST_ASSETS: Final = 300
MOST_STEPS: Final = 10

Direction = Literal["affected", "needed"]

router = APIRouter(prefix="/v1/assets", tags=["assets"], route_class=UnitOfWorkRoute)

_tenant = bindparam("tenant", type_=Uuid())
# From which end of a relation of these types the other is needed.
_NEEDS_TARGET: Final[Sequence[RelationType]] = ("depends_on", "runs_on")
_NEEDS_SOURCE: Final[Sequence[RelationType]] = ("part_of",)
_STANDS_IN: Final[Sequence[RelationType]] = ("backs_up",)
_parts = assets.alias("parts")


class HitAsset(Output):
    """An asset that a failure reaches, or whose failure is felt."""

    asset_id: UUID
    name: str
    steps: Annotated[int, Field(description="How far away it is, at the least.")]
    effect: Annotated[
        Effect,
        Field(
            description=(
                "`affected`: what becomes of it. `needed`: what would become of the asset that was asked about if this "
                "one failed. `at_risk`: it works on, because something stands in."
            )
        ),
    ]


class Impact(Output):
    """What fails with an asset, or whose failure it would suffer from; the nearest first."""

    asset_id: UUID
    direction: Direction
    is_complete: Annotated[bool, Field(description="Whether there were no more than 300 to be looked at.")]
    data: list[HitAsset]


IMPACT_EXAMPLE: Final = {
    "asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14",
    "direction": "affected",
    "is_complete": True,
    "data": [
        {
            "asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e15",
            "name": "Shipping line 2",
            "steps": 1,
            "effect": "down",
        }
    ],
}


@router.get(
    "/{id}/impact",
    operation_id="assets_get_impact",
    summary="Tell what fails with an asset",
    description=(
        "Walks relations and parts, up to `steps` far. `affected`: what is down, or at risk, when this asset fails. "
        "`needed`: whose failure would take this asset down, or put it at risk. What depends on, or runs on, something "
        "needs it, and a whole needs its parts; what `backs_up` an asset stands in for it. Rings are no trouble."
    ),
)
async def get_impact(
    id: UUID,
    ctx: Annotated[Ctx, allowed("assets:read")],
    direction: Annotated[Direction, Query(description="Which way to walk.")] = "affected",
    steps: Annotated[int, Query(ge=1, le=MOST_STEPS, description="How far to walk.")] = 5,
) -> Impact:
    """Tell what fails with an asset."""
    await crud.fetch(ctx, ASSETS, id)
    params = {"tenant": ctx.tenant_id, "asset": id, "steps": steps}
    rows = await ctx.tx.rows(_walk(direction), params)
    is_complete = len(rows) <= MOST_ASSETS
    del rows[MOST_ASSETS:]
    needs = {row["id"]: row["needs"] for row in rows}
    backups = {row["id"]: row["backups"] for row in rows}
    found = effects_of(id, needs, backups) if direction == "affected" else _needed(id, needs, backups)
    return Impact(asset_id=id, direction=direction, is_complete=is_complete, data=_told(id, rows, found))


def _needed(asset_id: UUID, needs: Mapping[UUID, list[UUID]], backups: Mapping[UUID, list[UUID]]) -> dict[UUID, Effect]:
    """Let everything near fail, one after the other, and see what becomes of the asset."""
    felt = {other: effects_of(other, needs, backups).get(asset_id) for other in needs}
    return {other: effect for other, effect in felt.items() if effect is not None}


def _told(asset_id: UUID, rows: Sequence[Record], effects: Mapping[UUID, Effect]) -> list[HitAsset]:
    return [
        HitAsset(asset_id=row["id"], name=row["name"], steps=row["steps"], effect=effects[row["id"]])
        for row in rows
        if row["id"] != asset_id and row["id"] in effects
    ]


@cache
def _walk(direction: Direction) -> Statement:
    """Find what is near an asset, the nearest first, with what each needs and what stands in for it."""
    start = select(bindparam("asset", type_=Uuid()).label("id"), literal(0, Integer).label("steps"))
    walked = start.cte("walked", recursive=True)
    lookups = _needs_of(walked) + _backups_of(walked) if direction == "needed" else _felt_by(walked)
    beside = union_all(*lookups).lateral("beside")
    # UNION, not UNION ALL: however many ways lead to an asset, it is walked on from once for each distance.
    walk = walked.union(
        select(beside.c.id, walked.c.steps + 1)
        .select_from(walked.join(beside, true()))
        .where(walked.c.steps < bindparam("steps", type_=Integer))
    )
    distance = func.min(walk.c.steps).label("steps")
    near = (
        select(walk.c.id, distance).group_by(walk.c.id).order_by(distance, walk.c.id).limit(MOST_ASSETS + 1).subquery()
    )
    return Statement(
        select(
            near.c.id,
            near.c.steps,
            assets.c.name,
            _listed(_needs_of(near), "needs"),
            _listed(_backups_of(near), "backups"),
        )
        .select_from(near.join(assets, (assets.c.tenant_id == _tenant) & (assets.c.id == near.c.id)))
        .order_by(near.c.steps, near.c.id)
    )


def _needs_of(asset: FromClause) -> list[Select[Any]]:
    parts = select(_parts.c.id).where(_parts.c.tenant_id == _tenant, _parts.c.parent_asset_id == asset.c.id)
    return [
        _other_end(asset, "source", _NEEDS_TARGET),
        _other_end(asset, "target", _NEEDS_SOURCE),
        parts.correlate(asset),
    ]


def _backups_of(asset: FromClause) -> list[Select[Any]]:
    return [_other_end(asset, "target", _STANDS_IN)]


def _felt_by(asset: FromClause) -> list[Select[Any]]:
    """Find what needs an asset, and what it stands in for."""
    whole = select(_parts.c.parent_asset_id).where(
        _parts.c.tenant_id == _tenant, _parts.c.id == asset.c.id, _parts.c.parent_asset_id.is_not(None)
    )
    return [
        _other_end(asset, "target", _NEEDS_TARGET),
        _other_end(asset, "source", (*_NEEDS_SOURCE, *_STANDS_IN)),
        whole.correlate(asset),
    ]


def _other_end(asset: FromClause, end: Literal["source", "target"], types: Sequence[RelationType]) -> Select[Any]:
    """Find what is at the other end of the relations of these types that have an asset at this end."""
    columns = asset_relations.c
    here, there = columns.source_asset_id, columns.target_asset_id
    if end == "target":
        here, there = there, here
    found = select(there.label("id")).where(
        columns.tenant_id == _tenant, here == asset.c.id, columns.type == any_(literal(list(types), ARRAY(Text)))
    )
    return found.correlate(asset)


def _listed(lookups: Sequence[Select[Any]], name: str) -> Label[Any]:
    found = union_all(*lookups) if len(lookups) > 1 else lookups[0]
    return func.array(found.scalar_subquery(), type_=ARRAY(Uuid)).label(name)
