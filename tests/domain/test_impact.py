"""What fails with a thing that others need: rings, stand-ins, and random webs against a calculation by hand."""

import random

import pytest

from helpdesk_api.domain.impact import Effect, effects_of

DOWN, AT_RISK = Effect.DOWN, Effect.AT_RISK

Edges = dict[str, list[str]]


@pytest.mark.parametrize(
    ("needs", "backups", "expected"),
    [
        pytest.param({}, {}, {"x": DOWN}, id="alone"),
        pytest.param({"a": ["x"], "b": ["a"]}, {}, {"x": DOWN, "a": DOWN, "b": DOWN}, id="a chain"),
        pytest.param({"a": ["x"], "x": ["a"]}, {}, {"x": DOWN, "a": DOWN}, id="a ring"),
        pytest.param({"x": ["a"]}, {}, {"x": DOWN}, id="what it needs itself is not hit"),
        pytest.param({"a": ["x"]}, {"x": ["y"]}, {"x": DOWN, "a": AT_RISK}, id="something stands in"),
        pytest.param(
            {"a": ["x"], "b": ["a"]}, {"x": ["y"]}, {"x": DOWN, "a": AT_RISK, "b": AT_RISK}, id="risk spreads"
        ),
        pytest.param({"a": ["y"]}, {"y": ["x"]}, {"x": DOWN, "y": AT_RISK, "a": AT_RISK}, id="the stand-in itself"),
        pytest.param(
            {"a": ["x"], "y": ["p"], "x": ["p"]}, {"x": ["y"]}, {"x": DOWN, "a": AT_RISK}, id="a stand-in that stands"
        ),
        pytest.param(
            {"a": ["s"], "s": ["x"], "t": ["x"]},
            {"s": ["t"]},
            {"x": DOWN, "s": DOWN, "t": DOWN, "a": DOWN},
            id="both fail by one cause",
        ),
        pytest.param(
            {"a": ["s"], "s": ["x"], "t": ["q"], "q": ["s"]},
            {"s": ["t"], "t": ["s"]},
            {"x": DOWN, "s": DOWN, "q": AT_RISK, "a": AT_RISK, "t": AT_RISK},
            id="two that stand in for each other",
        ),
    ],
)
def test_what_is_down_and_what_is_at_risk(needs: Edges, backups: Edges, expected: dict[str, Effect]) -> None:
    assert effects_of("x", needs, backups) == expected


def test_random_webs_agree_with_repeating_the_rule_until_nothing_changes() -> None:
    chance = random.Random(20261122)
    for _ in range(400):
        things = range(chance.randint(1, 9))
        needs = {each: [other for other in things if chance.random() < 0.25] for each in things}
        backups = {each: [other for other in things if chance.random() < 0.12] for each in things}

        assert effects_of(0, needs, backups) == by_the_rule(needs, backups)


def by_the_rule(needs: dict[int, list[int]], backups: dict[int, list[int]]) -> dict[int, Effect]:
    """Apply the two sentences of the rule to everything, over and over."""
    down, risk = {0}, set[int]()
    for _ in range(len(needs) + 1):
        lost = {each for each in down if all(stand_in in down for stand_in in backups[each])}
        down |= {each for each in needs if lost.intersection(needs[each])}
    for _ in range(len(needs) + 1):
        shaky = down | risk
        risk |= {each for each in needs if shaky.intersection((*needs[each], *backups[each]))} - down
    return dict.fromkeys(down, DOWN) | dict.fromkeys(risk, AT_RISK)
