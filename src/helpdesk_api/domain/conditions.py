"""Conditions: a small typed language over fields, the same for search, webhooks and rules.

A condition is a tree of `all`, `any` and `not` over comparisons of one field with a value. It is two-valued: a field
without a value fits no comparison but `ne` and `is_empty`, and `not` turns exactly that around. Here is what it means
for values in memory; `kit.condition_sql` says the same to the database, and a test compares the two. Reading one from
JSON, with its refusals, is `domain.condition_reading`; which fields there are is said by who offers them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class FieldType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    LEVEL = "level"
    REFERENCE = "reference"
    INSTANT = "instant"
    SET = "set"


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"
    IS_EMPTY = "is_empty"


_ORDER: Final = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE)
_SAME: Final = (Operator.EQ, Operator.NE, Operator.IN)
OPERATORS: Final[Mapping[FieldType, tuple[Operator, ...]]] = {
    FieldType.TEXT: (*_SAME, Operator.CONTAINS, Operator.STARTS_WITH, Operator.IS_EMPTY),
    FieldType.INTEGER: (*_SAME, *_ORDER),
    FieldType.NUMBER: (*_SAME, *_ORDER),
    # As it is written, `2026-03-02`: its order is that of the text.
    FieldType.DATE: (*_SAME, *_ORDER),
    FieldType.CHOICE: _SAME,
    FieldType.LEVEL: (*_SAME, *_ORDER),
    FieldType.REFERENCE: _SAME,
    FieldType.INSTANT: _ORDER,
    FieldType.SET: (Operator.CONTAINS, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL, Operator.IS_EMPTY),
}
LISTING: Final = frozenset({Operator.IN, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL})

# Text is compared without regard to case. Databases and languages disagree about the case of rare letters, so those
# that count are written down: Latin, Greek and Cyrillic ones that have one small letter.
_CASED: Final = [
    character
    for block in (range(0x41, 0x5B), range(0xC0, 0x180), range(0x370, 0x400), range(0x400, 0x530))
    for character in map(chr, block)
    if len(character.lower()) == 1 and character.lower() != character
]
LARGE_LETTERS: Final = "".join(_CASED)
SMALL_LETTERS: Final = "".join(character.lower() for character in _CASED)
_FOLDING: Final = str.maketrans(LARGE_LETTERS, SMALL_LETTERS)


@dataclass(frozen=True, slots=True)
class Field:
    """Something that conditions can ask about. The `choices` of a level stand in their order, lowest first."""

    path: str
    type: FieldType
    meaning: str
    is_nullable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def operators(self) -> tuple[Operator, ...]:
        """Give the comparisons that make sense for it."""
        known = OPERATORS[self.type]
        return (*known, Operator.IS_EMPTY) if self.is_nullable and Operator.IS_EMPTY not in known else known


@dataclass(frozen=True, slots=True)
class FromNow:
    """An instant told by its distance from whenever the condition is asked."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared with a value: folded text, a number, a choice, an id, an instant, or a tuple of such."""

    field: Field
    operator: Operator
    value: Any = None


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


Condition = AllOf | AnyOf | Not | Comparison

# The values of the fields, by path; what is missing has no value.
Facts = Mapping[str, Any]
Predicate = Callable[[Facts, datetime], bool]
ALWAYS: Final = AllOf(())


def folded(text: str) -> str:
    """Give the form of a text in which large and small letters are the same."""
    return text.translate(_FOLDING)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Give the comparisons of a condition, as they stand."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons(part)
        case Not(part):
            yield from comparisons(part)
        case Comparison():
            yield condition


def paths_of(condition: Condition) -> frozenset[str]:
    """Name the fields that a condition asks about."""
    return frozenset(comparison.field.path for comparison in comparisons(condition))


def predicate_of(condition: Condition) -> Predicate:
    """Make a function of a condition that tells whether facts satisfy it at an instant."""
    match condition:
        case AllOf(parts):
            every = [predicate_of(part) for part in parts]
            return lambda facts, now: all(holds(facts, now) for holds in every)
        case AnyOf(parts):
            some = [predicate_of(part) for part in parts]
            return lambda facts, now: any(holds(facts, now) for holds in some)
        case Not(part):
            inner = predicate_of(part)
            return lambda facts, now: not inner(facts, now)
        case Comparison():
            return _comparing(condition)


def _comparing(comparison: Comparison) -> Predicate:
    path, kind = comparison.field.path, comparison.field.type
    match comparison.operator:
        case Operator.IS_EMPTY:
            return lambda facts, _: facts.get(path) in (None, "", [])
        case Operator.CONTAINS_ANY:
            any_of: frozenset[str] = frozenset(comparison.value)
            return lambda facts, _: not any_of.isdisjoint(_members(facts, path))
        case Operator.CONTAINS_ALL:
            all_of: frozenset[str] = frozenset(comparison.value)
            return lambda facts, _: all_of.issubset(_members(facts, path))
        case Operator.CONTAINS if kind is FieldType.SET:
            member = comparison.value
            return lambda facts, _: member in _members(facts, path)
        case Operator.NE:
            same = _matching(comparison, Operator.EQ)
            return lambda facts, now: not same(facts, now)
        case _:
            return _matching(comparison, comparison.operator)


def _members(facts: Facts, path: str) -> Collection[str]:
    found: Collection[str] | None = facts.get(path)
    return () if found is None else found


def _matching(comparison: Comparison, operator: Operator) -> Predicate:
    """Compare a single value; one that is missing never fits."""
    path, compare, wanted = comparison.field.path, _COMPARED[operator], comparison.value
    present = _presented(comparison.field)
    if isinstance(wanted, FromNow):
        by = wanted.by
        return lambda facts, now: (value := facts.get(path)) is not None and compare(value, now + by)
    if comparison.field.type is FieldType.LEVEL:
        wanted = tuple(map(present, wanted)) if operator is Operator.IN else present(wanted)

    def holds(facts: Facts, now: datetime) -> bool:
        del now
        value = facts.get(path)
        return value is not None and compare(present(value), wanted)

    return holds


def _presented(field: Field) -> Callable[[Any], Any]:
    """Give how a value of a field is looked at: text without case, a level by its rank."""
    if field.type is FieldType.TEXT:
        return folded
    if field.type is FieldType.LEVEL:
        return {choice: rank for rank, choice in enumerate(field.choices)}.__getitem__
    return _as_it_is


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    return value


_COMPARED: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: lambda value, wanted: bool(value == wanted),
    Operator.IN: lambda value, wanted: value in wanted,
    Operator.GT: lambda value, wanted: bool(value > wanted),
    Operator.GTE: lambda value, wanted: bool(value >= wanted),
    Operator.LT: lambda value, wanted: bool(value < wanted),
    Operator.LTE: lambda value, wanted: bool(value <= wanted),
    Operator.CONTAINS: lambda value, wanted: wanted in value,
    Operator.STARTS_WITH: lambda value, wanted: value.startswith(wanted),
}
