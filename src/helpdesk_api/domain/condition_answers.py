"""Why a condition holds or does not: the answer of each of its comparisons, by its place in the tree.

Every comparison is asked, also where the condition as a whole was decided before; so nobody has to guess the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from helpdesk_api.domain.conditions import AllOf, AnyOf, Comparison, Condition, Facts, Not, predicate_of


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether one comparison holds; `pointer` leads to it within the condition."""

    pointer: str
    path: str
    holds: bool


def answers_of(condition: Condition, facts: Facts, now: datetime) -> list[Answer]:
    """Ask every comparison of a condition."""
    return list(_asked(condition, facts, now, ""))


def _asked(condition: Condition, facts: Facts, now: datetime, pointer: str) -> Iterator[Answer]:
    match condition:
        case AllOf(parts):
            for index, part in enumerate(parts):
                yield from _asked(part, facts, now, f"{pointer}/all/{index}")
        case AnyOf(parts):
            for index, part in enumerate(parts):
                yield from _asked(part, facts, now, f"{pointer}/any/{index}")
        case Not(part):
            yield from _asked(part, facts, now, f"{pointer}/not")
        case Comparison():
            yield Answer(pointer, condition.field.path, predicate_of(condition)(facts, now))
