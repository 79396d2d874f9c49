"""Where the ids of cards lead that were merged into others, for as long as the merge stands.

A card that was merged has no row any more, so that no list, count, search or reference has to know of it; only here its
id is known. Merging itself is `merging`.
"""

from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, Uuid, bindparam, select

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement, tenant_table

CardType = Literal["company", "contact", "location"]

# A row goes by the id that the card had.
card_redirects = tenant_table(
    "card_redirects",
    Column("card_type", Text, nullable=False),
    Column("winner_id", Uuid, nullable=False),
    Column("merge_id", Uuid, nullable=False),
    CheckConstraint("card_type IN ('company', 'contact', 'location')", name="card_type"),
    Index(None, "tenant_id", "winner_id"),
    versioned=False,
)

_tenant = bindparam("tenant", type_=Uuid())
_of_type = card_redirects.c.card_type == bindparam("card_type", type_=Text())
_first = (
    select(card_redirects.c.id, card_redirects.c.winner_id)
    .where(card_redirects.c.tenant_id == _tenant, _of_type, card_redirects.c.id == bindparam("card", type_=Uuid()))
    .cte("steps", recursive=True)
)
# A winner may have been merged itself. UNION, not UNION ALL: were there a ring after all, it would end.
_steps = _first.union(
    select(card_redirects.c.id, card_redirects.c.winner_id).where(
        card_redirects.c.tenant_id == _tenant, _of_type, card_redirects.c.id == _first.c.winner_id
    )
)
_again = card_redirects.alias("again")
_LAST = Statement(
    select(_steps.c.winner_id).where(
        ~select(_again.c.id).where(_again.c.tenant_id == _tenant, _again.c.id == _steps.c.winner_id).exists()
    )
)


def successor_of(card_type: CardType) -> Callable[[Ctx, UUID], Awaitable[UUID | None]]:
    """Make what tells which card stands for one that was merged, if it was."""

    async def find(ctx: Ctx, card_id: UUID) -> UUID | None:
        found: UUID | None = await ctx.tx.value(
            _LAST, {"tenant": ctx.tenant_id, "card_type": card_type, "card": card_id}
        )
        return found

    return find
