"""The values of custom fields on their way into a row: merged, checked against the definitions, put into their groups.

It is part of every write of a ticket or client card, whichever way it comes. What was stored before a field or choice
was retired, or before it was required, stands in nobody's way: only what a write would make wrong is refused.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, column, select, table

from helpdesk_api.directory.custom_fields.conditions import facts_of_values, vocabulary_of
from helpdesk_api.directory.custom_fields.definitions import (
    CHOOSING,
    CustomField,
    FieldKind,
    definitions_of,
    field_group,
)
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.custom_fields.types import read_value
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import predicate_of
from helpdesk_api.domain.errors import FieldError, InvalidError, Refusal
from helpdesk_api.identity.visibility import SHARED, rows_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY, flattened
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import FieldNotAllowedError, RowRules, seen_rows

MOST_BYTES: Final = 65_536


class UnknownCustomFieldError(InvalidError):
    """These objects have no such custom field; `GET /v1/custom-fields` lists them."""

    code = "unknown_custom_field"
    title = "There is no such custom field"


class RetiredCustomFieldError(InvalidError):
    """A retired field or choice takes no new values."""

    code = "retired_custom_field"
    title = "The custom field or choice is retired"


class ChoiceNotOfferedError(InvalidError):
    """The choice does not go with what another field says."""

    code = "choice_not_offered"
    title = "The choice does not go with another field"


class RequiredCustomFieldError(InvalidError):
    """Fields that must have a value have none; every one is listed."""

    code = "required_custom_field"
    title = "A custom field must have a value"


class CustomFieldsTooLargeError(InvalidError):
    """The custom fields of one object are 65,536 bytes of JSON at most."""

    code = "custom_fields_too_large"
    title = "The custom fields are too large"


def _light(name: str, *columns: str) -> Any:  # noqa: ANN401 - a table of which only this is asked.
    """Name a table without asking the module it belongs to, which stands above this one."""
    return table(name, column("tenant_id", Uuid), column("id", Uuid), *(column(each, Uuid) for each in columns))


_users, _companies, _locations = _light("users"), _light("companies"), _light("locations", "company_id")
_NAMED: Final[Mapping[FieldKind, tuple[Any, RowRules]]] = {
    FieldKind.USER: (_users, SHARED),
    FieldKind.COMPANY: (_companies, rows_of(company=_companies.c.id)),
    FieldKind.LOCATION: (_locations, rows_of(company=_locations.c.company_id)),
}


async def with_custom_fields(
    ctx: Ctx, resource: Resource[Any], given: dict[str, Any], before: Entity | None
) -> dict[str, Any]:
    """Give what is to be stored, with custom fields as they will be, by group.

    Raises UnknownCustomFieldError, FieldNotAllowedError, RetiredCustomFieldError, InvalidCustomValueError,
    UnknownReferenceError, ChoiceNotOfferedError, RequiredCustomFieldError and CustomFieldsTooLargeError.
    """
    asked = given.get(COLUMN, {})
    if not given or asked is None:
        return given
    definitions = await definitions_of(ctx, resource.plural)
    old: dict[str, Any] = {} if before is None else flattened(getattr(before, COLUMN))
    new = _merged(ctx, definitions, old, asked)
    changed = {key for key in asked if old.get(key) != new.get(key)}
    await _check_named(ctx, definitions, {key: new[key] for key in changed if key in new})
    _check_dependent(definitions, new, changed)
    was = {} if before is None else vars(before)
    _check_required(ctx, definitions, (was, old) if before is not None else None, (was | given, new))
    return given | {COLUMN: _grouped(definitions, new)} if asked or before is None else given


async def check_custom_fields(ctx: Ctx, resource: Resource[Any], asked: Mapping[str, Any], *, pointer: str) -> None:
    """Refuse values that could be given to no object; what depends on the object is left to the writing of it.

    Raises UnknownCustomFieldError, FieldNotAllowedError, RetiredCustomFieldError, InvalidCustomValueError,
    UnknownReferenceError and CustomFieldsTooLargeError, with pointers below the given one.
    """
    definitions = await definitions_of(ctx, resource.plural)
    try:
        await _check_named(ctx, definitions, _merged(ctx, definitions, {}, asked))
    except Refusal as refusal:
        refusal.errors = tuple(
            replace(error, pointer=pointer + error.pointer.removeprefix(f"/{COLUMN}")) for error in refusal.errors
        )
        raise


def _merged(
    ctx: Ctx, definitions: Mapping[str, CustomField], old: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    new = dict(old)
    for key, value in asked.items():
        pointer = f"/{COLUMN}/{key}"
        definition = definitions.get(key)
        if definition is None:
            message = f"There is no custom field {key} here; GET /v1/custom-fields lists them."
            raise UnknownCustomFieldError(message, pointer=pointer)
        _check_shown(ctx, definition, pointer)
        if value is None:
            new.pop(key, None)
            continue
        read = read_value(definition, value, pointer=pointer)
        if read != old.get(key):
            _check_offered(definition, old.get(key), read, pointer)
            new[key] = read
    if len(json.dumps(new, ensure_ascii=False).encode()) > MOST_BYTES:
        message = f"The custom fields of one object are {MOST_BYTES} bytes of JSON at most."
        raise CustomFieldsTooLargeError(message, pointer=f"/{COLUMN}", params={"most_bytes": MOST_BYTES})
    return new


def _is_shown(ctx: Ctx, definition: CustomField) -> bool:
    group = field_group(definition)
    return group == EVERYBODY or ctx.principal.sees(group)


def _check_shown(ctx: Ctx, definition: CustomField, pointer: str) -> None:
    if not _is_shown(ctx, definition):
        group = field_group(definition)
        message = f"{definition.key} needs the field group {group}."
        raise FieldNotAllowedError(message, pointer=pointer, params={"field_group": group})


def _check_offered(definition: CustomField, old: Any, new: Any, pointer: str) -> None:  # noqa: ANN401 - JSON.
    if definition.is_retired:
        message = f"{definition.key} is retired and takes no new values."
        raise RetiredCustomFieldError(message, pointer=pointer)
    if definition.type in CHOOSING:
        retired = {choice["id"] for choice in definition.choices if choice["is_retired"]}
        if chosen := sorted(retired & set(_chosen(new)) - set(_chosen(old))):
            message = f"The choice {chosen[0]} of {definition.key} is retired."
            raise RetiredCustomFieldError(message, pointer=pointer)


def _chosen(value: Any) -> list[str]:  # noqa: ANN401 - JSON.
    return value if isinstance(value, list) else [] if value is None else [value]


async def _check_named(ctx: Ctx, definitions: Mapping[str, CustomField], values: Mapping[str, Any]) -> None:
    """Refuse objects that are not there or not to be seen; the database refuses those of other tenants once more."""
    for kind, (named, rows) in _NAMED.items():
        wanted = {key: UUID(value) for key, value in values.items() if definitions[key].type == kind}
        if not wanted:
            continue
        reach = ctx.principal.reach
        ids = bindparam("ids", type_=ARRAY(Uuid()))
        statement = select(named.c.id).where(
            named.c.tenant_id == ctx.tenant_id, named.c.id == any_(ids), *seen_rows(rows, reach.kind)
        )
        found = await ctx.tx.rows(statement, {"ids": list(wanted.values()), **reach.values})
        for key in sorted(key for key, each in wanted.items() if each not in {row[0] for row in found}):
            message = f"There is no {kind} {wanted[key]}."
            raise UnknownReferenceError(message, pointer=f"/{COLUMN}/{key}")


def _check_dependent(definitions: Mapping[str, CustomField], new: Mapping[str, Any], changed: set[str]) -> None:
    """Refuse a choice that does not go with what is chosen in the field it depends on, if either has changed."""
    for key, chosen in unfitting_choices(definitions, new):
        decider = definitions[key].depends_on
        if {key, decider} & changed:
            message = f"{chosen} of {key} does not go with {decider} {new.get(decider or '')!r}."
            raise ChoiceNotOfferedError(message, pointer=f"/{COLUMN}/{key}")


def unfitting_choices(definitions: Mapping[str, CustomField], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the choices, with their fields, that do not go with what is chosen in the field they depend on."""
    for key, definition in definitions.items():
        if definition.depends_on is None or key not in values:
            continue
        goes = {choice["id"]: choice["only_for"] for choice in definition.choices}
        for chosen in _chosen(values[key]):
            if goes[chosen] and values.get(definition.depends_on) not in goes[chosen]:
                yield key, chosen


