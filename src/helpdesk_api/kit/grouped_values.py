"""Fields that hold values by keys of a tenant's own, of which each may belong to another field group.

They are stored by group, `{"<group>": {"<key>": value}}`, so that whoever shows a row knows what to leave out without
asking anybody, and shown as one object of all that the reader may see. A value of no group stands under `EVERYBODY`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, GetCoreSchemaHandler, WrapSerializer
from pydantic_core import CoreSchema

from helpdesk_api.kit.visibility import EVERY_GROUP, has_group, shown_groups

EVERYBODY: Final = "everybody"

Grouped = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class GroupedValues:
    """An annotation of an output field that is stored by group and shown flat, as far as its reader may see."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the groups between the value and its serialization."""
        return WrapSerializer(self._shown).__get_pydantic_core_schema__(source, handler)

    def _shown(self, value: Any, serialize: Callable[[Any], Any]) -> Any:
        return serialize(flattened(value, shown_groups()))


def flattened(grouped: Grouped | None, held: frozenset[str] = frozenset({EVERY_GROUP})) -> dict[str, Any]:
    """Give the values that whoever holds these groups is shown, by key in the order of keys."""
    shown = (values for group, values in (grouped or {}).items() if group == EVERYBODY or has_group(held, group))
    return dict(sorted((key, value) for values in shown for key, value in values.items()))


def grouped_fields(model: type[BaseModel]) -> frozenset[str]:
    """Name the fields of a model that are stored by group."""
    return frozenset(
        name
        for name, info in model.model_fields.items()
        if any(isinstance(annotation, GroupedValues) for annotation in info.metadata)
    )


def flattened_changes(
    changes: dict[str, Any], fields: frozenset[str], held: frozenset[str] = frozenset({EVERY_GROUP})
) -> dict[str, Any]:
    """Give recorded changes with such fields as they are shown; one of which nothing seen has changed is left out."""
    if fields.isdisjoint(changes):
        return changes
    shown = dict(changes)
    for name in fields & changes.keys():
        old, new = (None if grouped is None else flattened(grouped, held) for grouped in changes[name])
        if (old or {}) == (new or {}):
            del shown[name]
        else:
            shown[name] = [old, new]
    return shown
