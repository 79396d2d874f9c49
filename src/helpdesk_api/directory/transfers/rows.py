"""What a row of an import means: which fields of a card its cells or members are, and the card that is to be written.

A file that names what cards do not have is refused before any row is read. `custom_fields.<key>` is a custom field.
What only the product writes - `created_at`, `updated_at`, `version` - is passed over, so that an export can come back.
"""

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from helpdesk_api.directory.custom_fields.definitions import CustomField, FieldKind
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.external_references import ExternalId
from helpdesk_api.directory.upsert_routes import shapes_of
from helpdesk_api.directory.upserting import CardKind, Push
from helpdesk_api.directory.upserting_many import OwnWrite, Write
from helpdesk_api.domain.csv_cells import read_json, read_text, read_texts
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.strict_json import loads
from helpdesk_api.kit.validation import invalid_request

_EXTERNAL_ID: Final = "external_id"
_ID: Final = "id"
_OF_PRODUCT: Final = frozenset({"created_at", "updated_at", "version"})
_EXTERNAL_IDS: Final[TypeAdapter[str]] = TypeAdapter(ExternalId)
_IDS: Final = TypeAdapter(UUID)
_IN_JSON: Final = frozenset({FieldKind.NUMBER, FieldKind.MONEY, FieldKind.CHECKBOX})

Reader = Callable[[str], Any]


class UnknownImportColumnError(InvalidError):
    """Cards have no field of this name; leave it out with `mapping`, or name what it is."""

    code = "unknown_import_column"
    title = "A column is no field of these cards"


class RepeatedImportColumnError(InvalidError):
    """Two columns are the same field; leave one out with `mapping`."""

    code = "repeated_import_column"
    title = "Two columns are one field"


class MalformedRowError(InvalidError):
    """The row is not of the format of the file."""

    code = "malformed_row"
    title = "The row cannot be read"


class InvalidCellError(InvalidError):
    """The cell cannot be read as the field that it is."""

    code = "invalid_cell"
    title = "A cell cannot be read"


