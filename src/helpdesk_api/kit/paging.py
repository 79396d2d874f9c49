"""Lists: declared filters and sort keys, keyset paging, signed cursors.

A resource declares which columns may be filtered and sorted; anything else is refused. Pages are found by key (`WHERE
(a, id) > (…)`) and so cost the same at any depth. A cursor is bound to the sort and filters it was made for. The SQL
of a list depends only on its shape - which filters, which sort, which direction - and is compiled once per shape.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_jsonable_python
from sqlalchemy import Column, ColumnElement, Integer, Select, and_, any_, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import GoneError, InvalidError, MalformedError
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.schema import Instant, PageInfo, Total
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import Signer

MAX_LIMIT = 200
COUNT_LIMIT = 10_000
_CURSOR_LIFE = timedelta(days=90)
_CURSOR = "cursor"
_COMPARISONS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "gte": lambda column, value: column >= value,
    "gt": lambda column, value: column > value,
    "lte": lambda column, value: column <= value,
    "lt": lambda column, value: column < value,
}


class CursorMismatchError(MalformedError):
    """The cursor belongs to a list with other filters or another sort, or is not one of ours."""

    code = "cursor_mismatch"
    title = "The cursor does not belong to this list"


class CursorExpiredError(GoneError):
    """The cursor is too old; start again from the first page."""

    code = "cursor_expired"
    title = "The cursor has expired"


class UnknownSortError(InvalidError):
    """The list cannot be sorted by this."""

    code = "unknown_sort"
    title = "The list cannot be sorted by this"


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter that narrows a list. Repeating an `equals` or `contains` parameter means "any of"."""

    name: str
    column: Column[Any]
    type: Any
    match: Literal["equals", "contains", "range"] = "equals"

    @property
    def parameters(self) -> list[str]:
        """Name the fields of the query model that this filter reads."""
        return [f"{self.name}__{comparison}" for comparison in _COMPARISONS] if self.match == "range" else [self.name]


@dataclass(frozen=True, slots=True)
class Sort:
    """A key that a list may be sorted by; the column must never be null, or rows would fall between pages."""

    name: str
    column: Column[Any]
    type: Literal["instant", "text", "integer"]

    def __post_init__(self) -> None:
        """Refuse a nullable column."""
        if self.column.nullable:
            message = f"{self.column} may be null and cannot be paged by"
            raise TypeError(message)


def _at_most_a_page(value: int) -> int:
    return min(value, MAX_LIMIT)


Limit = Annotated[
    int,
    Field(ge=1, description="How many to return; above 200 means 200."),
    AfterValidator(_at_most_a_page),
]


class PageQuery(BaseModel):
    """The query parameters that every list has."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Annotated[
        str | None,
        Field(max_length=2_000, description="`next_cursor` or `prev_cursor` of another page of this list."),
    ] = None
    include_total: Annotated[bool, Field(description="Also count the matches, up to 10,000.")] = False


@dataclass(frozen=True)
class Listing:
    """A list that can be paged: where its rows come from and what a caller may say about it."""

    columns: tuple[Column[Any], ...]
    tenant: Column[Any]
    key: Column[Any]
    filters: tuple[Filter, ...]
    sorts: tuple[Sort, ...]
    default_sort: str

    @cached_property
    def query_model(self) -> type[PageQuery]:
        """Build the model of the list's query parameters."""
        names = [sort.name for sort in self.sorts]
        fields: dict[str, Any] = {
            "sort": (
                str | None,
                Field(
                    default=None,
                    max_length=200,
                    description=(
                        f"Comma-separated keys, `-` for descending. Keys: {', '.join(names)}. "
                        f"Default: `{self.default_sort}`."
                    ),
                    examples=[self.default_sort],
                ),
            )
        }
        for item in self.filters:
            if item.match == "range":
                for comparison in _COMPARISONS:
                    alias = f"{item.name}[{comparison}]"
                    fields[f"{item.name}__{comparison}"] = (item.type | None, Field(default=None, alias=alias))
            else:
                several = list.__class_getitem__(item.type)
                fields[item.name] = (
                    several,
                    Field(default=[], max_length=50, description="Repeat for any of several."),
                )
        return create_model("Query", __base__=PageQuery, **fields)

    @cached_property
    def _statements(self) -> dict[Any, Statement]:
        return {}

    def order(self, text: str | None) -> tuple[tuple[Sort, bool], ...]:
        """Read a sort such as `-priority,created_at` into keys and whether each descends."""
        known = {sort.name: sort for sort in self.sorts}
        chosen: list[tuple[Sort, bool]] = []
        for part in (text or self.default_sort).split(","):
            name = part.strip().removeprefix("-")
            if name not in known or any(sort.name == name for sort, _ in chosen):
                message = f"Sort by one or more of {', '.join(known)}, each once; not by {name[:60]!r}."
                raise UnknownSortError(message, pointer="/sort", location="query")
            chosen.append((known[name], part.strip().startswith("-")))
        return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one page, in the list's order, with its neighbours."""

    rows: list[Record]
    page: PageInfo
    total: Total | None


