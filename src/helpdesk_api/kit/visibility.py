"""The mechanism behind "who sees what": which rows a statement may find, and which fields an answer may show.

Rows: a principal has a `Reach`, a kind with values; a resource has a condition for every kind that may see any of its
rows, and none of its rows are found for the others. Fields: a field of an output model may belong to a `FieldGroup`;
whatever is serialized during a unit of work shows such a field only to principals with the group, and something empty
or masked to the rest. Which kinds and groups there are, and who has them, is said in `identity`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, WrapSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from sqlalchemy import ColumnElement, false

from helpdesk_api.domain.errors import ForbiddenError

EVERY_GROUP: Final = "*"
UNLIMITED: Final = "all"

RowRules = Mapping[str, ColumnElement[bool]]


class FieldNotAllowedError(ForbiddenError):
    """The caller may neither see nor set a field, nor find objects by it."""

    code = "field_not_allowed"
    title = "The field is not for this caller"


_shown_groups: ContextVar[frozenset[str]] = ContextVar("shown_groups", default=frozenset())


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows somebody sees: the kind of rule, and the values its conditions compare with, by bind parameter."""

    kind: str = UNLIMITED
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_unlimited(self) -> bool:
        """Tell whether every row of the tenant is seen."""
        return self.kind == UNLIMITED


EVERY_ROW: Final = Reach()


def seen_rows(rules: RowRules, kind: str) -> tuple[ColumnElement[bool], ...]:
    """Give what a statement must add to its WHERE: nothing for an unlimited reach, no row for a kind without rule."""
    return () if kind == UNLIMITED else (rules.get(kind, false()),)


@contextmanager
def showing(groups: frozenset[str]) -> Iterator[None]:
    """Show the fields of these groups in whatever is serialized meanwhile; without it none are shown."""
    token = _shown_groups.set(groups)
    try:
        yield
    finally:
        _shown_groups.reset(token)


def shown_groups() -> frozenset[str]:
    """Give the groups whose fields are shown just now."""
    return _shown_groups.get()


def has_group(groups: Iterable[str], name: str) -> bool:
    """Tell whether a group is among those given, itself or through `*`."""
    return name in groups or EVERY_GROUP in groups


def _emptied(value: Any) -> Any:
    return [] if isinstance(value, list) else None


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """An annotation of an output field: only principals with the group are shown its value.

    `instead` makes what the others are shown: by default null, or an empty list. A group whose fields are masked may be
    given by whoever creates the object; otherwise a field that is not shown cannot be set either.
    """

    name: str
    instead: Callable[[Any], Any] = _emptied

    @property
    def is_masked(self) -> bool:
        """Tell whether a part of the value is shown to everybody."""
        return self.instead is not _emptied

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the group between the value and its serialization."""
        return WrapSerializer(self._shown).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Name the group in the OpenAPI document, beside the type that the value has where it is shown."""
        as_it_is = cast("CoreSchema", {name: part for name, part in schema.items() if name != "serialization"})
        return handler(as_it_is) | {"x-field-group": self.name}

    def _shown(self, value: Any, serialize: Callable[[Any], Any]) -> Any:
        return serialize(value if has_group(_shown_groups.get(), self.name) else self.instead(value))


def field_groups(model: type[BaseModel]) -> dict[str, FieldGroup]:
    """Give the groups that fields of a model belong to, by field."""
    return {
        name: group
        for name, info in model.model_fields.items()
        for group in info.metadata
        if isinstance(group, FieldGroup)
    }


def shown_changes(changes: dict[str, Any], groups: Mapping[str, FieldGroup], held: frozenset[str]) -> dict[str, Any]:
    """Give of recorded changes those of the fields that are shown to whoever holds these groups."""
    hidden = {name for name, group in groups.items() if not has_group(held, group.name)}
    return {name: change for name, change in changes.items() if name not in hidden} if hidden else changes


def check_fields(
    groups: Mapping[str, FieldGroup],
    held: frozenset[str],
    named: Mapping[str, str],
    *,
    creating: bool = False,
    location: Literal["body", "query"] = "body",
) -> None:
    """Raise FieldNotAllowedError for the first of the named fields that is not shown to whoever holds these groups.

    `named` gives the field that each member of a body, or each query parameter, stands for. Fields that are only masked
    may be given when creating: who takes down a phone number has heard it.
    """
    for name, field_name in named.items():
        group = groups.get(field_name)
        if group is None or has_group(held, group.name) or (creating and group.is_masked):
            continue
        message = f"{name} needs the field group {group.name}."
        raise FieldNotAllowedError(message, pointer=f"/{name}", location=location, params={"field_group": group.name})
