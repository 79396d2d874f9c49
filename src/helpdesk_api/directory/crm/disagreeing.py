"""What a source says and may not: one conflict for each field of a card, open until somebody decides or both agree.

What was decided stays decided: the same value sent again opens nothing, another one does. Events tell of which field
of which card it is, never of the values. Reading and deciding is `directory.crm.conflicts`.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue
from pydantic_core import to_jsonable_python
from sqlalchemy import bindparam, insert, select

from helpdesk_api.directory.crm.fields import CARD_COLUMNS, Card
from helpdesk_api.directory.crm.models import sync_conflicts
from helpdesk_api.directory.crm.ownership import Settled, Withheld, Writer
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import Changes, record
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import Statement


class SyncConflict(Entity):
    """A field of a card of which a source says something else than the desk, which it does not own."""

    source: str
    company_id: UUID | None
    contact_id: UUID | None
    location_id: UUID | None
    field: Annotated[str, Field(description="A custom field goes by `custom_fields.<key>`.", examples=["category"])]
    ours: Annotated[JsonValue, Field(description="What the card holds now; null for who is not shown the field.")]
    theirs: Annotated[JsonValue, Field(description="What the source sent last; null for who is not shown the field.")]
    source_updated_at: Annotated[AwareDatetime | None, Field(description="As of when that is its state.")]
    state: Annotated[str, Field(examples=["open", "resolved"])]
    resolution: Annotated[
        str | None,
        Field(description="`ours`, `theirs`, or `agreed`: both say the same by now.", examples=["ours", None]),
    ]

    @property
    def card(self) -> Card:
        """Name the card."""
        return next(Card(plural, found) for plural, name in CARD_COLUMNS.items() if (found := getattr(self, name)))


SYNC_CONFLICTS = Resource(
    name="sync_conflict",
    plural="sync-conflicts",
    table=sync_conflicts,
    read=SyncConflict,
    example={
        "source": "crm",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "contact_id": None,
        "location_id": None,
        "field": "category",
        "ours": "VIP",
        "theirs": "Standard",
        "source_updated_at": "2026-11-23T08:59:12Z",
        "state": "open",
        "resolution": None,
    },
    filters=(
        Filter("source", sync_conflicts.c.source, str),
        Filter("state", sync_conflicts.c.state, Literal["open", "resolved"]),
        Filter("company_id", sync_conflicts.c.company_id, UUID),
        Filter("contact_id", sync_conflicts.c.contact_id, UUID),
        Filter("location_id", sync_conflicts.c.location_id, UUID),
    ),
)


def _known(column: str) -> Statement:
    of_card = sync_conflicts.c[column] == bindparam("card")
    of_source = sync_conflicts.c.source == bindparam("source")
    of_tenant = sync_conflicts.c.tenant_id == bindparam("tenant")
    return Statement(select(*SYNC_CONFLICTS.columns).where(of_tenant, of_source, of_card))


_KNOWN: Final = {plural: _known(column) for plural, column in CARD_COLUMNS.items()}


async def note_conflicts(ctx: Ctx, card: Card, settled: Settled, writer: Writer) -> None:
    """Open, renew or end the conflicts of a card that the caller has locked, by what its source has sent."""
    if not settled.guarded:
        return
    about = {"tenant": ctx.tenant_id, "source": writer.source, "card": card.id}
    known = {each.field: each for each in await ctx.tx.all(SyncConflict, _KNOWN[card.plural], about)}
    for each in settled.guarded:
        before = known.get(each.field)
        if each not in settled.withheld:
            if before is not None and before.state == "open":
                await end_conflict(ctx, before, "agreed")
        elif before is None:
            await _open(ctx, card, each, writer)
        elif before.theirs != (theirs := to_jsonable_python(each.theirs)):
            values = {"theirs": theirs, "source_updated_at": writer.at, "state": "open", "resolution": None}
            after = await crud.store_changes(ctx, SYNC_CONFLICTS, before, values)
            changes: Changes = {} if before.state == "open" else {"state": (before.state, "open")}
            record(ctx, "sync_conflict.updated", object_id=before.id, version=after.version, changes=changes)


async def end_conflict(ctx: Ctx, before: SyncConflict, resolution: str) -> SyncConflict:
    """Note how a conflict ended that the caller has locked."""
    values = {"state": "resolved", "resolution": resolution}
    after = await crud.store_changes(ctx, SYNC_CONFLICTS, before, values)
    changes: Changes = {name: (getattr(before, name), value) for name, value in values.items()}
    record(ctx, "sync_conflict.resolved", object_id=before.id, version=after.version, changes=changes)
    return after


async def _open(ctx: Ctx, card: Card, withheld: Withheld, writer: Writer) -> None:
    conflict_id = new_id()
    told: dict[str, Any] = {"source": writer.source, "field": withheld.field, "state": "open", **card.columns}
    row = told | {
        "tenant_id": ctx.tenant_id,
        "id": conflict_id,
        "theirs": to_jsonable_python(withheld.theirs),
        "source_updated_at": writer.at,
        "created_at": ctx.now,
        "updated_at": ctx.now,
        "version": 1,
    }
    await ctx.tx.run(insert(sync_conflicts).values(row))
    changes: Changes = {name: (None, value) for name, value in told.items() if value is not None}
    record(ctx, "sync_conflict.created", object_id=conflict_id, version=1, changes=changes)
