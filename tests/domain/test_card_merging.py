"""What becomes of fields when two cards are made one, and that parting takes out again what came, and nothing else."""

from typing import TypeAlias

import pytest

from helpdesk_api.domain.card_merging import parted, united

Value: TypeAlias = "dict[str, object] | list[object] | str | bool | None"

_NEWS = {"purpose": "news", "is_granted": True}
_NO_NEWS = {"purpose": "news", "is_granted": False}
_CALLS = {"purpose": "calls", "is_granted": True}


@pytest.mark.parametrize(("field", "ours", "theirs", "both"), [
    ("notes", None, "Rings twice.", "Rings twice."),
    ("notes", "Ours.", "Theirs.", "Ours."),
    ("is_active", False, True, False),
    ("emails", ["b", "a"], ["c", "a"], ["b", "a", "c"]),
    ("domains", ["b", "d"], ["c", "a"], ["a", "b", "c", "d"]),
    ("consents", [_NEWS], [_NO_NEWS, _CALLS], [_NEWS, _CALLS]),
    ("custom_fields", {"everybody": {"tier": "gold"}}, {"everybody": {"tier": "tin", "size": 3}, "internal": {"x": 1}},
     {"everybody": {"tier": "gold", "size": 3}, "internal": {"x": 1}}),
])  # fmt: skip
def test_the_card_that_stays_keeps_its_own_and_gets_what_it_lacks(
    field: str, ours: Value, theirs: Value, both: Value
) -> None:
    assert united(field, ours, theirs) == both
    assert parted(both, ours, both) == ours


@pytest.mark.parametrize(("now", "before", "after", "left"), [
    ("Since.", None, "Theirs.", "Since."),
    (["b", "new", "c"], ["b"], ["b", "c"], ["b", "new"]),
    (["c"], ["b"], ["b", "c"], []),
    ({"everybody": {"tier": "tin", "size": 4}}, {"everybody": {"tier": "gold"}},
     {"everybody": {"tier": "gold", "size": 3}}, {"everybody": {"tier": "tin", "size": 4}}),
    ({"internal": {"x": 1, "y": 2}}, {}, {"internal": {"x": 1}}, {"internal": {"y": 2}}),
])  # fmt: skip
def test_what_was_changed_since_stays_when_cards_are_parted(
    now: Value, before: Value, after: Value, left: Value
) -> None:
    assert parted(now, before, after) == left
