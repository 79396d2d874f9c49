"""Putting assets somewhere: what fits together, and what follows when one moves to another place or client.

The parts of an asset go where it goes, and are with the same client: moving it moves them, each with an event and a
placement of its own, and relations among them. A part that is elsewhere at the same client stays there while the whole
stays with the client.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.assets.asset_types import ASSET_TYPES
from helpdesk_api.assets.assets import ASSETS, PARENT_OF_COMPANY, Asset, assets
from helpdesk_api.assets.placements import place
from helpdesk_api.assets.relations import ENDS_OF_COMPANY, asset_relations
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS, check_works_for
from helpdesk_api.directory.locations import location_of, own_company
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.hierarchy import check_parent
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError

MOST_PARTS: Final = 200
_PLACE: Final = frozenset({"company_id", "location_id"})
_tenant = bindparam("tenant", type_=Uuid())
_own_parts = (
    select(assets.c.id)
    .where(assets.c.tenant_id == _tenant, assets.c.parent_asset_id == bindparam("asset", type_=Uuid()))
    .cte("below", recursive=True)
)
# UNION, not UNION ALL: were there a ring after all, it would end.
_below = _own_parts.union(
    select(assets.c.id).where(assets.c.tenant_id == _tenant, assets.c.parent_asset_id == _own_parts.c.id)
)
_PARTS = Statement(select(_below.c.id).order_by(_below.c.id).limit(MOST_PARTS + 1))
_MOVED = any_(bindparam("moved", type_=ARRAY(Uuid())))
_TAKE_RELATIONS = Statement(
    update(asset_relations)
    .where(
        asset_relations.c.tenant_id == _tenant,
        asset_relations.c.source_asset_id == _MOVED,
        asset_relations.c.target_asset_id == _MOVED,
    )
    .values(company_id=bindparam("company", type_=Uuid()))
)
_HELD = ", ".join((PARENT_OF_COMPANY, *ENDS_OF_COMPANY))
_LATER = text(f"SET CONSTRAINTS {_HELD} DEFERRED")
_NOW = text(f"SET CONSTRAINTS {_HELD} IMMEDIATE")


class ParentElsewhereError(InvalidError):
    """An asset is part of one of the same client only."""

    code = "parent_not_of_company"
    title = "The asset that it is to be part of belongs to another company"


class TooManyPartsError(ConflictError):
    """An asset has more parts than move along in one go."""

    code = "too_many_parts"
    title = "The asset has too many parts"


async def check_asset(ctx: Ctx, given: dict[str, Any], before: Asset | None) -> dict[str, Any]:
    """Check that company, place, contact and parent fit one another; a place names the company when nothing else does.

    Raises UnknownReferenceError, LocationNotOfCompanyError, ContactNotOfCompanyError, ParentElsewhereError, and what
    `check_parent` raises.
    """
    if before is not None and not given:
        return given
    whole = (vars(before) if before is not None else {}) | given
    await _known(ctx, ASSET_TYPES, "asset_type_id", given)
    await _known(ctx, COMPANIES, "company_id", given)
    location_id = whole["location_id"]
    if given.keys() & _PLACE and location_id is not None:
        found = await location_of(ctx, location_id, whole["company_id"])
        if whole["company_id"] is None:
            given = given | {"company_id": own_company(found, given)}
    company_id = given.get("company_id", whole["company_id"])
    if given.keys() & {"company_id", "contact_id"} and whole["contact_id"] is not None:
        contact = await _known(ctx, CONTACTS, "contact_id", whole)
        if contact is not None and company_id is not None:
            check_works_for(contact, company_id, pointer="/contact_id")
    await check_parent(ctx, ASSETS, given, before, "parent_asset_id")
    if given.keys() & {"company_id", "parent_asset_id"} and whole["parent_asset_id"] is not None:
        parent = await _known(ctx, ASSETS, "parent_asset_id", whole)
        if parent is not None and parent.company_id != company_id:
            message = f"The asset {parent.id} does not belong to the company {company_id}."
            raise ParentElsewhereError(message, pointer="/parent_asset_id")
    if before is not None and before.company_id != company_id:
        await ctx.tx.rows(_LATER)
    return given


async def follow_asset(ctx: Ctx, given: Mapping[str, Any], before: Asset | None, after: Asset) -> None:
    """Write down where an asset is now, and move its parts along; raises TooManyPartsError."""
    del given
    if before is not None and (before.company_id, before.location_id) == (after.company_id, after.location_id):
        return
    await place(ctx, after.id, company_id=after.company_id, location_id=after.location_id)
    if before is None:
        return
    parts = [row[0] for row in await ctx.tx.rows(_PARTS, {"tenant": ctx.tenant_id, "asset": after.id})]
    if len(parts) > MOST_PARTS:
        message = f"More than {MOST_PARTS} assets are part of it; move some of them on their own first."
        raise TooManyPartsError(message)
    for part_id in parts:
        await _move_along(ctx, await crud.fetch_locked(ctx, ASSETS, part_id), before, after)
    if before.company_id != after.company_id:
        moved = {"moved": [after.id, *parts], "company": after.company_id}
        await ctx.tx.run(_TAKE_RELATIONS, {"tenant": ctx.tenant_id, **moved})
        # A relation to what stays behind holds on.
        await ctx.tx.row(_NOW, changing=assets.name)


async def _move_along(ctx: Ctx, part: Asset, before: Asset, after: Asset) -> None:
    if before.company_id != after.company_id:
        changes = {"company_id": after.company_id, "location_id": after.location_id, "contact_id": after.contact_id}
    elif part.location_id == before.location_id:
        changes = {"location_id": after.location_id}
    else:
        return
    await crud.amend(ctx, ASSETS, part.id, changes)
    await place(ctx, part.id, company_id=after.company_id, location_id=after.location_id)


async def _known(ctx: Ctx, resource: Resource[R], field: str, given: Mapping[str, Any]) -> R | None:
    """Give what a field refers to, if it refers to anything; refuses what is not there or not to be seen."""
    wanted: UUID | None = given.get(field)
    if wanted is None:
        return None
    found = (await crud.fetch_many(ctx, resource, [wanted])).get(wanted)
    if found is None:
        message = f"There is no {resource.name.replace('_', ' ')} {wanted}."
        raise UnknownReferenceError(message, pointer=f"/{field}")
    return found
