"""What a caller may say about a list: filters, sort keys and page size; what is not declared is refused.

Finding the page that was asked for is `kit.paging`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Column, ColumnElement

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.schema import Instant
from helpdesk_api.kit.sql import Statement, as_held
from helpdesk_api.kit.visibility import RowRules

MAX_LIMIT = 200
COMPARISONS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "gte": lambda column, value: column >= value,
    "gt": lambda column, value: column > value,
    "lte": lambda column, value: column <= value,
    "lt": lambda column, value: column < value,
}


class UnknownSortError(InvalidError):
    """The list cannot be sorted by this."""

    code = "unknown_sort"
    title = "The list cannot be sorted by this"


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter that narrows a list. Repeating an `equals` or `contains` parameter means "any of".

    A list can be narrowed by a guarded field only by those who are shown it, unless the filter is a `lookup`: one that
    finds who has a value that the caller knows already, as when somebody rings. In a list of objects, what `contains`
    compares is one `member` of each.
    """

    name: str
    column: Column[Any]
    type: Any
    match: Literal["equals", "contains", "range"] = "equals"
    is_lookup: bool = False
    member: str = ""

    @property
    def parameters(self) -> list[str]:
        """Name the fields of the query model that this filter reads."""
        return [f"{self.name}__{comparison}" for comparison in COMPARISONS] if self.match == "range" else [self.name]

    def wanted(self, value: Any) -> Any:
        """Give what the statement compares with, for a value of one of the parameters."""
        return as_held({self.member: str(each)} for each in value) if self.member else value


@dataclass(frozen=True, slots=True)
class Sort:
    """A key that a list may be sorted by; it must never be null there, or rows would fall between pages.

    `is_filled` says that the list holds no rows where the column is null.
    """

    name: str
    column: Column[Any]
    type: Literal["instant", "text", "integer", "decimal"]
    is_filled: bool = False

    def __post_init__(self) -> None:
        """Refuse a column that may be null."""
        if self.column.nullable and not self.is_filled:
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
        Field(max_length=12_000, description="`next_cursor` or `prev_cursor` of another page of this list."),
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
    rows: RowRules
    # What holds for every row of the list, whoever looks.
    always: tuple[ColumnElement[bool], ...] = ()
    query_base: type[PageQuery] = PageQuery

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
                for comparison in COMPARISONS:
                    alias = f"{item.name}[{comparison}]"
                    fields[f"{item.name}__{comparison}"] = (item.type | None, Field(default=None, alias=alias))
            else:
                several = list.__class_getitem__(item.type)
                fields[item.name] = (
                    several,
                    Field(default=[], max_length=50, description="Repeat for any of several."),
                )
        return create_model("Query", __base__=self.query_base, **fields)

    @cached_property
    def statements(self) -> dict[Any, Statement]:
        """Keep the compiled SQL of this list, by shape; filled and emptied by `kit.paging`."""
        return {}

    def fields_of(self, query: PageQuery) -> dict[str, str]:
        """Give the columns that a query narrows the list by, but for those of lookups, by query parameter."""
        return {
            item.name: item.column.name
            for item in self.filters
            if not item.is_lookup and any(getattr(query, name) not in (None, []) for name in item.parameters)
        }

    def is_looked_up(self, query: PageQuery) -> bool:
        """Tell whether a query names values that somebody already knows, and does not page through what has them."""
        looked_up = any(getattr(query, name) for item in self.filters if item.is_lookup for name in item.parameters)
        return looked_up and query.cursor is None and not query.include_total

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


def created_and_updated(table: Any) -> tuple[Filter, ...]:
    """Give the two range filters that every stored object has."""
    return (
        Filter("created_at", table.c.created_at, Instant, "range"),
        Filter("updated_at", table.c.updated_at, Instant, "range"),
    )
