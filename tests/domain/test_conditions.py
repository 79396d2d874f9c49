"""Reading conditions: what is refused, where and under which code; and what the written ones mean."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import Field, FieldType, predicate_of
from helpdesk_api.domain.errors import Refusal

ID = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIELDS = {
    field.path: field
    for field in (
        Field("subject", FieldType.TEXT, ""),
        Field("count", FieldType.INTEGER, ""),
        Field("status", FieldType.CHOICE, "", choices=("open", "closed")),
        Field("priority", FieldType.LEVEL, "", choices=("low", "normal", "high")),
        Field("team_id", FieldType.REFERENCE, "", is_nullable=True),
        Field("due_at", FieldType.INSTANT, "", is_nullable=True),
        Field("created_at", FieldType.INSTANT, ""),
        Field("tags", FieldType.SET, ""),
    )
}


def about(field: str, op: str, *value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
    return {"field": field, "op": op} | ({"value": value[0]} if value else {})


def nested(levels: int) -> dict[str, Any]:
    condition = about("tags", "is_empty")
    for _ in range(levels - 1):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({}, "invalid_condition", "/condition"),
        ({"all": [], "any": []}, "invalid_condition", "/condition"),
        ({"all": [{"any": {}}]}, "invalid_condition", "/condition/all/0/any"),
        ({"not": {"field": "tags"}}, "invalid_condition", "/condition/not"),
        (about("tags", "is_empty", 1), "invalid_condition", "/condition/value"),
        (about("status", "eq"), "invalid_condition", "/condition"),
        (about("colour", "eq", "red"), "unknown_condition_field", "/condition/field"),
        (
            {"any": [about("tags", "is_empty"), about("tags", "eq", "x")]},
            "impossible_comparison",
            "/condition/any/1/op",
        ),
        (about("created_at", "is_empty"), "impossible_comparison", "/condition/op"),
        (about("status", "gt", "open"), "impossible_comparison", "/condition/op"),
        (about("status", "eq", "lost"), "invalid_condition_value", "/condition/value"),
        (about("status", "in", ["open", 1]), "invalid_condition_value", "/condition/value/1"),
        (about("status", "in", []), "invalid_condition_value", "/condition/value"),
        (about("status", "in", "open"), "invalid_condition_value", "/condition/value"),
        (about("status", "in", ["open"] * 201), "invalid_condition_value", "/condition/value"),
        (about("count", "eq", 1.5), "invalid_condition_value", "/condition/value"),
        (about("count", "eq", "1"), "invalid_condition_value", "/condition/value"),
        (about("count", "eq", 2**63), "invalid_condition_value", "/condition/value"),
        (about("subject", "eq", ""), "invalid_condition_value", "/condition/value"),
        (about("subject", "eq", "x" * 501), "invalid_condition_value", "/condition/value"),
        (about("team_id", "eq", "x"), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", "2026-03-02"), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", "2026-03-02T09:00:00"), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", "2026-13-02T09:00:00Z"), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", "0001-01-01T00:00:00+05:00"), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", {"seconds_from_now": 10**12}), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", {"seconds_from_now": True}), "invalid_condition_value", "/condition/value"),
        (about("due_at", "lt", {"seconds_from_now": 1, "x": 1}), "invalid_condition_value", "/condition/value"),
        (nested(9), "condition_too_large", "/condition" + "/not" * 8),
        ({"any": [about("tags", "is_empty")] * 101}, "condition_too_large", "/condition/any/100"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_is_wrong(given: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_condition(given, FIELDS, pointer="/condition")

    assert (refused.value.code, refused.value.errors[0].pointer) == (code, pointer)


def test_the_deepest_and_the_widest_condition_are_read() -> None:
    assert read_condition(nested(8), FIELDS, pointer="") is not None
    assert read_condition({"any": [about("tags", "is_empty")] * 100}, FIELDS, pointer="") is not None


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({"all": []}, True),
        ({"any": []}, False),
        (about("subject", "contains", "ДРУК"), True),
        (about("subject", "starts_with", "друк"), False),
        (about("priority", "gte", "normal"), True),
        (about("priority", "gt", "high"), False),
        (about("team_id", "eq", ID), True),
        (about("team_id", "is_empty"), False),
        (about("due_at", "is_empty"), True),
        (about("due_at", "lt", {"seconds_from_now": 0}), False),
        ({"not": about("due_at", "lt", {"seconds_from_now": 0})}, True),
        (about("created_at", "gte", "2026-03-02T09:30:00+01:00"), True),
        (about("created_at", "lt", {"seconds_from_now": -1_799}), True),
        (about("created_at", "lt", {"seconds_from_now": -1_800}), False),
        (about("tags", "contains", "PRINTER"), True),
        (about("tags", "contains_all", ["printer", "dock"]), False),
        (about("tags", "contains_any", ["printer", "dock"]), True),
        (about("status", "ne", "open"), True),
        (about("status", "in", ["open", "closed"]), False),
    ],
)
def test_a_field_without_a_value_fits_nothing_but_ne_and_is_empty(given: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - the expected answer.
    facts = {
        "subject": "Мой Друкер",
        "priority": "high",
        "team_id": UUID(ID),
        "created_at": NOW - timedelta(minutes=30),
        "tags": ["printer"],
    }

    assert predicate_of(read_condition(given, FIELDS, pointer=""))(facts, NOW) is fits