async def find_page(
    transaction: Transaction, listing: Listing, query: PageQuery, signer: Signer, fixed: Mapping[str, Any]
) -> Found:
    """Fetch one page. `fixed` are conditions the caller cannot lift, by column name: always the tenant."""
    order = listing.order(getattr(query, "sort", None))
    values = _filter_values(listing, query)
    binding = _fingerprint(listing, order, values, fixed)
    start = _read_cursor(signer, query.cursor, binding, order) if query.cursor else None
    backwards = start is not None and start.backwards
    shape = (
        tuple((sort.name, down) for sort, down in order),
        tuple(values),
        tuple(fixed),
        start is not None,
        backwards,
    )
    statement = listing._statements.get(shape)  # noqa: SLF001 - the cache belongs to this function.
    if statement is None:
        statement = listing._statements[shape] = Statement(  # noqa: SLF001 - as above.
            _statement(listing, order, tuple(values), tuple(fixed), keyed=start is not None, backwards=backwards)
        )
    params = {f"by_{name}": value for name, value in values.items()} | {f"in_{name}": v for name, v in fixed.items()}
    params["page_limit"] = query.limit + 1
    if start is not None:
        params |= {f"key_{index}": value for index, value in enumerate(start.keys)}
    rows = await transaction.rows(statement, params)
    more = len(rows) > query.limit
    del rows[query.limit :]
    if backwards:
        rows.reverse()

    def cursor(row: Record, *, back: bool) -> str:
        keys = [to_jsonable_python(row[sort.column.name]) for sort, _ in order] + [str(row["id"])]
        made = int(datetime.now(UTC).timestamp())
        return signer.sign(_CURSOR, json.dumps([binding, back, made, keys], separators=(",", ":")).encode())

    has_next = rows and (more if not backwards else True)
    has_prev = rows and (start is not None if not backwards else more)
    return Found(
        rows=rows,
        page=PageInfo.trusted(
            {
                "next_cursor": cursor(rows[-1], back=False) if has_next else None,
                "prev_cursor": cursor(rows[0], back=True) if has_prev else None,
            }
        ),
        total=await _count(transaction, listing, params, tuple(values), tuple(fixed)) if query.include_total else None,
    )


def _filter_values(listing: Listing, query: PageQuery) -> dict[str, Any]:
    """Collect the filters that were given, under names that also tell the comparison."""
    given: dict[str, Any] = {}
    for item in listing.filters:
        for name in item.parameters:
            value = getattr(query, name)
            if value is not None and value != []:
                given[name] = value
    return given


def _conditions(listing: Listing, given: Sequence[str], fixed: Sequence[str]) -> list[ColumnElement[bool]]:
    table = listing.key.table
    conditions = [table.c[name] == bindparam(f"in_{name}", type_=table.c[name].type) for name in fixed]
    for item in listing.filters:
        column = item.column
        if item.match == "range":
            conditions += [
                compare(column, bindparam(f"by_{item.name}__{name}", type_=column.type))
                for name, compare in _COMPARISONS.items()
                if f"{item.name}__{name}" in given
            ]
        elif item.name in given:
            if item.match == "contains":
                conditions.append(column.overlap(bindparam(f"by_{item.name}", type_=column.type)))
            else:
                conditions.append(column == any_(bindparam(f"by_{item.name}", type_=ARRAY(column.type))))
    return conditions


def _statement(
    listing: Listing,
    order: Sequence[tuple[Sort, bool]],
    given: Sequence[str],
    fixed: Sequence[str],
    *,
    keyed: bool,
    backwards: bool,
) -> Select[Any]:
    # The id ends every order, in the direction of the last key: equal keys have one order and one index serves both.
    keys = [(sort.column, down != backwards) for sort, down in order]
    keys.append((listing.key, keys[-1][1]))
    hidden = [column for column, _ in keys if column.name not in {c.name for c in listing.columns}]
    statement = select(*listing.columns, *hidden).where(*_conditions(listing, given, fixed))
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


@dataclass(frozen=True, slots=True)
class _Start:
    keys: list[Any]
    backwards: bool


def _fingerprint(
    listing: Listing, order: Sequence[tuple[Sort, bool]], values: Mapping[str, Any], fixed: Mapping[str, Any]
) -> str:
    keys = [(sort.name, down) for sort, down in order]
    text = json.dumps([str(listing.key), keys, to_jsonable_python(values), to_jsonable_python(fixed)])
    return hashlib.blake2s(text.encode(), digest_size=9).hexdigest()


def _read_cursor(signer: Signer, text: str, binding: str, order: Sequence[tuple[Sort, bool]]) -> _Start:
    payload = signer.verify(_CURSOR, text)
    found = None if payload is None else json.loads(payload)
    if found is None or found[0] != binding:
        message = "The cursor was made for another list, sort or filter, or is damaged; start from the first page."
        raise CursorMismatchError(message, pointer="/cursor", location="query")
    _, backwards, made, keys = found
    if datetime.now(UTC) - datetime.fromtimestamp(made, UTC) > _CURSOR_LIFE:
        message = "The cursor is older than 90 days; start from the first page."
        raise CursorExpiredError(message, pointer="/cursor", location="query")
    typed = [
        datetime.fromisoformat(value) if sort.type == "instant" else value
        for (sort, _), value in zip(order, keys[:-1], strict=True)
    ]
    return _Start(keys=[*typed, UUID(keys[-1])], backwards=backwards)


async def _count(
    transaction: Transaction, listing: Listing, params: Mapping[str, Any], given: Sequence[str], fixed: Sequence[str]
) -> Total:
    inner = (
        select(literal_column("1")).select_from(listing.key.table).where(*_conditions(listing, given, fixed))
        .limit(COUNT_LIMIT + 1).subquery()
    )  # fmt: skip
    count = int(await transaction.value(select(func.count()).select_from(inner), params))
    if count > COUNT_LIMIT:
        return Total.trusted({"count": COUNT_LIMIT, "relation": "gte"})
    return Total.trusted({"count": count, "relation": "eq"})


def created_and_updated(table: Any) -> tuple[Filter, ...]:
    """Give the two range filters that every stored object has."""
    return (
        Filter("created_at", table.c.created_at, Instant, "range"),
        Filter("updated_at", table.c.updated_at, Instant, "range"),
    )
