"""What conditions may ask of custom fields: `custom_fields.<key>`, in memory and in SQL, and when a value is required.

Both read what `custom_fields.types` has stored, so that a condition means the same to the database and here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, DateTime, Numeric, Text, Uuid, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.custom_fields.definitions import CustomField, FieldKind, field_group
from helpdesk_api.domain.conditions import Field, FieldType
from helpdesk_api.domain.workflow import Status

PREFIX: Final = "custom_fields."

_TYPES: Final[Mapping[FieldKind, FieldType]] = {
    FieldKind.TEXT: FieldType.TEXT,
    FieldKind.NUMBER: FieldType.NUMBER,
    FieldKind.DATE: FieldType.DATE,
    FieldKind.DATETIME: FieldType.INSTANT,
    FieldKind.CHECKBOX: FieldType.CHOICE,
    FieldKind.SELECT: FieldType.CHOICE,
    FieldKind.MULTISELECT: FieldType.SET,
    FieldKind.USER: FieldType.REFERENCE,
    FieldKind.COMPANY: FieldType.REFERENCE,
    FieldKind.LOCATION: FieldType.REFERENCE,
}
_OF_SWITCH: Final = ("true", "false")
_SQL_TYPES: Final[Mapping[FieldType, Any]] = {
    FieldType.NUMBER: Numeric(),
    FieldType.INSTANT: DateTime(timezone=True),
    FieldType.REFERENCE: Uuid(),
}

# What of the objects themselves may decide that a field is required.
_OWN: Final[Mapping[str, tuple[Field, ...]]] = {
    "companies": (
        Field("name", FieldType.TEXT, "The name."),
        Field("category", FieldType.TEXT, "The category.", is_nullable=True),
        Field("territory", FieldType.TEXT, "The territory.", is_nullable=True),
        Field("domains", FieldType.SET, "The mail domains."),
        Field("parent_company_id", FieldType.REFERENCE, "The company it belongs to.", is_nullable=True),
    ),
    "contacts": (
        Field("name", FieldType.TEXT, "The name."),
        Field("company_id", FieldType.REFERENCE, "The company.", is_nullable=True),
        Field("language", FieldType.TEXT, "The language.", is_nullable=True),
        Field("preferred_channel", FieldType.TEXT, "The preferred channel.", is_nullable=True),
    ),
    "locations": (
        Field("name", FieldType.TEXT, "The name."),
        Field("company_id", FieldType.REFERENCE, "The company."),
        Field("kind", FieldType.TEXT, "The kind.", is_nullable=True),
    ),
    "tickets": (
        Field("status", FieldType.CHOICE, "The status.", choices=tuple(map(str, Status))),
        Field("type", FieldType.TEXT, "The type."),
        Field("priority", FieldType.TEXT, "The priority."),
        Field("channel", FieldType.TEXT, "How it came in."),
        Field("tags", FieldType.SET, "The tags."),
        Field("company_id", FieldType.REFERENCE, "The client.", is_nullable=True),
        Field("team_id", FieldType.REFERENCE, "The team.", is_nullable=True),
        Field("assignee_id", FieldType.REFERENCE, "The assignee.", is_nullable=True),
    ),
}


@dataclass(frozen=True, slots=True)
class AskedPart:
    """What conditions may ask of one custom field, and the steps that lead to it in the column."""

    field: Field
    group: str
    steps: tuple[str, ...]


def parts_of(definition: CustomField) -> Iterator[AskedPart]:
    """Give what may be asked about a field: its value, or of money the amount and the currency."""
    kind, key = FieldKind(definition.type), definition.key
    group = field_group(definition)
    called = f"The custom field {definition.label!r}"
    if kind is FieldKind.MONEY:
        amount = Field(f"{PREFIX}{key}.amount", FieldType.NUMBER, f"{called}: the amount.", is_nullable=True)
        currency = Field(f"{PREFIX}{key}.currency", FieldType.TEXT, f"{called}: the currency.", is_nullable=True)
        yield AskedPart(amount, group, (group, key, "amount"))
        yield AskedPart(currency, group, (group, key, "currency"))
        return
    choices = tuple(choice["id"] for choice in definition.choices) or (_OF_SWITCH if kind is FieldKind.CHECKBOX else ())
    field = Field(f"{PREFIX}{key}", _TYPES[kind], f"{called}.", is_nullable=True, choices=choices)
    yield AskedPart(field, group, (group, key))


def in_sql(part: AskedPart, column: Column[Any]) -> ColumnElement[Any]:
    """Give the expression of what is asked about, with the type that its comparisons need."""
    value = column[part.steps]
    if part.field.type is FieldType.SET:
        each = select(func.jsonb_array_elements_text(value)).correlate(column.table).scalar_subquery()
        return func.array(each, type_=ARRAY(Text))
    kind = _SQL_TYPES.get(part.field.type)
    return value.astext if kind is None else cast(value.astext, kind)


def vocabulary_of(plural: str, definitions: Mapping[str, CustomField]) -> dict[str, Field]:
    """Give what a requirement may ask about, by path: fields of the object itself, and its custom fields."""
    own = {field.path: field for field in _OWN[plural]}
    return own | {part.field.path: part.field for each in definitions.values() for part in parts_of(each)}


def facts_of_values(values: Mapping[str, Any], definitions: Mapping[str, CustomField]) -> dict[str, Any]:
    """Give the facts that flat custom fields are, by path."""
    facts: dict[str, Any] = {}
    for key in values.keys() & definitions.keys():
        for part in parts_of(definitions[key]):
            value = values[key]
            for step in part.steps[2:]:
                value = value[step]
            facts[part.field.path] = _FACTS.get(part.field.type, _as_it_is)(value)
    return facts


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    return ("false", "true")[value] if isinstance(value, bool) else value


def _decimal(value: Any) -> Decimal:  # noqa: ANN401 - a number or the text of one.
    return Decimal(str(value))


_FACTS: Final[Mapping[FieldType, Any]] = {
    FieldType.NUMBER: _decimal,
    FieldType.INSTANT: datetime.fromisoformat,
    FieldType.REFERENCE: UUID,
}
