"""Whether a condition can hold: each kind of field, by itself and within a tree."""

from typing import Any

import pytest

from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import Condition, Field, FieldType
from helpdesk_api.domain.satisfiability import implies, may_hold

FIELDS = {
    field.path: field
    for field in (
        Field("text", FieldType.TEXT, ""),
        Field("note", FieldType.TEXT, "", is_nullable=True),
        Field("count", FieldType.INTEGER, ""),
        Field("status", FieldType.CHOICE, "", choices=("new", "open", "closed")),
        Field("priority", FieldType.LEVEL, "", choices=("low", "normal", "high")),
        Field("team", FieldType.REFERENCE, "", is_nullable=True),
        Field("due", FieldType.INSTANT, "", is_nullable=True),
        Field("tags", FieldType.SET, ""),
    )
}
ONE, OTHER = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03"


def asks(field: str, op: str, *value: Any) -> Any:  # noqa: ANN401 - JSON.
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


def read(given: Any) -> Condition:  # noqa: ANN401 - JSON.
    return read_condition(given, FIELDS, pointer="")


def neg(given: Any) -> Any:  # noqa: ANN401 - JSON.
    return {"not": given}


CONFLICTS = {
    "two values": [asks("status", "eq", "new"), asks("status", "eq", "open")],
    "none of all choices": [asks("status", "ne", each) for each in ("new", "open", "closed")],
    "above the highest": [asks("priority", "gt", "high")],
    "between neighbours": [asks("count", "gt", 3), asks("count", "lt", 4)],
    "two references": [asks("team", "eq", ONE), asks("team", "eq", OTHER)],
    "empty and a reference": [asks("team", "is_empty"), asks("team", "in", [ONE, OTHER])],
    "before and after": [asks("due", "lt", "2026-03-02T09:00:00Z"), asks("due", "gt", "2026-03-02T09:00:00Z")],
    "sooner and later": [asks("due", "lt", {"seconds_from_now": 0}), asks("due", "gte", {"seconds_from_now": 1})],
    "two beginnings": [asks("text", "starts_with", "ab"), asks("text", "starts_with", "ba")],
    "a part that may not be": [asks("text", "contains", "Printer"), neg(asks("text", "contains", "print"))],
    "empty and with a part": [asks("note", "is_empty"), asks("note", "contains", "x")],
    "a text without its part": [asks("text", "eq", "printer"), neg(asks("text", "starts_with", "PRINT"))],
    "a tag and not": [asks("tags", "contains", "a"), neg(asks("tags", "contains_any", ["a", "b"]))],
    "empty and two tags": [asks("tags", "is_empty"), asks("tags", "contains_all", ["a", "b"])],
    "no branch": [
        {"any": [asks("status", "eq", "new"), asks("status", "eq", "open")]},
        asks("status", "eq", "closed"),
    ],
    "no part of any": [{"any": []}],
}
POSSIBLE = {
    "between": [asks("count", "gt", 3), asks("count", "lt", 5)],
    "missing is not equal": [asks("team", "ne", ONE), neg(asks("team", "eq", OTHER))],
    "a missing value fits neither": [neg(asks("due", "lt", "2026-03-02T09:00:00Z")), asks("due", "is_empty")],
    "fixed and from now": [asks("due", "lt", "2026-03-02T09:00:00Z"), asks("due", "gt", {"seconds_from_now": 0})],
    "a beginning and a part": [asks("text", "starts_with", "ab"), asks("text", "contains", "ba")],
    "a beginning within another": [asks("text", "starts_with", "ab"), asks("text", "starts_with", "abc")],
    "one of two tags": [asks("tags", "contains_any", ["a", "b"]), neg(asks("tags", "contains_all", ["a", "b"]))],
    "one branch": [{"any": [asks("status", "eq", "new"), asks("status", "eq", "open")]}, asks("status", "ne", "new")],
    "nothing asked": [{"all": []}],
}


@pytest.mark.parametrize("parts", CONFLICTS.values(), ids=CONFLICTS)
def test_what_cannot_hold_is_known(parts: Any) -> None:  # noqa: ANN401 - JSON.
    assert not may_hold(read({"all": parts}))
    assert not may_hold(read(neg({"any": [neg(part) for part in parts]})))


@pytest.mark.parametrize("parts", POSSIBLE.values(), ids=POSSIBLE)
def test_what_can_hold_is_known(parts: Any) -> None:  # noqa: ANN401 - JSON.
    assert may_hold(read({"all": parts}))


def test_one_condition_implies_another() -> None:
    urgent, either = asks("priority", "eq", "high"), asks("priority", "gte", "normal")

    assert implies(read(urgent), read(either))
    assert not implies(read(either), read(urgent))
    assert implies(read({"all": [urgent, asks("count", "gt", 5)]}), read(asks("count", "gte", 6)))


def test_a_condition_with_too_many_branches_is_said_to_be_possible() -> None:
    conflict = [asks("status", "eq", "new"), asks("status", "eq", "open")]
    many = [{"any": [asks("text", "contains", f"{place}-{step}") for step in range(9)]} for place in range(9)]

    assert not may_hold(read({"all": [*many[:1], *conflict]}))
    # The conflict is looked at last.
    assert may_hold(read({"all": [*conflict, *many]}))
