"""What a condition means to the database: the same as `domain.conditions` says for values in memory.

A comparison with a value that is missing is NULL in SQL, and NULL counts as "does not fit": at the top, within AND and
within OR that is what SQL does anyway, so indexes stay usable; only a NOT has to ask whether its part `IS NOT TRUE`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Text, and_, any_, false, func, literal, or_, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.conditions import (
    LARGE_LETTERS,
    SMALL_LETTERS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    FieldType,
    FromNow,
    Not,
    Operator,
)

Columns = Mapping[str, ColumnElement[Any]]


def sql_condition(condition: Condition, columns: Columns, *, now: datetime) -> ColumnElement[bool]:
    """Give a condition as a part of WHERE; `columns` are the expressions of its fields, by path."""
    match condition:
        case AllOf(parts):
            return and_(true(), *(sql_condition(part, columns, now=now) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(sql_condition(part, columns, now=now) for part in parts))
        case Not(part):
            return sql_condition(part, columns, now=now).self_group().is_not(true())
        case Comparison():
            return _comparison(condition, columns[condition.field.path], now)


def _comparison(comparison: Comparison, column: ColumnElement[Any], now: datetime) -> ColumnElement[bool]:
    match comparison.field.type:
        case FieldType.SET:
            return _SETS[comparison.operator](column, comparison.value)
        case FieldType.TEXT if comparison.operator is Operator.IS_EMPTY:
            return func.coalesce(column, "") == ""
        case FieldType.TEXT:
            small = func.translate(column, LARGE_LETTERS, SMALL_LETTERS, type_=Text)
            return _TEXT[comparison.operator](small, comparison.value)
        case FieldType.LEVEL if comparison.operator in _ORDERED:
            choices = list(comparison.field.choices)
            rank = func.array_position(literal(choices, ARRAY(Text)), column, type_=BigInteger)
            return _ORDERED[comparison.operator](rank, literal(choices.index(comparison.value) + 1, BigInteger))
        case _:
            return _single(comparison, column, now)


def _single(comparison: Comparison, column: ColumnElement[Any], now: datetime) -> ColumnElement[bool]:
    value: Any = now + comparison.value.by if isinstance(comparison.value, FromNow) else comparison.value
    match comparison.operator:
        case Operator.IS_EMPTY:
            return column.is_(None)
        case Operator.IN:
            return column == any_(literal(list(value), ARRAY(column.type)))
        case Operator.EQ:
            return column == literal(value, column.type)
        case Operator.NE:
            return column.is_distinct_from(literal(value, column.type))
        case operator:
            return _ORDERED[operator](column, literal(value, column.type))


_Compared = Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
_ORDERED: Final[Mapping[Operator, _Compared]] = {
    Operator.GT: lambda column, value: column > value,
    Operator.GTE: lambda column, value: column >= value,
    Operator.LT: lambda column, value: column < value,
    Operator.LTE: lambda column, value: column <= value,
}
_TEXT: Final[Mapping[Operator, _Compared]] = {
    Operator.EQ: lambda column, value: column == literal(value, Text),
    Operator.NE: lambda column, value: column.is_distinct_from(literal(value, Text)),
    Operator.IN: lambda column, value: column == any_(literal(list(value), ARRAY(Text))),
    Operator.CONTAINS: lambda column, value: func.strpos(column, literal(value, Text)) > 0,
    Operator.STARTS_WITH: lambda column, value: func.starts_with(column, literal(value, Text)),
}
_SETS: Final[Mapping[Operator, _Compared]] = {
    Operator.IS_EMPTY: lambda column, _: func.coalesce(func.cardinality(column), 0) == 0,
    Operator.CONTAINS: lambda column, value: column.op("@>", is_comparison=True)(literal([value], ARRAY(Text))),
    Operator.CONTAINS_ANY: lambda column, value: column.op("&&", is_comparison=True)(literal(list(value), ARRAY(Text))),
    Operator.CONTAINS_ALL: lambda column, value: column.op("@>", is_comparison=True)(literal(list(value), ARRAY(Text))),
}
