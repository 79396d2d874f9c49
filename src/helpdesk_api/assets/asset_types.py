"""Asset types: kinds of equipment, and by which of its numbers a piece of each kind is told apart.

The database holds every asset to the rules of its type: an asset carries them along, and refers to its type and to them
at once (`assets.assets`).
"""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Boolean, Column, Index, Text, UniqueConstraint, Uuid, bindparam, column, func, select, table

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Flag, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import Statement, tenant_table

asset_types = tenant_table(
    "asset_types",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("serial_is_unique", Boolean, nullable=False),
    Column("inventory_is_unique", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "name"),
    # An asset refers to its type and to the rules of it at once.
    UniqueConstraint("tenant_id", "serial_is_unique", "inventory_is_unique", "id", name="uq_asset_types_rules"),
    Index(None, "tenant_id", "created_at", "id"),
)


class AssetTypeCreate(Input):
    """A new asset type."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    serial_is_unique: Annotated[
        Flag, Field(description="No two assets of this type have one serial number; also of those that are there.")
    ] = False
    inventory_is_unique: Annotated[
        Flag, Field(description="No two assets of this type have one inventory number; also of those that are there.")
    ] = False


class AssetType(Entity):
    """A kind of equipment."""

    name: str
    description: str | None
    serial_is_unique: bool
    inventory_is_unique: bool


ASSET_TYPES = Resource(
    name="asset_type",
    plural="asset-types",
    table=asset_types,
    read=AssetType,
    example={
        "name": "Label printer",
        "description": "Thermal printers at docks and counters.",
        "serial_is_unique": True,
        "inventory_is_unique": False,
    },
    filters=(Filter("name", asset_types.c.name, str),),
    sorts=(Sort("name", asset_types.c.name, "text"),),
    rows=SHARED,
)

# Only what is compared: the table of assets refers to this one.
_ASSETS = table(
    "assets",
    *(column(name, Uuid) for name in ("tenant_id", "asset_type_id")),
    *(column(name, Text) for name in ("serial_number", "inventory_number")),
)
_NUMBERS = {"serial_is_unique": "serial_number", "inventory_is_unique": "inventory_number"}
_REPEATED = {
    rule: Statement(
        select(_ASSETS.c[number])
        .where(
            _ASSETS.c.tenant_id == bindparam("tenant"),
            _ASSETS.c.asset_type_id == bindparam("type"),
            _ASSETS.c[number].is_not(None),
        )
        .group_by(_ASSETS.c[number])
        .having(func.count() > 1)
        .order_by(_ASSETS.c[number])
        .limit(1)
    )
    for rule, number in _NUMBERS.items()
}


class RepeatedNumberError(ConflictError):
    """Assets of the type share a number that is to be unique from now on."""

    code = "repeated_number"
    title = "Assets of this type share a number"


async def check_rules(ctx: Ctx, given: dict[str, Any], before: AssetType | None) -> dict[str, Any]:
    """Refuse a rule that the assets of the type do not keep; raises RepeatedNumberError."""
    for rule, number in _NUMBERS.items():
        if before is None or given.get(rule) is not True:
            continue
        repeated = await ctx.tx.value(_REPEATED[rule], {"tenant": ctx.tenant_id, "type": before.id})
        if repeated is not None:
            message = f"Several assets of this type have the {number} {repeated}."
            raise RepeatedNumberError(message, pointer=f"/{rule}")
    return given


router = routes(ASSET_TYPES, create=AssetTypeCreate, update=patch_model(AssetTypeCreate), check=check_rules)
