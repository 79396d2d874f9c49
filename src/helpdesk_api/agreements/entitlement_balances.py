"""How much is left under a contract: all its entitlements at an instant, by one statement."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import DateTime, bindparam, func, select, true

from helpdesk_api.agreements.entitlement_tables import entitlement_entries, entitlements
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement

_MOST: Final = 100

_entry = entitlement_entries.c
_last = (
    select((_entry.available + _entry.rolled_over).label("amount"))
    .where(
        _entry.tenant_id == entitlements.c.tenant_id,
        _entry.entitlement_id == entitlements.c.id,
        _entry.occurred_at <= bindparam("at", type_=DateTime(timezone=True)),
    )
    .order_by(_entry.occurred_at.desc(), _entry.number.desc())
    .limit(1)
    .lateral("last")
)
_LEFT: Final = Statement(
    select(
        entitlements.c.id.label("entitlement_id"),
        *(entitlements.c[name] for name in ("name", "kind", "currency")),
        func.coalesce(_last.c.amount, 0).label("left"),
        (entitlements.c.overage == "allow").label("allows_overage"),
    )
    .select_from(entitlements.outerjoin(_last, true()))
    .where(entitlements.c.tenant_id == bindparam("tenant"), entitlements.c.contract_id == bindparam("contract"))
    .order_by(entitlements.c.created_at, entitlements.c.id)
    .limit(_MOST)
)


class LeftOfEntitlement(Output):
    """How much of an entitlement may still be used."""

    entitlement_id: UUID
    name: str
    kind: Annotated[str, Field(examples=["hours"])]
    currency: str | None
    left: Annotated[int, Field(description="In the smallest unit, such as minutes or cents.")]
    allows_overage: bool


async def left_under(ctx: Ctx, contract_id: UUID, at: datetime) -> list[LeftOfEntitlement]:
    """Read what is left of each entitlement of a contract, the oldest first, up to a hundred."""
    return await ctx.tx.all(LeftOfEntitlement, _LEFT, {"tenant": ctx.tenant_id, "contract": contract_id, "at": at})
