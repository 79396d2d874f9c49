"""Provenance: by whom each field of a card was last written, when, and as which version of the card.

It is kept for cards that a declared source knows, and follows every path that writes one. A source is noted with the
time of its state, the desk with that of the change.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from helpdesk_api.directory.crm.fields import Card
from helpdesk_api.directory.crm.models import card_provenance
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement

_FIND = Statement(
    select(card_provenance.c.fields).where(
        card_provenance.c.tenant_id == bindparam("tenant"), card_provenance.c.id == bindparam("card")
    )
)
_insertion = insert(card_provenance).values(
    {name: bindparam(name) for name in ("tenant_id", "id", "company_id", "contact_id", "location_id")}
    | {"fields": bindparam("fields", type_=JSONB)}
)
_NOTE = Statement(
    _insertion.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={"fields": card_provenance.c.fields.concat(_insertion.excluded.fields)},
    )
)


class Written(NamedTuple):
    """Who wrote a field, and as of when; no source is the desk. The version is that of the card it led to."""

    source: str | None
    at: datetime
    version: int = 0

    def is_after(self, other: "Written") -> bool:
        """Tell which of two is the newer, in one order for everybody."""
        return (self.at, self.source or "") > (other.at, other.source or "")


async def written_by(ctx: Ctx, card_id: UUID) -> dict[str, Written]:
    """Give what is known of the fields of a card."""
    found = await ctx.tx.value(_FIND, {"tenant": ctx.tenant_id, "card": card_id})
    return {
        name: Written(each["source"], datetime.fromisoformat(each["at"]), each["version"])
        for name, each in (found or {}).items()
    }


async def note(ctx: Ctx, card: Card, names: Iterable[str], written: Written, *, version: int) -> None:
    """Note who wrote some fields of a card that the caller has locked, or just created."""
    about = {"source": written.source, "at": written.at.isoformat(), "version": version}
    fields = dict.fromkeys(names, about)
    if fields:
        await ctx.tx.run(_NOTE, {"tenant_id": ctx.tenant_id, "id": card.id, "fields": fields, **card.columns})
