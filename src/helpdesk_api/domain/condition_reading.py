"""Reading a condition from JSON, against the fields that may be asked about; says exactly where it is wrong.

What a condition means is `domain.conditions`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from helpdesk_api.domain.conditions import (
    LISTING,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Field,
    FieldType,
    FromNow,
    Not,
    Operator,
    folded,
)
from helpdesk_api.domain.errors import InvalidError

MOST_LEVELS: Final = 8
MOST_COMPARISONS: Final = 100
MOST_VALUES: Final = 200
LONGEST_TEXT: Final = 500
_FARTHEST: Final = timedelta(days=3_660)
_INT8: Final = 2**63
_SHAPES: Final = frozenset({("all",), ("any",), ("not",), ("field", "op"), ("field", "op", "value")})
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})")


class InvalidConditionError(InvalidError):
    """A condition is one of `all`, `any`, `not`, or `field`, `op` and `value`."""

    code = "invalid_condition"
    title = "The condition is not one"


class ConditionTooLargeError(InvalidError):
    """A condition may be eight levels deep and make a hundred comparisons."""

    code = "condition_too_large"
    title = "The condition is too large"


class UnknownConditionFieldError(InvalidError):
    """There is no such field, or it cannot be asked about here; `GET /v1/condition-fields` lists them."""

    code = "unknown_condition_field"
    title = "The condition asks about a field that is not there"


class ImpossibleComparisonError(InvalidError):
    """The operator does not go with the type of the field."""

    code = "impossible_comparison"
    title = "The field cannot be compared like this"


class InvalidConditionValueError(InvalidError):
    """The value is not one that the field could have."""

    code = "invalid_condition_value"
    title = "The field cannot have this value"


@dataclass(slots=True)
class _Reading:
    """What has been read so far of one condition."""

    fields: Mapping[str, Field]
    comparison_count: int = field(default=0)


def read_condition(given: Mapping[str, Any], fields: Mapping[str, Field], *, pointer: str) -> Condition:
    """Read a condition that stands at `pointer` of a body; `fields` are those that it may ask about."""
    return _read(_Reading(fields), given, pointer, level=1)


def _read(reading: _Reading, given: Any, pointer: str, *, level: int) -> Condition:  # noqa: ANN401 - JSON.
    if level > MOST_LEVELS:
        message = f"A condition may be {MOST_LEVELS} levels deep."
        raise ConditionTooLargeError(message, pointer=pointer, params={"most_levels": MOST_LEVELS})
    if not isinstance(given, Mapping) or tuple(sorted(given)) not in _SHAPES:
        message = "A condition has one of all, any and not, or else field, op and value."
        raise InvalidConditionError(message, pointer=pointer)
    if "not" in given:
        return Not(_read(reading, given["not"], f"{pointer}/not", level=level + 1))
    for name, made in (("all", AllOf), ("any", AnyOf)):
        if name in given:
            parts = given[name]
            if not isinstance(parts, Sequence) or isinstance(parts, str):
                raise InvalidConditionError(f"{name} is a list of conditions.", pointer=f"{pointer}/{name}")
            return made(
                tuple(
                    _read(reading, part, f"{pointer}/{name}/{index}", level=level + 1)
                    for index, part in enumerate(parts)
                )
            )
    reading.comparison_count += 1
    if reading.comparison_count > MOST_COMPARISONS:
        message = f"A condition may make {MOST_COMPARISONS} comparisons."
        raise ConditionTooLargeError(message, pointer=pointer, params={"most_comparisons": MOST_COMPARISONS})
    return _comparison(reading, given, pointer)


def _comparison(reading: _Reading, given: Mapping[str, Any], pointer: str) -> Comparison:
    asked = reading.fields.get(given["field"]) if isinstance(given["field"], str) else None
    if asked is None:
        message = f"There is no field {str(given['field'])[:60]!r} here; GET /v1/condition-fields lists them."
        raise UnknownConditionFieldError(message, pointer=f"{pointer}/field")
    operator = next((known for known in asked.operators if known == given["op"]), None)
    if operator is None:
        message = f"{asked.path} is compared by {', '.join(asked.operators)}; not by {str(given['op'])[:60]!r}."
        raise ImpossibleComparisonError(message, pointer=f"{pointer}/op")
    if operator is Operator.IS_EMPTY:
        if "value" in given:
            raise InvalidConditionError("is_empty takes no value.", pointer=f"{pointer}/value")
        return Comparison(asked, operator)
    if "value" not in given:
        raise InvalidConditionError(f"{operator} takes a value.", pointer=pointer)
    value, place = given["value"], f"{pointer}/value"
    if operator not in LISTING:
        return Comparison(asked, operator, _value(asked, value, place))
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        raise InvalidConditionValueError(f"{operator} takes a list of 1 to {MOST_VALUES} values.", pointer=place)
    return Comparison(
        asked, operator, tuple(_value(asked, part, f"{place}/{index}") for index, part in enumerate(value))
    )


def _value(asked: Field, given: Any, pointer: str) -> Any:  # noqa: ANN401 - of whatever type the field is.
    read = _of_type(asked, given)
    if read is None:
        wanted = {
            FieldType.TEXT: f"text of 1 to {LONGEST_TEXT} characters",
            FieldType.SET: f"text of 1 to {LONGEST_TEXT} characters",
            FieldType.INTEGER: "a whole number of 64 bits",
            FieldType.NUMBER: "a number",
            FieldType.DATE: "a date such as 2026-03-02",
            FieldType.REFERENCE: "an id",
            FieldType.INSTANT: 'an RFC 3339 instant, or {"seconds_from_now": -3600} within ten years',
        }.get(asked.type, f"one of {', '.join(asked.choices)}")
        raise InvalidConditionValueError(f"{asked.path} is compared with {wanted}.", pointer=pointer)
    return read


def _of_type(asked: Field, given: Any) -> Any:  # noqa: ANN401 - JSON in, a value of the field's type out.
    """Give the value as the field has it, or None if it could not."""
    match asked.type, given:
        case FieldType.TEXT, str() if 0 < len(given) <= LONGEST_TEXT:
            return folded(given)
        case FieldType.SET, str() if 0 < len(given) <= LONGEST_TEXT and (not asked.choices or given in asked.choices):
            return given.lower()
        case ((FieldType.CHOICE | FieldType.LEVEL), str()) if given in asked.choices:
            return given
        case FieldType.INTEGER, int() if not isinstance(given, bool) and -_INT8 <= given < _INT8:
            return given
        case FieldType.NUMBER, (int() | float()) if not isinstance(given, bool):
            return Decimal(str(given))
        case FieldType.DATE, str():
            return _date(given)
        case FieldType.REFERENCE, str():
            return _id(given)
        case FieldType.INSTANT, str():
            return _instant(given)
        case FieldType.INSTANT, {"seconds_from_now": int(seconds), **others} if not others:
            by = None if isinstance(seconds, bool) or abs(seconds) > _FARTHEST.total_seconds() else seconds
            return None if by is None else FromNow(timedelta(seconds=by))
        case _:
            return None


def _id(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def _date(given: str) -> str | None:
    try:
        return given if date.fromisoformat(given).isoformat() == given else None
    except ValueError:
        return None


def _instant(given: str) -> datetime | None:
    if not _INSTANT.fullmatch(given):
        return None
    try:
        return datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
