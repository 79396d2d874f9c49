"""Finding one page of a list by key (`WHERE (a, id) > (…)`), which costs the same at any depth.

What may be asked for is declared in `kit.listing`; where a page begins is a cursor (`kit.cursors`). The SQL of a list
depends only on its shape - which filters, which sort, which direction - and is compiled once per shape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, Select, and_, any_, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.cursors import binding_of, read_cursor, write_cursor
from helpdesk_api.kit.db import Query, Record
from helpdesk_api.kit.listing import COMPARISONS, Listing, PageQuery, Sort
from helpdesk_api.kit.schema import PageInfo, Total
from helpdesk_api.kit.sql import Statement, holds_any
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.kit.visibility import seen_rows

COUNT_LIMIT = 10_000
# Every combination of filters is a shape of its own, and clients choose them.
_MOST_SHAPES = 500


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one page, in the list's order, with its neighbours."""

    rows: list[Record]
    page: PageInfo
    total: Total | None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A condition that a caller narrows a list by beside its filters; `said` is how the caller said it."""

    where: ColumnElement[bool]
    said: Any


async def find_page(
    ctx: Ctx, listing: Listing, query: PageQuery, signer: Signer, *, narrowing: Narrowing | None = None, **within: Any
) -> Found:
    """Fetch one page of what the principal sees. `within` are conditions the caller cannot lift, by column name."""
    reach = ctx.principal.reach
    fixed = {"tenant_id": ctx.tenant_id, **within}
    order = listing.order(getattr(query, "sort", None))
    values = _filter_values(listing, query)
    binding = binding_of(listing, order, values, fixed if narrowing is None else fixed | {"": narrowing.said})
    start = read_cursor(signer, query.cursor, binding, order) if query.cursor else None
    backwards = start is not None and start.backwards
    shape = (
        tuple((sort.name, down) for sort, down in order),
        tuple(values),
        tuple(fixed),
        reach.kind,
        start is not None,
        backwards,
    )

    def conditions() -> list[ColumnElement[bool]]:
        own = _conditions(listing, tuple(values), tuple(fixed), reach.kind)
        return own if narrowing is None else [*own, narrowing.where]

    def written() -> Select[Any]:
        return _statement(listing, order, conditions(), keyed=start is not None, backwards=backwards)

    # The text of a narrowed one is kept by its form, where those of all statements are; its values are its own.
    statement: Query | None = written() if narrowing is not None else listing.statements.get(shape)
    if statement is None:
        if len(listing.statements) >= _MOST_SHAPES:
            listing.statements.clear()
        statement = listing.statements[shape] = Statement(written())
    params = {f"by_{name}": value for name, value in values.items()} | {f"in_{name}": v for name, v in fixed.items()}
    params |= reach.values
    params["page_limit"] = query.limit + 1
    if start is not None:
        params |= {f"key_{index}": value for index, value in enumerate(start.keys)}
    rows = await ctx.tx.rows(statement, params)
    more = len(rows) > query.limit
    del rows[query.limit :]
    if backwards:
        rows.reverse()

    has_next = rows and (more if not backwards else True)
    has_prev = rows and (start is not None if not backwards else more)
    return Found(
        rows=rows,
        page=PageInfo.trusted(
            {
                "next_cursor": write_cursor(signer, rows[-1], binding, order, back=False) if has_next else None,
                "prev_cursor": write_cursor(signer, rows[0], binding, order, back=True) if has_prev else None,
            }
        ),
        total=await _count(ctx, listing, params, conditions()) if query.include_total else None,
    )


def _filter_values(listing: Listing, query: PageQuery) -> dict[str, Any]:
    """Collect the filters that were given, under names that also tell the comparison."""
    given: dict[str, Any] = {}
    for item in listing.filters:
        for name in item.parameters:
            value = getattr(query, name)
            if value is not None and value != []:
                given[name] = item.wanted(value)
    return given


def _conditions(listing: Listing, given: Sequence[str], fixed: Sequence[str], kind: str) -> list[ColumnElement[bool]]:
    table = listing.key.table
    conditions = [table.c[name] == bindparam(f"in_{name}", type_=table.c[name].type) for name in fixed]
    conditions += [*listing.always, *seen_rows(listing.rows, kind)]
    for item in listing.filters:
        column = item.column
        if item.match == "range":
            conditions += [
                compare(column, bindparam(f"by_{item.name}__{name}", type_=column.type))
                for name, compare in COMPARISONS.items()
                if f"{item.name}__{name}" in given
            ]
        elif item.name in given:
            if item.member:
                conditions.append(holds_any(column, f"by_{item.name}"))
            elif item.match == "contains":
                conditions.append(column.overlap(bindparam(f"by_{item.name}", type_=column.type)))
            else:
                conditions.append(column == any_(bindparam(f"by_{item.name}", type_=ARRAY(column.type))))
    return conditions


def _statement(
    listing: Listing,
    order: Sequence[tuple[Sort, bool]],
    conditions: Sequence[ColumnElement[bool]],
    *,
    keyed: bool,
    backwards: bool,
) -> Select[Any]:
    # The id ends every order, in the direction of the last key: equal keys have one order and one index serves both.
    keys = [(sort.column, down != backwards) for sort, down in order]
    keys.append((listing.key, keys[-1][1]))
    hidden = [column for column, _ in keys if column.name not in {c.name for c in listing.columns}]
    statement = select(*listing.columns, *hidden).where(*conditions)
    if keyed:
        statement = statement.where(_beyond(keys))
    return statement.order_by(*(column.desc() if down else column.asc() for column, down in keys)).limit(
        bindparam("page_limit", type_=Integer)
    )


def _beyond(keys: Sequence[tuple[Column[Any], bool]]) -> ColumnElement[bool]:
    """Give the condition for rows after the cursor: a row comparison where all keys run one way, else its expansion."""
    values = [bindparam(f"key_{index}", type_=column.type) for index, (column, _) in enumerate(keys)]
    if len({down for _, down in keys}) == 1:
        left, right = func.row(*(column for column, _ in keys)), func.row(*values)
        return left < right if keys[0][1] else left > right
    return or_(
        *(
            and_(
                *(keys[before][0] == values[before] for before in range(index)),
                column < values[index] if down else column > values[index],
            )
            for index, (column, down) in enumerate(keys)
        )
    )


async def _count(
    ctx: Ctx, listing: Listing, params: Mapping[str, Any], conditions: Sequence[ColumnElement[bool]]
) -> Total:
    inner = (
        select(literal_column("1")).select_from(listing.key.table).where(*conditions).limit(COUNT_LIMIT + 1).subquery()
    )
    count = int(await ctx.tx.value(select(func.count()).select_from(inner), params))
    if count > COUNT_LIMIT:
        return Total.trusted({"count": COUNT_LIMIT, "relation": "gte"})
    return Total.trusted({"count": count, "relation": "eq"})
