"""Finding rows that may name somebody, by SQL; whether they do is for the redactor to say (`domain.redaction`)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Text, any_, cast, func, literal
from sqlalchemy.dialects.postgresql import JSONB

# A database of the C locale folds the case of ASCII only.
_FORMS: Final[tuple[Callable[[str], str], ...]] = (str, str.lower, str.upper, str.title)


def may_name(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """Give the condition that a text, texts or JSON may hold one of these values."""
    text = column
    if isinstance(column.type, ARRAY):
        text = func.array_to_string(column, "\n")
    elif isinstance(column.type, JSONB):
        text, values = cast(column, Text), [in_json(value) for value in values]
    patterns = {_pattern(form(value)) for value in values for form in _FORMS}
    return text.bool_op("~~*")(any_(literal(sorted(patterns), ARRAY(Text))))


def may_hold(column: ColumnElement[bytes], values: Sequence[str]) -> ColumnElement[bool]:
    """Give the condition that bytes of JSON may hold one of these values."""
    patterns = {_pattern(form(in_json(value))).encode() for value in values for form in _FORMS}
    return column.bool_op("~~")(any_(literal(sorted(patterns), ARRAY(LargeBinary))))


def in_json(value: str) -> str:
    """Write a value as it stands inside of a JSON string."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _pattern(value: str) -> str:
    plain = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    # However its words are spaced.
    return f"%{'%'.join(plain.split())}%"
