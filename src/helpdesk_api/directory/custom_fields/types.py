"""The types of custom fields: reading a value of each.

A value is stored as JSON in one spelling, so that equal values are equal: texts composed (NFC) and trimmed, numbers
and amounts without idle zeros, instants in UTC, several choices in the order of the field.
"""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, StringConstraints, TypeAdapter
from pydantic_core import to_jsonable_python

from helpdesk_api.directory.custom_fields.definitions import CustomField, FieldKind
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.schema import Flag, Input, Instant, LocalDate, Prose

LONGEST_TEXT: Final = 2_000
_LARGEST: Final = 10**12
_MOST_DECIMALS: Final = 6
_CENTS: Final = Decimal("0.01")


class InvalidCustomValueError(InvalidError):
    """The field cannot have this value."""

    code = "invalid_custom_value"
    title = "The custom field cannot have this value"


class MoneyInput(Input):
    """An amount of money."""

    amount: Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217.")]


_TEXT: Final[TypeAdapter[str]] = TypeAdapter(Annotated[Prose, StringConstraints(min_length=1, max_length=LONGEST_TEXT)])
_MONEY: Final = TypeAdapter(MoneyInput)
_DATE: Final[TypeAdapter[Any]] = TypeAdapter(LocalDate)
_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)
_FLAG: Final[TypeAdapter[bool]] = TypeAdapter(Flag)
_ID: Final = TypeAdapter(UUID)

_MEANT: Final[Mapping[str, str]] = {
    FieldKind.TEXT: f"text of 1 to {LONGEST_TEXT} characters",
    FieldKind.NUMBER: f"a number below {_LARGEST} with up to {_MOST_DECIMALS} decimals",
    FieldKind.MONEY: 'an amount such as {"amount": "12.50", "currency": "EUR"}',
    FieldKind.DATE: "a date such as 2026-03-02",
    FieldKind.DATETIME: "RFC 3339 text such as 2026-03-02T09:00:00Z",
    FieldKind.CHECKBOX: "true or false",
    FieldKind.SELECT: "the id of one of its choices",
    FieldKind.MULTISELECT: "a list of ids of its choices",
}


def read_value(definition: CustomField, given: Any, *, pointer: str) -> Any:  # noqa: ANN401 - JSON in, JSON out.
    """Read a value as it is stored; raises InvalidCustomValueError."""
    kind = FieldKind(definition.type)
    try:
        return _READERS[kind](definition, given)
    except (TypeError, ValueError):
        meant = _MEANT.get(kind, f"the id of a {kind}")
        message = f"{definition.key} is {meant}."
        raise InvalidCustomValueError(message, pointer=pointer) from None


def _text(definition: CustomField, given: Any) -> str:  # noqa: ANN401 - JSON.
    del definition
    return _TEXT.validate_python(unicodedata.normalize("NFC", given).strip() if isinstance(given, str) else given)


def _number(definition: CustomField, given: Any) -> int | float:  # noqa: ANN401 - JSON.
    del definition
    if isinstance(given, bool) or not isinstance(given, int | float) or abs(given) >= _LARGEST:
        raise ValueError
    exact = Decimal(str(given)).normalize()
    if int(exact.as_tuple().exponent) < -_MOST_DECIMALS:
        raise ValueError
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _money(definition: CustomField, given: Any) -> dict[str, str]:  # noqa: ANN401 - JSON.
    del definition
    read = _MONEY.validate_python(given)
    exact = Decimal(read.amount).normalize()
    cents = exact.quantize(_CENTS)
    return {"amount": f"{cents if cents == exact else exact:f}", "currency": read.currency}


def _checkbox(definition: CustomField, given: Any) -> bool:  # noqa: ANN401 - JSON.
    del definition
    return _FLAG.validate_python(given)


def _plainly(adapter: TypeAdapter[Any]) -> Callable[[CustomField, Any], Any]:
    def read(definition: CustomField, given: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out.
        del definition
        if not isinstance(given, str):
            raise TypeError
        return to_jsonable_python(adapter.validate_python(given))

    return read


def _select(definition: CustomField, given: Any) -> str:  # noqa: ANN401 - JSON.
    for choice in definition.choices:
        if choice["id"] == given:
            return choice["id"]
    raise ValueError


def _multiselect(definition: CustomField, given: Any) -> list[str]:  # noqa: ANN401 - JSON.
    if not isinstance(given, list) or not given:
        raise ValueError
    wanted = {_select(definition, each) for each in given}
    return [choice["id"] for choice in definition.choices if choice["id"] in wanted]


_READERS: Final[Mapping[FieldKind, Callable[[CustomField, Any], Any]]] = {
    FieldKind.TEXT: _text,
    FieldKind.NUMBER: _number,
    FieldKind.MONEY: _money,
    FieldKind.DATE: _plainly(_DATE),
    FieldKind.DATETIME: _plainly(_INSTANT),
    FieldKind.CHECKBOX: _checkbox,
    FieldKind.SELECT: _select,
    FieldKind.MULTISELECT: _multiselect,
    FieldKind.USER: _plainly(_ID),
    FieldKind.COMPANY: _plainly(_ID),
    FieldKind.LOCATION: _plainly(_ID),
}
