"""Narrowing and sorting lists by custom fields: `custom_field=tier:gold`, `custom_field=margin:gte:10`, and sort keys.

A value is found through an index over the values themselves or, where it is compared by size or sorted by, through the
index that a trigger keeps of them (`custom_fields.models`). What the caller is not shown can be used for neither.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints
from sqlalchemy import Column, ColumnElement, and_, exists, literal, or_
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.directory.custom_fields.conditions import facts_of_values, parts_of
from helpdesk_api.directory.custom_fields.definitions import CustomField, FieldKind, definitions_of, field_group
from helpdesk_api.directory.custom_fields.models import COLUMN, custom_field_values
from helpdesk_api.directory.custom_fields.types import InvalidCustomValueError, read_value
from helpdesk_api.directory.custom_fields.values import UnknownCustomFieldError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY
from helpdesk_api.kit.listing import COMPARISONS, Listing, PageQuery, Sort
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.visibility import FieldNotAllowedError

_PREFIX: Final = f"{COLUMN}."
_PARTS: Final = 3
_MOST: Final = 20
_DECIMAL: Final = (custom_field_values.c.number_value, "decimal")
_SORTED: Final[Mapping[FieldKind, tuple[Column[Any], Any]]] = {
    FieldKind.NUMBER: _DECIMAL,
    FieldKind.MONEY: _DECIMAL,
    FieldKind.DATETIME: (custom_field_values.c.instant_value, "instant"),
}
_ORDERED: Final = frozenset({FieldKind.NUMBER, FieldKind.MONEY, FieldKind.DATE, FieldKind.DATETIME})
_JSON: Final[Mapping[str, Any]] = {"true": True, "false": False}


class CustomFieldQuery(PageQuery):
    """The query parameters of lists whose objects have custom fields."""

    custom_field: Annotated[
        list[Annotated[str, StringConstraints(max_length=2_100)]],
        Field(
            max_length=_MOST,
            description=(
                "`key:value`, or `key:gte:value` with `gt`, `gte`, `lt`, `lte` for numbers, amounts, dates and "
                "instants. Repeat for several: of one key any value does, all else holds together. "
                "`sort=custom_fields.key` lists the objects that have a value."
            ),
            examples=[["service_tier:gold", "headcount:gte:50"]],
        ),
    ] = Field(default=[])


async def refine(
    ctx: Ctx, listing: Listing, query: PageQuery, narrowing: Narrowing | None
) -> tuple[Listing, Narrowing | None]:
    """Read what a query says of custom fields.

    Raises UnknownCustomFieldError, FieldNotAllowedError and InvalidCustomValueError.
    """
    asked: list[str] = getattr(query, "custom_field", [])
    sort: str = getattr(query, "sort", None) or ""
    if not asked and _PREFIX not in sort:
        return listing, narrowing
    definitions = await definitions_of(ctx, listing.key.table.name)
    if _PREFIX in sort:
        listing = _sorted_by(ctx, listing, definitions, sort)
    if asked:
        where = _narrowed(ctx, listing, definitions, asked)
        said: Any = asked if narrowing is None else [narrowing.said, asked]
        narrowing = Narrowing(where if narrowing is None else and_(narrowing.where, where), said=said)
    return listing, narrowing


def _known(ctx: Ctx, definitions: Mapping[str, CustomField], key: str, parameter: str) -> CustomField:
    definition = definitions.get(key)
    if definition is None:
        message = f"There is no custom field {key[:60]!r} here; GET /v1/custom-fields lists them."
        raise UnknownCustomFieldError(message, pointer=f"/{parameter}", location="query")
    group = field_group(definition)
    if group != EVERYBODY and not ctx.principal.sees(group):
        message = f"{key} needs the field group {group}."
        raise FieldNotAllowedError(message, pointer=f"/{parameter}", location="query", params={"field_group": group})
    return definition


def _sorted_by(ctx: Ctx, listing: Listing, definitions: Mapping[str, CustomField], sort: str) -> Listing:
    """Let a list be read along the index of the values of the one custom field that it is sorted by."""
    keys = [part.strip().removeprefix("-") for part in sort.split(",")]
    key = next(name for name in keys if name.startswith(_PREFIX)).removeprefix(_PREFIX)
    definition = _known(ctx, definitions, key, "sort")
    if definition.type == FieldKind.MULTISELECT:
        message = f"{key} has several values and cannot be sorted by."
        raise InvalidCustomValueError(message, pointer="/sort", location="query")
    values = custom_field_values
    column, kind = _SORTED.get(FieldKind(definition.type), (values.c.text_value, "text"))
    of_field = and_(
        values.c.tenant_id == listing.tenant,
        values.c.field_id == definition.id,
        values.c.object_id == listing.key,
        column.is_not(None),
    )
    by_value = Sort(f"{_PREFIX}{key}", column, kind, is_filled=True)
    # With the id of the index as the last key, a page begins where the index says, however deep.
    return replace(
        listing, sorts=(*listing.sorts, by_value), always=(*listing.always, of_field), key=values.c.object_id
    )


def _narrowed(
    ctx: Ctx, listing: Listing, definitions: Mapping[str, CustomField], asked: list[str]
) -> ColumnElement[bool]:
    same: dict[str, list[ColumnElement[bool]]] = {}
    others: list[ColumnElement[bool]] = []
    for text in asked:
        key, _, rest = text.partition(":")
        definition = _known(ctx, definitions, key, "custom_field")
        comparison, _, compared = rest.partition(":")
        if definition.type in _ORDERED and comparison in COMPARISONS:
            others.append(_by_size(listing, definition, comparison, _read(definition, compared)))
        else:
            same.setdefault(key, []).append(_equal(listing, definition, _read(definition, rest)))
    return and_(*(or_(*each) for each in same.values()), *others)


def _read(definition: CustomField, text: str) -> Any:  # noqa: ANN401 - JSON, as the field stores it.
    """Read a value as it stands in a query."""
    given: Any = text
    match FieldKind(definition.type):
        case FieldKind.CHECKBOX:
            given = _JSON.get(text, text)
        case FieldKind.NUMBER:
            given = _number(text)
        case FieldKind.MONEY:
            given = {"amount": text, "currency": "XXX"}
        case FieldKind.MULTISELECT:
            given = [text]
        case _:
            pass
    try:
        return read_value(definition, given, pointer="/custom_field")
    except InvalidCustomValueError as error:
        message = f"{definition.key} is compared with values that it could have."
        raise InvalidCustomValueError(message, pointer="/custom_field", location="query") from error


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _equal(listing: Listing, definition: CustomField, value: Any) -> ColumnElement[bool]:  # noqa: ANN401 - JSON.
    if definition.type == FieldKind.MONEY:
        return _by_size(listing, definition, "gte", value) & _by_size(listing, definition, "lte", value)
    table = next(column.table for column in listing.columns if column.name == COLUMN)
    held = {field_group(definition): {definition.key: value}}
    return table.c[COLUMN].bool_op("@>")(literal(held, JSONB))


def _by_size(listing: Listing, definition: CustomField, comparison: str, value: Any) -> ColumnElement[bool]:  # noqa: ANN401 - JSON.
    values = custom_field_values.alias("compared")
    column, _ = _SORTED.get(FieldKind(definition.type), (custom_field_values.c.text_value, "text"))
    path = next(parts_of(definition)).field.path
    bound = facts_of_values({definition.key: value}, {definition.key: definition})[path]
    table = next(each.table for each in listing.columns)
    return exists().where(
        values.c.tenant_id == listing.tenant,
        values.c.field_id == definition.id,
        values.c.object_id == table.c.id,
        COMPARISONS[comparison](values.c[column.name], literal(bound, column.type)),
    )
