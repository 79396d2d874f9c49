"""Strict building blocks for what comes in and goes out over the API.

Input refuses what lax parsers let through: unknown fields, numbers as text, epochs for instants, naive instants,
control characters. Output models are made from rows without validating again. Every input type here is bounded.
"""

import re
from collections.abc import Collection
from copy import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticUndefined

from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.db import Record

M = TypeVar("M", bound=BaseModel)

INT4_MAX = 2**31 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BEGINS_WITH_A_DATE = re.compile(_DATE.pattern + "[Tt ]")
_DECIMAL = r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def single_line(value: str) -> str:
    """Refuse text of more than one line."""
    if _CONTROL.search(value):
        message = "must be one line without control characters"
        raise ValueError(message)
    return value


def _prose(value: str) -> str:
    if _CONTROL_IN_PROSE.search(value):
        message = "must not contain control characters other than tab and line breaks"
        raise ValueError(message)
    return value


def _rfc3339(value: Any) -> Any:
    """Refuse what Pydantic would take for seconds since 1970: numbers, and text that is a number."""
    if isinstance(value, int | float) or (isinstance(value, str) and not _BEGINS_WITH_A_DATE.match(value)):
        message = "must be RFC 3339 text such as 2026-03-02T09:00:00Z"
        raise ValueError(message)
    return value


def _full_date(value: Any) -> Any:
    if not isinstance(value, date) and not (isinstance(value, str) and _DATE.fullmatch(value)):
        message = "must be a date such as 2026-03-02"
        raise ValueError(message)
    return value


def _decimal(value: Any) -> Any:
    """Take a decimal as text only: a JSON number would have been a binary fraction on its way."""
    if not isinstance(value, Decimal) and not (isinstance(value, str) and re.fullmatch(_DECIMAL, value)):
        message = "must be a decimal as text, such as 12.50"
        raise ValueError(message)
    return value


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _in_range(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "is outside of the years that can be stored"
        raise ValueError(message) from None


def _email(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def _known_zone(value: str) -> str:
    try:
        zone_named(value)
    except InvalidError as error:
        raise ValueError(error.detail) from None
    return value


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(single_line)
]
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(single_line)
]
Prose = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(_prose)]
EmailAddress = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_email), Field(json_schema_extra={"format": "email"})
]
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_range)]
LocalDate = Annotated[date, BeforeValidator(_full_date)]
TimeZone = Annotated[
    str, StringConstraints(max_length=64), Field(description="IANA name."), AfterValidator(_known_zone)
]
ExactDecimal = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DECIMAL, "maxLength": 20, "examples": ["12.50"]}),
]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=INT4_MAX)]
Seconds = Annotated[int, Strict(), Field(ge=1, le=INT4_MAX, description="Whole seconds.")]


class Input(BaseModel):
    """A request body: no unknown fields, nothing guessed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Give the fields that were sent, whole: what a merge patch replaces."""
        return self.model_dump(include=self.model_fields_set)


def patch_model(create: type[Input], *, of: str | None = None, without: Collection[str] = ()) -> type[Input]:
    """Make the model of a merge patch (RFC 7396) from that of a creation: no field is required or has a default.

    `of` names what is changed, where the model of the creation is not named after it; `without` what is
    given only once.
    """
    fields: dict[str, Any] = {}
    for name, info in create.model_fields.items():
        if name in without:
            continue
        field = copy(info)
        field.default = PydanticUndefined
        # A factory keeps the default out of the schema. Its value is never used: only what is given counts.
        field.default_factory = _absent
        fields[name] = (info.annotation, field)
    title = of or create.__name__.removesuffix("Create")
    return create_model(
        f"{title}Update", __base__=Input, __doc__=f"Changes to a {title}; what is absent stays.", **fields
    )


def _absent() -> None:
    return None


class Output(BaseModel):
    """A response body: every key is always there; null means empty.

    One that `shows_secret` shows something that cannot be had again, and is never stored in plain text.
    """

    shows_secret: ClassVar[bool] = False

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Make an instance from a row of trusted values; the columns must be named like the fields."""
        return cls.trusted(dict(record.items()))

    @classmethod
    def trusted(cls, values: dict[str, Any]) -> Self:
        """Make an instance without validating; a fifth of the cost of doing so."""
        self = cls.__new__(cls)
        object.__setattr__(self, "__dict__", values)
        object.__setattr__(self, "__pydantic_fields_set__", _NONE_SET)
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", None)
        return self


_NONE_SET: set[str] = set()


class Entity(Output):
    """What every stored object tells: its id, when it was created and last changed, and its version."""

    id: Annotated[UUID, Field(description="UUIDv7, made when the object was created.")]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: Annotated[int, Field(description='Grows by one with every change; also the entity tag, as `"v7"`.')]


class PageInfo(Output):
    """Where the neighbouring pages are."""

    next_cursor: Annotated[str | None, Field(description="Pass as `cursor` for the next page; null on the last one.")]
    prev_cursor: Annotated[
        str | None, Field(description="Pass as `cursor` for the page before; null on the first one.")
    ]


class Total(Output):
    """How many there are, counted up to a limit."""

    count: int
    relation: Annotated[
        str, Field(description="`eq`: exactly `count`. `gte`: at least `count`.", examples=["eq", "gte"])
    ]


class Page(Output, Generic[M]):
    """One page of a list."""

    data: list[M]
    page: PageInfo
    total: Annotated[Total | None, Field(description="Only with `include_total=true`.")]
