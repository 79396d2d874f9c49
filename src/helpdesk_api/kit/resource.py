"""What the mechanisms need to know about one kind of stored object: table, models, lists, and who sees which rows.

It only describes. What is done with such objects is `kit.crud`, which endpoints they have `kit.resource_routes`.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, ScalarSelect, Table, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from starlette.requests import Request

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import flattened_changes, grouped_fields
from helpdesk_api.kit.listing import Filter, Listing, PageQuery, Sort, created_and_updated
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.quotas import TenantQuota
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import FieldGroup, RowRules, field_groups, seen_rows, shown_changes

R = TypeVar("R", bound=Entity)
Watch = Callable[[Request, Ctx, Sequence[Entity]], Awaitable[None]]
Successor = Callable[[Ctx, UUID], Awaitable[UUID | None]]
# Reads what a query says of a list beyond its declared filters and sort keys; gives the list and the condition for it.
Refine = Callable[[Ctx, Listing, PageQuery, Narrowing | None], Awaitable[tuple[Listing, Narrowing | None]]]


@dataclass(frozen=True)
class Include:
    """A related object that may be sent along: the column that points at it and what it is."""

    name: str
    column: str
    resource: "Resource[Any]"

    @property
    def part(self) -> str:
        """Name the part of `included` that holds such objects."""
        return self.resource.plural.replace("-", "_")


@dataclass(frozen=True)
class ReferenceList:
    """A field that lists other objects, by their ids or as objects of which one `member` is the id.

    The list itself stands in its column. A row of `links` for each of them, from its `owner` to its `target`, lets the
    database refuse what is not there, and hold on to what is.
    """

    column: str
    resource: "Resource[Any]"
    links: Table
    owner: str
    target: str
    member: str = ""

    def ids(self, listed: Sequence[Any]) -> list[UUID]:
        """Give the ids of what is listed."""
        return [UUID(str(each[self.member] if self.member else each)) for each in listed]

    def pointer(self, index: int) -> str:
        """Give the place of an id in a body."""
        return "/".join(["", self.column, str(index), *([self.member] if self.member else [])])


@dataclass(frozen=True, eq=False)
class Resource(Generic[R]):
    """Everything the mechanisms need to know about one kind of stored object.

    `name` is the singular used in events, `plural` the path segment, the tag and the first half of its scopes.
    `example` is one whole object as the API shows it; documentation and examples of requests are made from it.
    """

    name: str
    plural: str
    table: Table
    read: type[R]
    example: Mapping[str, Any]
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    default_sort: str = "-created_at"
    includes: tuple[Include, ...] = ()
    reference_lists: tuple[ReferenceList, ...] = ()
    # Which rows are seen by those who do not see all; none, unless it is said.
    rows: RowRules = dataclasses.field(default_factory=dict)
    # Whether listing them in bulk, not narrowed by a lookup, is a permission of its own: `<plural>:list`.
    guards_lists: bool = False
    # The query parameters that its lists have beside those for its filters, and what they mean.
    query_base: type[PageQuery] = PageQuery
    refine: Refine | None = None
    # Who is told what is read of them, whether by itself, in a list, or along with what refers to it.
    watch: Watch | None = None
    # What the statement that stores a new object computes by itself; it may use the bind parameter `of_tenant`.
    computed: Mapping[str, ScalarSelect[Any]] = dataclasses.field(default_factory=dict)
    # How many a tenant may have; `activates` names the flag that makes one count which did not before.
    quota: TenantQuota | None = None
    activates: str | None = None
    # Which object stands for one that is not there any more, if another does.
    successor: Successor | None = None

    def __post_init__(self) -> None:
        """Refuse to sort by a guarded field: the order would tell what is not shown."""
        if guarded := [sort.name for sort in self.sorts if sort.column.name in self.groups]:
            message = f"{self.plural} cannot be sorted by {guarded}, which not everybody is shown"
            raise TypeError(message)

    @cached_property
    def columns(self) -> tuple[Column[Any], ...]:
        """Give the columns that the API shows, in the order of the read model."""
        return tuple(self.table.c[name] for name in self.read.model_fields if name in self.table.c)

    @cached_property
    def listing(self) -> Listing:
        """Describe the list of these objects; every one can be filtered and sorted by its times."""
        return Listing(
            columns=self.columns,
            tenant=self.table.c.tenant_id,
            key=self.table.c.id,
            filters=(*self.filters, *created_and_updated(self.table)),
            sorts=(
                Sort("created_at", self.table.c.created_at, "instant"),
                Sort("updated_at", self.table.c.updated_at, "instant"),
                *self.sorts,
            ),
            default_sort=self.default_sort,
            rows=self.rows,
            query_base=self.query_base,
        )

    @cached_property
    def groups(self) -> Mapping[str, FieldGroup]:
        """Give the field groups that fields belong to, by field."""
        return field_groups(self.read)

    @cached_property
    def grouped(self) -> frozenset[str]:
        """Name the fields that hold values of several field groups."""
        return grouped_fields(self.read)

    def shown_changes(self, changes: dict[str, Any], held: frozenset[str]) -> dict[str, Any]:
        """Give of recorded changes what whoever holds these field groups is shown."""
        return flattened_changes(shown_changes(changes, self.groups, held), self.grouped, held)

    @cached_property
    def _statements(self) -> dict[tuple[str, str], Statement]:
        return {}

    def by_id(self, kind: str, *, is_locked: bool = False) -> Statement:
        """Fetch one of the rows that a kind of reach sees, and perhaps keep others from changing it meanwhile."""
        name = ("locked" if is_locked else "one", kind)
        if name not in self._statements:
            found = select(*self.columns).where(*self._key, *seen_rows(self.rows, kind))
            self._statements[name] = Statement(found.with_for_update() if is_locked else found)
        return self._statements[name]

    def by_ids(self, kind: str) -> Statement:
        """Fetch several of the rows that a kind of reach sees."""
        name = ("several", kind)
        if name not in self._statements:
            ids = bindparam("ids", type_=ARRAY(self.table.c.id.type))
            tenant = self.table.c.tenant_id == bindparam("tenant")
            self._statements[name] = Statement(
                select(*self.columns).where(tenant, self.table.c.id == any_(ids), *seen_rows(self.rows, kind))
            )
        return self._statements[name]

    def seen_by(self, kind: str) -> tuple[ColumnElement[bool], ...]:
        """Give what a statement of its own must add for a kind of reach."""
        return seen_rows(self.rows, kind)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.table.c.tenant_id == bindparam("tenant"), self.table.c.id == bindparam("key")

    def missing(self, object_id: UUID) -> NotFoundError:
        """Word the refusal for an id that is not there, or not to be seen."""
        return NotFoundError(f"There is no {self.name.replace('_', ' ')} {object_id}.", params={"id": str(object_id)})
