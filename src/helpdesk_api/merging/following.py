"""Letting what points at a card follow it into another one, and back again.

Rows follow in sets; of those that are told to receivers, each has an event of its own. Whatever a row is with, such as
a ticket with a place, comes along or holds it: the foreign keys are looked at when everything has followed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, and_, any_, delete, func, literal, or_, select, text, true, update
from sqlalchemy import column as column_of
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.sql.sqltypes import Uuid

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.merging.pointers import TOLD, Absorption, Companion, Pointer, pointers

MOST_MOVED: Final = 10_000
LATER: Final = text("SET CONSTRAINTS ALL DEFERRED")
NOW: Final = text("SET CONSTRAINTS ALL IMMEDIATE")

Rows = list[dict[str, Any]]


class TooMuchToMergeError(ConflictError):
    """More refers to the card than follows in one go."""

    code = "too_much_to_merge"
    title = "Too much refers to the card"


async def follow(ctx: Ctx, step: Absorption) -> dict[str, Any]:
    """Point what points at one card at another; gives which rows those were, and those that were in the way.

    The caller has deferred the constraints. Raises TooMuchToMergeError.
    """
    moved: dict[str, list[str]] = {}
    dropped: dict[str, Rows] = {}
    # A row that is one too many goes when nothing refers to it any more.
    for pointer in sorted(pointers(step.card), key=lambda each: bool(each.unique)):
        for others in pointer.unique:
            rows = await _drop(ctx, pointer, others, step)
            dropped.setdefault(pointer.table.name, []).extend(rows)
        # Whose parent the winner is stays to be decided: the winner cannot be its own.
        is_other = pointer.table.c.id != step.winner_id if pointer.table is step.card else true()
        ids = await _point(ctx, pointer, (step.loser_id, step.winner_id), is_other, step.cause)
        moved[pointer.name] = [str(each) for each in ids]
        if sum(map(len, moved.values())) > MOST_MOVED:
            message = f"More than {MOST_MOVED:,} rows refer to the card {step.loser_id}."
            raise TooMuchToMergeError(message, params={"most": MOST_MOVED})
    return {
        "moved": {name: ids for name, ids in moved.items() if ids},
        "dropped": {name: rows for name, rows in dropped.items() if rows},
    }


async def follow_back(ctx: Ctx, step: Absorption, followed: Mapping[str, Any]) -> None:
    """Point what followed at the card that it came from, as far as it still points at the winner.

    What came since stays with the winner, unless it is at a place, or about an asset, that goes back.
    """
    for pointer in pointers(step.card):
        await put_back(ctx, pointer.table, followed["dropped"].get(pointer.table.name, []))
        ids = [UUID(each) for each in followed["moved"].get(pointer.name, [])]
        goes = pointer.table.c.id == any_(literal(ids, ARRAY(Uuid())))
        holds = [_belongs(pointer, each, step.loser_id) for each in pointer.companions]
        comes_along = [~_belongs(pointer, each, step.winner_id) for each in pointer.companions]
        condition = and_(or_(goes, *comes_along), *holds)
        await _point(ctx, pointer, (step.winner_id, step.loser_id), condition, step.cause)


async def taken(ctx: Ctx, table: Table, condition: ColumnElement[bool]) -> Rows:
    """Read rows whole, as a snapshot keeps them."""
    shown = func.to_jsonb(table.table_valued(), type_=JSONB)
    rows = await ctx.tx.rows(select(shown).where(table.c.tenant_id == ctx.tenant_id, condition).order_by(table.c.id))
    return [row[0] for row in rows]


async def put_back(ctx: Ctx, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows of a snapshot again, but for those that are there."""
    if not rows:
        return
    columns = [each for each in table.c if each.computed is None]
    given = func.jsonb_to_recordset(literal(list(rows), JSONB)).table_valued(
        *(column_of(each.name, each.type) for each in columns)
    )
    kept = given.render_derived(with_types=True)
    names = [each.name for each in columns]
    source = select(*(kept.c[name] for name in names))
    await ctx.tx.run(insert(table).from_select(names, source).on_conflict_do_nothing())


async def _drop(ctx: Ctx, pointer: Pointer, others: Sequence[str], step: Absorption) -> Rows:
    """Remove the rows of the loser of which the winner has one already."""
    table = pointer.table
    same = table.alias("same")
    of_winner = select(same.c.id).where(
        same.c.tenant_id == ctx.tenant_id,
        same.c[pointer.column] == step.winner_id,
        *(same.c[name] == table.c[name] for name in others),
    )
    condition = and_(table.c[pointer.column] == step.loser_id, of_winner.exists())
    rows = await taken(ctx, table, condition)
    if rows:
        await ctx.tx.run(delete(table).where(table.c.tenant_id == ctx.tenant_id, condition))
    return rows


async def _point(
    ctx: Ctx, pointer: Pointer, ids: tuple[UUID, UUID], condition: ColumnElement[bool], cause: dict[str, Any]
) -> list[UUID]:
    """Point rows at another card: from the first of two ids to the second."""
    old, new = ids
    table = pointer.table
    values: dict[str, Any] = {pointer.column: new}
    shown: list[Column[Any]] = [table.c.id]
    if "version" in table.c:
        values |= {"version": table.c.version + 1, "updated_at": ctx.now}
        shown.append(table.c.version)
    rows = await ctx.tx.rows(
        update(table)
        .where(table.c.tenant_id == ctx.tenant_id, table.c[pointer.column] == old, condition)
        .values(values)
        .returning(*shown)
    )
    resource = TOLD.get(table.name)
    if resource is None:
        return [row["id"] for row in rows]
    for row in rows:
        record(
            ctx,
            f"{resource.name}.updated",
            object_id=row["id"],
            version=row["version"],
            changes={pointer.column: (str(old), str(new))},
            data=cause,
        )
    return [row["id"] for row in rows]


def _belongs(pointer: Pointer, companion: Companion, card_id: UUID) -> ColumnElement[bool]:
    """Give the condition that a row may point at a card, as far as what it is with is concerned."""
    own, table = pointer.table.c[companion.column], companion.table
    held = select(table.c.id).where(
        table.c.tenant_id == pointer.table.c.tenant_id,
        table.c[companion.key] == own,
        table.c[companion.pointer] == card_id,
    )
    return or_(own.is_(None), held.exists())
