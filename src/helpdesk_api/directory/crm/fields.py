"""The fields of a card one by one, each custom field for itself: what a rule of ownership is about.

A custom field goes by `custom_fields.<key>`. Values are compared in the form in which the API shows them.
"""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python

from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.kit.grouped_values import flattened
from helpdesk_api.kit.schema import Entity

CUSTOM: Final = f"{COLUMN}."
# The kinds of cards of which fields are owned, and the column of what refers to one of them.
CARD_COLUMNS: Final[Mapping[str, str]] = {
    "companies": "company_id",
    "contacts": "contact_id",
    "locations": "location_id",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One card: its kind, by the plural, and its id."""

    plural: str
    id: UUID

    @property
    def columns(self) -> dict[str, UUID | None]:
        """Give the columns of what belongs to the card."""
        return {column: self.id if plural == self.plural else None for plural, column in CARD_COLUMNS.items()}


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that are given, each custom field for itself."""
    own = {name: value for name, value in given.items() if name != COLUMN}
    return own | {f"{CUSTOM}{key}": value for key, value in (given.get(COLUMN) or {}).items()}


def without(given: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Give what is given but for some fields."""
    kept = {name: value for name, value in given.items() if name not in names}
    if kept.get(COLUMN):
        kept[COLUMN] = {key: value for key, value in kept[COLUMN].items() if f"{CUSTOM}{key}" not in names}
    return kept


def held_value(card: Entity, name: str) -> Any:  # noqa: ANN401 - of any field.
    """Give the value of one field, as the API shows it."""
    if name.startswith(CUSTOM):
        return flattened(getattr(card, COLUMN)).get(name.removeprefix(CUSTOM))
    return to_jsonable_python(getattr(card, name))


def is_same(one: object, other: object) -> bool:
    """Tell whether two values are the same, in whatever Unicode form their texts are written."""
    return folded(to_jsonable_python(one)) == folded(to_jsonable_python(other))


def folded(value: object) -> object:
    """Give what two systems that write the same text in different Unicode forms agree on."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {name: folded(item) for name, item in value.items()}
    return [folded(item) for item in value] if isinstance(value, list) else value
