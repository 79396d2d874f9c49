"""Where assets have been: one placement for every stay with a client at a place, one after the other.

The last one is open. Who is shown a placement sees the company that the asset was with then, so the client who has an
asset now is not told who had it before. Tickets of an earlier client keep naming the asset: they refer to it by way of
the clients that it has ever been with.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    Uuid,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint, insert

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Listing, Sort
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement, reference, tenant_table

asset_placements = tenant_table(
    "asset_placements",
    Column("asset_id", Uuid, nullable=False),
    Column("company_id", Uuid),
    Column("location_id", Uuid),
    Column("since_at", DateTime(timezone=True), nullable=False),
    Column("until_at", DateTime(timezone=True)),
    CheckConstraint("until_at >= since_at", name="in_order"),
    reference("asset_id", "assets", ondelete="CASCADE"),
    reference("company_id", "companies"),
    ForeignKeyConstraint(
        ["tenant_id", "company_id", "location_id"],
        ["locations.tenant_id", "locations.company_id", "locations.id"],
        deferrable=True,
        initially="IMMEDIATE",
    ),
    # An asset is at one place at a time.
    ExcludeConstraint(
        (text("tenant_id"), "="),
        (text("asset_id"), "="),
        (func.tstzrange(text("since_at"), text("until_at")), "&&"),
        name="ex_asset_placements_one_place_at_a_time",
        using="gist",
    ),
    Index(None, "tenant_id", "asset_id", "since_at", "id"),
    Index(None, "tenant_id", "company_id", "location_id"),
    versioned=False,
)

# The clients that an asset is or has been with: what a ticket that names it refers to.
asset_companies = tenant_table(
    "asset_companies",
    Column("asset_id", Uuid, nullable=False),
    Column("company_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "company_id", "asset_id"),
    reference("asset_id", "assets", ondelete="CASCADE"),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "asset_id"),
    versioned=False,
)


class AssetPlacement(Output):
    """A stay of an asset with a client, at a place."""

    id: UUID
    asset_id: UUID
    company_id: Annotated[UUID | None, Field(description="Whose it was; null: the service company's own.")]
    location_id: UUID | None
    since_at: AwareDatetime
    until_at: Annotated[AwareDatetime | None, Field(description="When it was moved on; null: it is there now.")]


PLACEMENTS: Final = Listing(
    columns=tuple(asset_placements.c[name] for name in AssetPlacement.model_fields),
    tenant=asset_placements.c.tenant_id,
    key=asset_placements.c.id,
    filters=(),
    sorts=(Sort("since_at", asset_placements.c.since_at, "instant"),),
    default_sort="-since_at",
    rows=rows_of(company=asset_placements.c.company_id),
)

_END = Statement(
    update(asset_placements)
    .where(
        asset_placements.c.tenant_id == bindparam("tenant"),
        asset_placements.c.asset_id == bindparam("asset"),
        asset_placements.c.until_at.is_(None),
    )
    # The clocks of two servers are never quite the same, and a stay must not end before it began.
    .values(until_at=func.greatest(bindparam("at", type_=DateTime(timezone=True)), asset_placements.c.since_at))
    .returning(asset_placements.c.until_at)
)
_at = bindparam("at", type_=DateTime(timezone=True))
_WHERE = Statement(
    select(asset_placements.c.company_id, asset_placements.c.location_id).where(
        asset_placements.c.tenant_id == bindparam("tenant"),
        asset_placements.c.asset_id == bindparam("asset"),
        asset_placements.c.since_at <= _at,
        or_(asset_placements.c.until_at.is_(None), asset_placements.c.until_at > _at),
    )
)
_NAME_CLIENT = Statement(
    insert(asset_companies)
    .values({name: bindparam(name) for name in ("tenant_id", "id", "asset_id", "company_id")})
    .on_conflict_do_nothing(index_elements=["tenant_id", "company_id", "asset_id"])
)


class AssetNotOfCompanyError(InvalidError):
    """The asset is not, or not any more, one of the company that it is named for."""

    code = "asset_not_of_company"
    title = "The asset is not one of this company"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """With whom an asset is, and where; without a company with the service company itself."""

    company_id: UUID | None
    location_id: UUID | None


async def whereabouts(ctx: Ctx, asset_id: UUID, at: datetime) -> Whereabouts | None:
    """Tell where an asset was at an instant; nothing is known of the time before it was registered."""
    row = await ctx.tx.row(_WHERE, {"tenant": ctx.tenant_id, "asset": asset_id, "at": at})
    return None if row is None else Whereabouts(row["company_id"], row["location_id"])


async def place(ctx: Ctx, asset_id: UUID, *, company_id: UUID | None, location_id: UUID | None) -> None:
    """Begin a stay, and end the one before it."""
    ended_at = await ctx.tx.value(_END, {"tenant": ctx.tenant_id, "asset": asset_id, "at": ctx.now})
    owned = {"tenant_id": ctx.tenant_id, "asset_id": asset_id, "company_id": company_id}
    await ctx.tx.run(
        insert(asset_placements).values(
            id=new_id(), location_id=location_id, since_at=ended_at or ctx.now, until_at=None, **owned
        )
    )
    if company_id is not None:
        await ctx.tx.run(_NAME_CLIENT, owned | {"id": new_id()})
