"""Taking a merge back from its snapshot: the cards come back under their ids, and what followed goes back to them.

What was changed since stays as it is, and what came since stays with the winner. Versions go on and never back, so who
keeps a copy sees every step. The last merge into a card is taken back first.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table, delete, null, select

from helpdesk_api.directory.card_redirects import card_redirects
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.upserting import check_reach
from helpdesk_api.domain.errors import ConflictError, NotFoundError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.hierarchy import line_of, take_tree
from helpdesk_api.kit.resource import Resource
from helpdesk_api.merging.cards import KINDS, PARENT, CardKind, part
from helpdesk_api.merging.following import LATER, NOW, follow_back, put_back
from helpdesk_api.merging.mentions import rename_back
from helpdesk_api.merging.merges import MERGES, Merge, merges
from helpdesk_api.merging.pointers import TOLD, Absorption, parts


class MergeNotUndoableError(ConflictError):
    """The merge was undone already, a person of it was erased, or what came since stands in the way; `params` say."""

    code = "merge_not_undoable"
    title = "The merge cannot be undone"


async def undo(ctx: Ctx, merge_id: UUID) -> Merge:
    """Take a merge back.

    Raises ReachTooNarrowError, NotFoundError, MergedError when the winner was merged itself, MergeNotUndoableError, and
    StillReferencedError when something refers both to what goes back and to what stays.
    """
    check_reach(ctx)
    merged = await crud.fetch_locked(ctx, MERGES, merge_id)
    kind = next(each for name, each in KINDS.items() if name == merged.card_type)
    await _check(ctx, merged, kind.resource)
    snapshot = await ctx.tx.value(
        select(merges.c.snapshot).where(merges.c.tenant_id == ctx.tenant_id, merges.c.id == merge_id)
    )
    await ctx.tx.rows(LATER)
    for absorbed in reversed(snapshot["losers"]):
        await _restore(ctx, kind, merged, absorbed)
    await ctx.tx.row(NOW, changing=kind.resource.table.name)
    undone = await crud.store_changes(
        ctx, MERGES, merged, {"state": "undone", "undone_at": ctx.now, "snapshot": null()}
    )
    changes = {"state": ("merged", "undone"), "undone_at": (None, undone.undone_at)}
    record(ctx, "merge.undone", object_id=merge_id, version=undone.version, changes=changes)
    return undone


async def _check(ctx: Ctx, merged: Merge, resource: Resource[Any]) -> None:
    if merged.state != "merged":
        message = "It was undone already." if merged.state == "undone" else "A person of it was erased since."
        raise MergeNotUndoableError(message, params={"state": merged.state})
    if resource is COMPANIES:
        await take_tree(ctx, resource)
    try:
        await crud.fetch_locked(ctx, resource, merged.winner_id)
    except NotFoundError as missing:
        message = f"The {resource.name} {merged.winner_id} was deleted since."
        raise MergeNotUndoableError(message, params={"deleted": str(merged.winner_id)}) from missing
    later = await ctx.tx.value(
        select(merges.c.id)
        .where(
            merges.c.tenant_id == ctx.tenant_id,
            merges.c.winner_id == merged.winner_id,
            merges.c.state == "merged",
            merges.c.id > merged.id,
        )
        .order_by(merges.c.id.desc())
        .limit(1)
    )
    if later is not None:
        message = f"The merge {later} into the same card came later; undo it first."
        raise MergeNotUndoableError(message, params={"later_merge_id": str(later)})


async def _restore(ctx: Ctx, kind: CardKind, merged: Merge, absorbed: dict[str, Any]) -> None:
    """Bring one card back, and to it what followed the winner."""
    resource, table, loser_id = kind.resource, kind.resource.table, UUID(absorbed["card"]["id"])
    step = Absorption(table, loser_id, merged.winner_id, merged.id)
    await ctx.tx.run(
        delete(card_redirects).where(card_redirects.c.tenant_id == ctx.tenant_id, card_redirects.c.id == loser_id)
    )
    # One more was told when it went.
    card = absorbed["card"] | {"version": absorbed["card"]["version"] + 2, "updated_at": ctx.now.isoformat()}
    await put_back(ctx, table, [await _without_missing(ctx, resource, card)])
    for each, _ in parts(table):
        await put_back(ctx, each, await _present(ctx, each, absorbed["along"].get(each.name, [])))
    await part(ctx, kind, absorbed["winner"], step)
    await follow_back(ctx, step, absorbed)
    await rename_back(ctx, step, absorbed["mentions"])
    if resource is COMPANIES:
        await _check_tree(ctx, loser_id, step.winner_id)
    restored = await crud.fetch(ctx, resource, loser_id)
    record(
        ctx,
        f"{resource.name}.restored",
        object_id=loser_id,
        version=restored.version,
        changes=crud.initial(resource, restored),
        data=step.cause | {"merged_into": str(step.winner_id)},
    )


async def _without_missing(ctx: Ctx, resource: Resource[Any], card: dict[str, Any]) -> dict[str, Any]:
    """Take out of a card what it refers to and is not there any more; what was merged since is where it went."""
    kept = dict(card)
    for column, target in _simple_references(resource.table):
        value = kept[column.name]
        if value is not None and not await _is_there(ctx, target, UUID(value)):
            known = TOLD.get(target.name)
            successor = None if known is None or known.successor is None else await known.successor(ctx, UUID(value))
            kept[column.name] = None if successor is None else str(successor)
    for listed in resource.reference_lists:
        found = await crud.fetch_many(ctx, listed.resource, listed.ids(kept[listed.column]))
        pairs = zip(kept[listed.column], listed.ids(kept[listed.column]), strict=True)
        kept[listed.column] = [each for each, listed_id in pairs if listed_id in found]
    return kept


async def _present(ctx: Ctx, table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out rows of which something that they refer to is not there any more."""
    for column, target in _simple_references(table):
        wanted = {UUID(row[column.name]) for row in rows if row[column.name] is not None}
        found = {str(each) for each in wanted if await _is_there(ctx, target, each)}
        rows = [row for row in rows if row[column.name] is None or row[column.name] in found]
    return rows


def _simple_references(table: Table) -> list[tuple[Column[Any], Table]]:
    return [
        (element.parent, element.column.table)
        for key in table.foreign_key_constraints
        if len(key.elements) == len(("tenant_id", "id"))
        for element in key.elements
        if element.column.name == "id"
    ]


async def _is_there(ctx: Ctx, table: Table, row_id: UUID) -> bool:
    found = await ctx.tx.value(select(table.c.id).where(table.c.tenant_id == ctx.tenant_id, table.c.id == row_id))
    return found is not None


async def _check_tree(ctx: Ctx, *company_ids: UUID) -> None:
    """Refuse a tree in which, because of what was changed since, a company would stand above itself."""
    for company_id in company_ids:
        company = await crud.fetch(ctx, COMPANIES, company_id)
        above = company.parent_company_id
        if above is not None and company_id in await line_of(ctx, COMPANIES, above, PARENT):
            message = f"The company {company_id} would stand above itself; give a company above it another parent."
            raise MergeNotUndoableError(message, params={"company_id": str(company_id)})