class RowWithoutReferenceError(InvalidError):
    """A row of a source needs the id by which its card goes there."""

    code = "row_without_reference"
    title = "The row has no id in its source"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one import are read."""

    kind: CardKind[Any]
    definitions: Mapping[str, CustomField]
    mapping: Mapping[str, str | None]
    source: str | None
    match_on: str | None

    def columns(self, names: Sequence[str]) -> list[str | None]:
        """Give the field that each column is, None for those that are left out.

        Raises UnknownImportColumnError and RepeatedImportColumnError.
        """
        fields = [self.field(name) for name in names]
        if repeated := [name for name, count in Counter(fields).items() if name is not None and count > 1]:
            message = f"Several columns are {', '.join(repeated)}."
            raise RepeatedImportColumnError(message, pointer="/mapping")
        return fields

    def field(self, name: str) -> str | None:
        """Give the field that a column or member is."""
        wanted = self.mapping.get(name, name)
        if wanted is None or wanted in _OF_PRODUCT:
            return None
        if wanted in {_ID, _EXTERNAL_ID, COLUMN} or wanted in self._model.model_fields:
            return wanted
        if wanted.startswith(f"{COLUMN}.") and wanted.removeprefix(f"{COLUMN}.") in self.definitions:
            return wanted
        plural = self.kind.resource.plural
        message = f"{wanted[:100]!r} is no field of {plural} that an import writes; `mapping` can leave it out."
        raise UnknownImportColumnError(message, pointer="/mapping", params={"column": name[:100]})

    def column_of(self, pointer: str) -> str | None:
        """Name the column that a place in a card comes from."""
        _, _, path = pointer.partition("/")
        name, _, rest = path.partition("/")
        field = f"{COLUMN}.{rest.partition('/')[0]}" if name == COLUMN and rest else name
        return next((column for column, wanted in self.mapping.items() if wanted == field), field) or None

    def from_cells(self, fields: Sequence[str | None], text: str) -> Write:
        """Read a row of a CSV file."""
        cells = cells_of(text)
        if len(cells) != len(fields):
            message = f"The row has {len(cells)} cells, the first line {len(fields)}."
            raise MalformedRowError(message)
        values: dict[str, Any] = {}
        for name, cell in zip(fields, cells, strict=True):
            if name is not None:
                self._take(values, name, cell)
        return self._write(values)

    def from_json(self, text: str) -> Write:
        """Read a row of a file of JSON lines."""
        read = loads(text.encode())
        if not isinstance(read, dict):
            message = "A row is an object in JSON."
            raise MalformedRowError(message)
        values = {field: value for name, value in read.items() if (field := self.field(name)) is not None}
        custom = {name: values.pop(name) for name in list(values) if name.startswith(f"{COLUMN}.")}
        if custom:
            given = values.get(COLUMN)
            values[COLUMN] = (given if isinstance(given, dict) else {}) | {
                name.removeprefix(f"{COLUMN}."): each for name, each in custom.items()
            }
        return self._write(values)

    @property
    def _model(self) -> type[Any]:
        return shapes_of_push(self.kind) if self.source is not None else self.kind.update

    def _take(self, values: dict[str, Any], name: str, cell: str) -> None:
        """Put what a cell says among the values of a row."""
        key = name.removeprefix(f"{COLUMN}.") if name.startswith(f"{COLUMN}.") else None
        try:
            value = self._reader(name, key)(cell)
        except ValueError:
            pointer = f"/{name}" if key is None else f"/{COLUMN}/{key}"
            message = f"{name} is not what its field takes, in JSON."
            raise InvalidCellError(message, pointer=pointer) from None
        if key is not None:
            values.setdefault(COLUMN, {})[key] = value
            return
        column = self.kind.resource.table.c.get(name)
        if value is not None or column is None or column.nullable or name == _ID:
            values[name] = value

    def _reader(self, name: str, key: str | None) -> Reader:
        if key is not None:
            kind = self.definitions[key].type
            if kind == FieldKind.MULTISELECT:
                return _chosen
            return read_json if kind in _IN_JSON else read_text
        return _readers(self.kind).get(name, read_text)

    def _write(self, values: dict[str, Any]) -> Write:
        card_id, external_id = values.pop(_ID, None), values.pop(_EXTERNAL_ID, None)
        if self.source is None:
            given = _validated(self._model, values)
            return OwnWrite(given, None if card_id is None else _read(_IDS, card_id, f"/{_ID}"))
        name, reference = (_EXTERNAL_ID, external_id) if external_id is not None else (_ID, card_id)
        if reference is None:
            message = f"The row has neither {_EXTERNAL_ID} nor {_ID}."
            raise RowWithoutReferenceError(message, pointer=f"/{_EXTERNAL_ID}")
        reference = _read(_EXTERNAL_IDS, reference, f"/{name}")
        return Push(self.source, reference, _validated(self._model, values), self.match_on)


def cells_of(text: str) -> list[str]:
    """Give the cells of a record in CSV; raises MalformedRowError."""
    try:
        (cells,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        message = f"The row is not CSV as in RFC 4180: {error}."
        raise MalformedRowError(message) from None
    return cells


def _validated(model: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    try:
        given: dict[str, Any] = model.model_validate(values).given()
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        wrong = RequestValidationError([{**place, "loc": ("body", *place["loc"])} for place in places])
        raise invalid_request(wrong) from None
    return given


def _read(adapter: TypeAdapter[Any], value: object, pointer: str) -> Any:  # noqa: ANN401 - an id of either kind.
    try:
        return adapter.validate_python(value)
    except ValidationError:
        message = f"{str(value)[:100]!r} is no id."
        raise InvalidCellError(message, pointer=pointer) from None


def _chosen(cell: str) -> Any:  # noqa: ANN401 - what is no list of texts is refused by the field.
    return read_texts(cell) or None


_READERS: Final[dict[str, dict[str, Reader]]] = {}
_PUSHES: Final[dict[str, type[Any]]] = {}


def _readers(kind: CardKind[Any]) -> Mapping[str, Reader]:
    """Give how the cells of a kind of card are read, where they are no plain text; as its fields are described."""
    plural = kind.resource.plural
    if plural not in _READERS:
        described = kind.update.model_json_schema()["properties"]
        found = {name: _reader_of(part) for name, part in described.items()}
        _READERS[plural] = {name: reader for name, reader in found.items() if reader is not None}
    return _READERS[plural]


def _reader_of(part: Mapping[str, Any]) -> Reader | None:
    parts = [each for each in part.get("anyOf", [part]) if each.get("type") != "null"]
    if all(each.get("type") == "string" or "enum" in each for each in parts):
        return None
    is_texts = parts[0].get("type") == "array" and parts[0].get("items", {}).get("type") == "string"
    return read_texts if is_texts else _read_list if parts[0].get("type") == "array" else read_json


def _read_list(cell: str) -> Any:  # noqa: ANN401 - what is no list is refused by the field.
    value = read_json(cell)
    return [] if value is None else value


def shapes_of_push(kind: CardKind[Any]) -> type[Any]:
    """Give the model of a card as another system has it."""
    plural = kind.resource.plural
    if plural not in _PUSHES:
        _PUSHES[plural] = shapes_of(kind).push
    return _PUSHES[plural]
