"""What the types of request bodies take and refuse, value by value."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from helpdesk_api.kit.schema import (
    Count,
    EmailAddress,
    Flag,
    Input,
    Instant,
    Label,
    Line,
    LocalDate,
    Output,
    Prose,
    Seconds,
    patch_model,
)

FIRST_MOMENT = "0001-01-01T00:00:00"
LAST_MOMENT = "9999-12-31T23:59:59"

TYPES: dict[str, TypeAdapter[Any]] = {
    "line": TypeAdapter(Line),
    "label": TypeAdapter(Label),
    "prose": TypeAdapter(Prose),
    "e-mail": TypeAdapter(EmailAddress),
    "instant": TypeAdapter(Instant),
    "date": TypeAdapter(LocalDate),
    "flag": TypeAdapter(Flag),
    "count": TypeAdapter(Count),
    "seconds": TypeAdapter(Seconds),
}

TAKEN: dict[str, list[tuple[object, object]]] = {
    "line": [
        ("  Printer  ", "Printer"),
        ("x" * 200, "x" * 200),
        ("الطابعة 🖨 naïve", "الطابعة 🖨 naïve"),
    ],
    "label": [("dock 3", "dock 3")],
    "prose": [("one\r\n\ttwo\n", "one\r\n\ttwo\n"), ("", "")],
    "e-mail": [("Ada@Service.EXAMPLE", "Ada@service.example")],
    "instant": [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02t09:00:00.5+05:45", datetime(2026, 3, 2, 3, 15, 0, 500_000, tzinfo=UTC)),
        (f"{FIRST_MOMENT}Z", datetime(1, 1, 1, tzinfo=UTC)),
        (f"{LAST_MOMENT}Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
    "date": [("2028-02-29", date(2028, 2, 29))],
    "flag": [(False, False), (True, True)],
    "count": [(0, 0), (2**31 - 1, 2**31 - 1)],
    "seconds": [(1, 1)],
}

REFUSED: dict[str, list[object]] = {
    "line": ["", "   ", "x" * 201, "two\nlines", "bell\a", "\x7f", "\x85", "\u2028", 1, True, None, []],
    "label": ["", "x" * 61, "two\tparts"],
    "prose": ["x" * 65_537, "bell\a", "\x1b[31m", "\x9b", "\x0b", 1],
    "e-mail": ["", "ada", "@service.example", "a b@service.example", "a@b@c.example", "a" * 255],
    "instant": [
        # Pydantic by itself takes numbers, and text that is a number, for seconds or milliseconds since 1970.
        *(1767225600, 1.5, True, "1767225600", "1767225600000", "-1", "now", "", None),
        *("2026-03-02", "2026-03-02T09:00:00", "2026-02-30T00:00:00Z", "2026-03-02T25:00:00Z"),
        *(f"{FIRST_MOMENT}+14:00", f"{LAST_MOMENT}-12:00", "10000-01-01T00:00:00Z"),
        *("٢٠٢٦-03-02T09:00:00Z", "2026-03-02T09:00:00Z; DROP"),
    ],
    "date": [0, 86400, "86400", "2026-02-30", "2026-3-2", "2026-03-02T00:00:00", "20260302", True],
    "flag": [0, 1, "true", "yes", None],
    "count": [-1, 2**31, "1", 1.0, True, None],
    "seconds": [0, -1, 2**31, "60", 60.0, True],
}

each_type = pytest.mark.parametrize("name", TYPES)


@each_type
def test_a_good_value_is_taken(name: str) -> None:
    found = [TYPES[name].validate_python(value) for value, _ in TAKEN[name]]

    assert found == [meant for _, meant in TAKEN[name]]


@each_type
def test_a_bad_value_is_refused(name: str) -> None:
    for value in REFUSED[name]:
        with pytest.raises(ValidationError):
            pytest.fail(f"{value!r} was taken for {TYPES[name].validate_python(value)!r}")


def test_instants_are_kept_in_utc() -> None:
    found = TYPES["instant"].validate_python("2026-03-02T09:00:00+02:00")

    assert found.isoformat() == "2026-03-02T07:00:00+00:00"


class ThingCreate(Input):
    """A new thing."""

    name: Line
    size: Annotated[Count, Field(description="How big.")] = 1
    notes: Prose | None = None


def test_a_body_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        ThingCreate.model_validate({"name": "x", "surprise": 1})


def test_a_patch_knows_what_was_given_from_what_was_not() -> None:
    patch = patch_model(ThingCreate)

    assert patch.model_validate({}).model_fields_set == set()
    assert patch.model_validate({"notes": None}).given() == {"notes": None}
    assert patch.__name__ == "ThingUpdate"


def test_a_patch_shows_no_defaults_and_requires_nothing() -> None:
    schema = patch_model(ThingCreate).model_json_schema()

    assert "required" not in schema
    assert [name for name, field in schema["properties"].items() if "default" in field] == []
    assert schema["properties"]["size"]["description"] == "How big."


def test_a_patch_holds_the_rules_of_the_creation() -> None:
    with pytest.raises(ValidationError):
        patch_model(ThingCreate).model_validate({"size": -1})


class Thing(Output):
    """A thing."""

    name: str
    tags: list[str]


def test_an_answer_made_of_trusted_values_looks_like_a_validated_one() -> None:
    trusted = Thing.trusted({"name": "x", "tags": ["a"]})

    assert trusted == Thing(name="x", tags=["a"])
    assert trusted.model_dump_json() == '{"name":"x","tags":["a"]}'