_Whole = tuple[Mapping[str, Any], Mapping[str, Any]]


def _check_required(ctx: Ctx, definitions: Mapping[str, CustomField], before: _Whole | None, after: _Whole) -> None:
    """Refuse a write that leaves empty what must not be, unless it was so before; asked of who is shown the field."""
    asking = [each for each in definitions.values() if each.required_when is not None and not each.is_retired]
    lacking = [
        each
        for each in asking
        if each.key not in after[1]
        and _is_shown(ctx, each)
        and _is_required(ctx, definitions, each, after)
        and not (before is not None and each.key not in before[1] and _is_required(ctx, definitions, each, before))
    ]
    if lacking:
        errors = tuple(
            FieldError(f"/{COLUMN}/{each.key}", RequiredCustomFieldError.code, f"{each.label} must have a value.")
            for each in lacking
        )
        message = f"Without a value: {', '.join(each.key for each in lacking)}."
        raise RequiredCustomFieldError(message, errors=errors)


def _is_required(ctx: Ctx, definitions: Mapping[str, CustomField], asking: CustomField, whole: _Whole) -> bool:
    own, values = whole
    fields = vocabulary_of(asking.resource, definitions)
    condition = read_condition(dict(asking.required_when or {}), fields, pointer="/required_when")
    return predicate_of(condition)({**own, **facts_of_values(values, definitions)}, ctx.now)


def _grouped(definitions: Mapping[str, CustomField], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    grouped: dict[str, dict[str, Any]] = {}
    for key in sorted(values):
        grouped.setdefault(field_group(definitions[key]), {})[key] = values[key]
    return grouped
