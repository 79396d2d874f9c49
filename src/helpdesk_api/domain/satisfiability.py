"""Whether a condition can hold at all: for values that its fields could have, found by trying those that matter.

The answer "it cannot" is certain. "It can" may be said of one that cannot: fields are looked at one by one, instants
that are fixed and instants told by their distance from now are not compared, and a condition with very many branches is
not followed to its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, combinations, pairwise
from typing import Any, Final
from uuid import UUID

from helpdesk_api.domain.conditions import (
    LISTING,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    FieldType,
    FromNow,
    Not,
    Operator,
    predicate_of,
)

_MOST_STEPS: Final = 2_000
_MOST_MEMBERS: Final = 8
_SOME_TIME: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_NOBODY: Final = UUID(int=0)


@dataclass(slots=True)
class Budget:
    """How much may be tried for several questions together; when it is used up, everything is possible."""

    steps_left: int


@dataclass(slots=True)
class _Search:
    """Comparisons that have to hold, or not, by field, and how long the search may go on."""

    steps_left: int
    literals: dict[str, list[tuple[Comparison, bool]]] = field(default_factory=dict)


def may_hold(condition: Condition, budget: Budget | None = None) -> bool:
    """Tell whether there are values for which a condition holds; False is certain."""
    allowed = _MOST_STEPS if budget is None else min(_MOST_STEPS, budget.steps_left)
    search = _Search(allowed)
    possible = _can(search, [(condition, True)])
    if budget is not None:
        budget.steps_left -= allowed - search.steps_left
    return possible


def implies(one: Condition, other: Condition) -> bool:
    """Tell whether the other holds whenever the one does; True is certain."""
    return not may_hold(AllOf((one, Not(other))))


def _can(search: _Search, wanted: list[tuple[Condition, bool]]) -> bool:
    """Tell whether all of these can be as wanted, together with the comparisons chosen so far."""
    search.steps_left -= 1
    if search.steps_left <= 0 or not wanted:
        return True
    *rest, (condition, holds) = wanted
    match condition:
        case Not(part):
            return _can(search, [*rest, (part, not holds)])
        case AllOf(parts) if holds:
            return _can(search, [*rest, *((part, True) for part in parts)])
        case AnyOf(parts) if not holds:
            return _can(search, [*rest, *((part, False) for part in parts)])
        case AllOf(parts) | AnyOf(parts):
            return any(_can(search, [*rest, (part, holds)]) for part in parts)
        case Comparison():
            chosen = search.literals.setdefault(condition.field.path, [])
            chosen.append((condition, holds))
            possible = _have_a_value(chosen) and _can(search, rest)
            chosen.pop()
            return possible


def _have_a_value(literals: list[tuple[Comparison, bool]]) -> bool:
    """Tell whether one field can have a value by which these comparisons hold, or do not, as they should."""
    first = literals[0][0].field
    candidates = _candidates(literals)
    if candidates is None:
        return True
    asked = [(predicate_of(comparison), holds) for comparison, holds in literals]
    values = chain([None] if first.is_nullable else [], candidates)
    return any(
        all(predicate({first.path: value}, _SOME_TIME) is holds for predicate, holds in asked) for value in values
    )


def _candidates(literals: list[tuple[Comparison, bool]]) -> Iterator[Any] | None:
    """Give values of which one fits if any does; None where that cannot be told."""
    kind = literals[0][0].field
    constants = list(_constants(literals))
    match kind.type:
        case FieldType.CHOICE | FieldType.LEVEL:
            return iter(kind.choices)
        case FieldType.REFERENCE:
            return iter([*constants, _NOBODY])
        case FieldType.INTEGER:
            return iter([near for constant in constants or [0] for near in (constant - 1, constant, constant + 1)])
        case FieldType.NUMBER:
            return _numbers(constants)
        case FieldType.DATE:
            return _dates(constants)
        case FieldType.INSTANT:
            return _instants(constants)
        case FieldType.TEXT:
            return iter(["", *_texts(literals)])
        case FieldType.SET:
            return _sets(constants, choices=kind.choices)


def _constants(literals: list[tuple[Comparison, bool]]) -> Iterator[Any]:
    for comparison, _ in literals:
        if comparison.operator in LISTING:
            yield from comparison.value
        elif comparison.operator is not Operator.IS_EMPTY:
            yield comparison.value


def _numbers(constants: list[Decimal]) -> Iterator[Decimal]:
    """Give every number that is named, and one below, between and above them."""
    named = sorted(constants or [Decimal(0)])
    yield from (named[0] - 1, *named, named[-1] + 1)
    yield from ((lower + upper) / 2 for lower, upper in pairwise(named))


def _dates(constants: list[str]) -> Iterator[str]:
    for named in constants or ["2026-03-02"]:
        day = date.fromisoformat(named)
        yield named
        yield (max(day, date.min + _DAY) - _DAY).isoformat()
        yield (min(day, date.max - _DAY) + _DAY).isoformat()


def _instants(constants: list[Any]) -> Iterator[datetime] | None:
    are_relative = {isinstance(constant, FromNow) for constant in constants}
    if len(are_relative) > 1:
        return None
    known = [_SOME_TIME + each.by if isinstance(each, FromNow) else each for each in constants] or [_SOME_TIME]
    return (near for instant in known for near in (instant - _TICK, instant, instant + _TICK))


def _texts(literals: list[tuple[Comparison, bool]]) -> Iterator[str]:
    """Give every text that is named, and one that holds all that has to be held and as little else as possible."""
    named = [str(constant) for constant in _constants(literals)]
    yield from named
    used = set("".join(named))
    between = next(character for character in map(chr, range(0xE000, 0xF8FF)) if character not in used)
    held = [comparison for comparison, holds in literals if holds]
    starts = [each.value for each in held if each.operator is Operator.STARTS_WITH]
    parts = [each.value for each in held if each.operator is Operator.CONTAINS]
    yield between.join([max(starts, key=len, default=""), *parts, ""])


def _sets(constants: list[Any], *, choices: tuple[str, ...]) -> Iterator[list[str]] | None:
    members = sorted({str(constant) for constant in constants})
    if len(members) > _MOST_MEMBERS:
        return None
    others = [choice for choice in choices if choice not in members][:1] if choices else ["\N{REPLACEMENT CHARACTER}"]
    known = [*members, *others]
    return (list(some) for size in range(len(known) + 1) for some in combinations(known, size))
