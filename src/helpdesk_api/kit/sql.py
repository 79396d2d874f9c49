"""SQL as values: the metadata, the shape every tenant-owned table shares, and statements compiled once.

SQLAlchemy Core describes; nothing here executes. `compiled` turns a Core statement into PostgreSQL text and an
argument list, remembering the text under SQLAlchemy's own cache key, so that a statement of a known shape costs a
look-up. Running it is `kit.db`.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Constraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, Insert, insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.schema import ColumnCollectionConstraint
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy left its annotation out.
_CACHE_LIMIT = 2_000
_cache: dict[Any, tuple[SQLCompiler, str, tuple[str, ...]]] = {}


class Statement:
    """A Core statement compiled at import time: the cheapest way to run SQL that never changes its shape."""

    __slots__ = ("defaults", "names", "text")

    def __init__(self, source: ClauseElement) -> None:
        compiler, self.text, self.names = _compile(source)
        self.defaults: Mapping[str, Any] = {
            name: compiler.binds[name].effective_value for name in self.names if not compiler.binds[name].required
        }


def _compile(source: ClauseElement, key: CacheKey | None = None) -> tuple[SQLCompiler, str, tuple[str, ...]]:
    # With its cache key a compiled statement can later be given the values of another one of the same shape.
    compiler = source._compiler(_dialect, cache_key=key)  # noqa: SLF001 - `compile()` takes no cache key.
    if not isinstance(compiler, SQLCompiler):
        message = f"{type(source).__name__} is not a statement that takes arguments"
        raise TypeError(message)
    if compiler.post_compile_params:
        # An IN list expands to a new text for every length; `= ANY(:array)` has one text and one plan.
        message = f"use = ANY(:array) instead of IN: {compiler.string}"
        raise TypeError(message)
    return compiler, compiler.string, tuple(compiler.positiontup or ())


def compiled(source: Statement | ClauseElement, params: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
    """Give the text of a statement and its positional arguments; `params` fill the named bind parameters."""
    if isinstance(source, Statement):
        if not params:
            return source.text, [source.defaults[name] for name in source.names]
        defaults = source.defaults
        return source.text, [params[name] if name in params else defaults[name] for name in source.names]
    key = source._generate_cache_key()  # noqa: SLF001 - SQLAlchemy offers its statement key under no public name.
    if key is None:
        compiler, text, names = _compile(source)
        values = compiler.construct_params(params)
    else:
        hit = _cache.get(key.key)
        if hit is None:
            if len(_cache) >= _CACHE_LIMIT:
                _cache.clear()
            hit = _cache[key.key] = _compile(source, key)
        compiler, text, names = hit
        values = compiler.construct_params(params, extracted_parameters=key.bindparams)
    return text, [values[name] for name in names]


def tenant_table(name: str, *items: Column[Any] | Constraint | Index, versioned: bool = True) -> Table:
    """Declare a table whose rows belong to a tenant: key `(tenant_id, id)`, and its bookkeeping when `versioned`.

    The migration that creates it calls `tenant_owned(...)` in SQL for the row-level security; a catalog test compares.
    There is no foreign key to `tenants`: every insert would lock that one row, and row-level security already admits
    the tenant only.
    """
    bookkeeping: list[Column[Any]] = []
    if versioned:
        bookkeeping = [
            Column("created_at", DateTime(timezone=True), nullable=False),
            Column("updated_at", DateTime(timezone=True), nullable=False),
            Column("version", Integer, nullable=False, server_default="1"),
        ]
    return Table(
        name,
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("id", Uuid, nullable=False),
        *(item for item in items if isinstance(item, Column)),
        *bookkeeping,
        PrimaryKeyConstraint("tenant_id", "id"),
        *(item for item in items if not isinstance(item, Column)),
    )


def reference(column: str, table: str, **options: Any) -> ForeignKeyConstraint:
    """Point a column at a table of the same tenant; the composite key cannot reach a foreign tenant's row."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.id"], **options)


def insert_many(table: Table, columns: Sequence[str], *, as_text: Collection[str] = ()) -> Insert:
    """Build an insert that takes one array per column, so that any number of rows is one statement with one text.

    The parameters are named after the columns. Columns that are arrays themselves cannot be given this way, and what is
    an array in JSON only `as_text`: an array of arrays has more dimensions, not longer elements.
    """
    arrays = [unnested(table, name, is_text=name in as_text).label(name) for name in columns]
    return insert(table).from_select(list(columns), select(*arrays))


def holds_any(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Give the condition that a list in JSON holds an object with all the members of one of those given.

    The parameter of this name is made by `as_held`: an array of arrays would have more dimensions, not longer elements.
    """
    given = cast(bindparam(name, type_=ARRAY(Text)), ARRAY(JSONB))
    return column.bool_op("@>")(any_(given))


def as_held(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give what `holds_any` compares with."""
    return [json.dumps([each]) for each in objects]


def unnested(table: Table, name: str, *, is_text: bool = False) -> ColumnElement[Any]:
    """Give the rows of an array for a column, which is a parameter of the name of the column."""
    kind = table.c[name].type
    if is_text:
        return cast(func.unnest(bindparam(name, type_=ARRAY(Text))), kind)
    return func.unnest(bindparam(name, type_=ARRAY(kind)))


@lru_cache(maxsize=1)
def constraint_columns() -> Mapping[str, tuple[str, ...]]:
    """Map each constraint and index to its columns without the tenant, for pointing at the field to blame."""
    return {
        _dialect.identifier_preparer.format_constraint(item) or "": tuple(
            column.name for column in item.columns if column.name != "tenant_id"
        )
        for table in metadata.tables.values()
        for item in [*table.constraints, *table.indexes]
        if isinstance(item, ColumnCollectionConstraint | Index)
    }
