"""What is wrong with a set of rules, without running one: loops, chains that are too long, what can never happen.

It errs on the side of saying too much about chains: of a set that it finds neither a loop nor a long chain in, no chain
comes near a limit. What it says can never be, can never be. How rules run is `automation.chains`: in order, round after
round, each once in a chain; what it takes for one rule to bring another on is said at `_brings_on`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from helpdesk_api.domain.conditions import (
    AllOf,
    Comparison,
    Condition,
    Field,
    FieldType,
    Not,
    Operator,
    comparisons,
    paths_of,
)
from helpdesk_api.domain.digraphs import components, longest_path, most_marked, rings_through
from helpdesk_api.domain.satisfiability import Budget, may_hold

_TAGS: Final = "tags"
# Some seconds at worst for all rules of a tenant, and a fraction of one for a single rule.
_STEPS_FOR_ALL: Final = 60_000
_STEPS_FOR_ONE: Final = 4_000
_OF_EVENTS: Final = ("event.", "previous.")
# What may move with any change, and with a change of status.
_WITH_ANY: Final = ("updated_at", "due_at", "clocks.", *_OF_EVENTS)
_WITH_STATUS: Final = frozenset({"status_changed_at", "solved_at", "closed_at", "reopen_count"})


class Found(StrEnum):
    """What there is to find."""

    NEVER_HOLDS = "never_holds"
    ACTION_NEVER_ALLOWED = "action_never_allowed"
    ACTION_WITHOUT_EFFECT = "action_without_effect"
    SHADOWED = "shadowed"
    CONTRADICTION = "contradiction"
    LOOP = "loop"
    LOOP_THROUGH_TICKETS = "loop_through_tickets"
    LONG_CHAIN = "long_chain"
    MANY_RULES = "many_rules"
    MANY_TICKETS = "many_tickets"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule does to a ticket: known new values, fields whose new value is not known, tags, and occasions given.

    `repeats` is whether doing it again would do something again, as a comment does.
    """

    values: Mapping[str, Any]
    unknown: frozenset[str] = frozenset()
    adds: frozenset[str] = frozenset()
    removes: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    repeats: bool = False
    # Fields that it leaves with some value, and what is known of each ticket that it creates.
    fills: frozenset[str] = frozenset()
    creates: Sequence["Effect"] = ()

    @property
    def writes(self) -> frozenset[str]:
        """Name the fields that it may change."""
        tags = {_TAGS} if self.adds or self.removes else set()
        return frozenset({*self.values, *self.unknown, *tags})


@dataclass(frozen=True, slots=True)
class AnalysedRule:
    """A rule as far as an analysis looks at it."""

    id: UUID
    occasions: frozenset[str]
    condition: Condition
    effect: Effect
    stops: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one rule, or several that meet; it is certain, or may come to be."""

    code: Found
    rule_ids: tuple[UUID, ...]
    is_certain: bool
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a chain goes."""

    rounds: int
    fired: int
    generations: int
    created: int


@dataclass(frozen=True, slots=True)
class _Asking:
    """Questions about conditions that share what may be tried for them."""

    budget: Budget

    def may_hold(self, condition: Condition) -> bool:
        return may_hold(condition, self.budget)

    def implies(self, one: Condition, other: Condition) -> bool:
        return not self.may_hold(AllOf((one, Not(other))))


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found, and whether there was time to look at everything."""

    findings: list[Finding]
    is_complete: bool


def analyse(rules: Sequence[AnalysedRule], fields: Mapping[str, Field], limits: Limits) -> Analysis:
    """Find what is wrong with rules, which stand in the order in which they are tried."""
    asking = _Asking(Budget(_STEPS_FOR_ALL))
    findings = [
        *(finding for rule in rules for finding in of_one(rule, fields)),
        *_of_chains(asking, rules, fields, limits),
        *_shadowed(asking, rules),
        *_contradictions(asking, rules, fields),
    ]
    return Analysis(findings, is_complete=asking.budget.steps_left > 0)


def of_one(rule: AnalysedRule, fields: Mapping[str, Field]) -> Iterator[Finding]:
    """Find what can never be of one rule, whatever others do."""
    asking = _Asking(Budget(_STEPS_FOR_ONE))
    reachable = _when_tried(rule, fields)
    if not asking.may_hold(reachable):
        yield Finding(Found.NEVER_HOLDS, (rule.id,), is_certain=True)
        return
    for name, value in rule.effect.values.items():
        already = _equals(fields.get(name), value)
        if already is None:
            continue
        if (name, value) == ("status", "new") and not asking.may_hold(AllOf((reachable, already))):
            # Nothing becomes new again.
            yield Finding(Found.ACTION_NEVER_ALLOWED, (rule.id,), is_certain=True, field=name)
        elif asking.implies(reachable, already):
            yield Finding(Found.ACTION_WITHOUT_EFFECT, (rule.id,), is_certain=True, field=name)
    tags = fields[_TAGS]
    for held, holds in ((rule.effect.adds, True), (rule.effect.removes, False)):
        has = [Comparison(tags, Operator.CONTAINS, tag) for tag in sorted(held)]
        if has and all(asking.implies(reachable, each if holds else Not(each)) for each in has):
            yield Finding(Found.ACTION_WITHOUT_EFFECT, (rule.id,), is_certain=True, field=_TAGS)


def _when_tried(rule: AnalysedRule, fields: Mapping[str, Field]) -> Condition:
    """Give the condition with what is known whenever it is asked: before its creation a ticket was nothing."""
    if rule.occasions != {"created"}:
        return rule.condition
    before = [path for path in paths_of(rule.condition) if path.startswith("previous.")]
    return AllOf((rule.condition, *(Comparison(fields[path], Operator.IS_EMPTY) for path in sorted(before))))


def _shadowed(asking: _Asking, rules: Sequence[AnalysedRule]) -> Iterator[Finding]:
    """Find rules that are never reached: whenever they would fire, an earlier one has fired and stops."""
    for place, rule in enumerate(rules):
        for earlier_place, earlier in enumerate(rules[:place]):
            if not earlier.stops or not rule.occasions <= earlier.occasions:
                continue
            paths = paths_of(earlier.condition)
            between = rules[earlier_place + 1 : place]
            if any(_touches(other.effect, paths) for other in between):
                # What stands between may make the one hold where the other did not.
                continue
            if asking.implies(rule.condition, earlier.condition):
                yield Finding(Found.SHADOWED, (earlier.id, rule.id), is_certain=True)
                break


def _contradictions(asking: _Asking, rules: Sequence[AnalysedRule], fields: Mapping[str, Field]) -> Iterator[Finding]:
    """Find rules that undo what an earlier one has done, whenever that has fired."""
    for place, rule in enumerate(rules):
        for later in rules[place + 1 :]:
            if rule.stops or not rule.occasions <= later.occasions:
                continue
            undone = _undone(rule.effect, later.effect)
            if undone is not None and asking.implies(_left_by(rule, fields), later.condition):
                yield Finding(Found.CONTRADICTION, (rule.id, later.id), is_certain=False, field=undone)


def _left_by(rule: AnalysedRule, fields: Mapping[str, Field]) -> Condition:
    """Give what is known of a ticket for which a rule has just fired: its own condition, where it touched nothing."""
    kept = () if _touches(rule.effect, paths_of(rule.condition)) else (rule.condition,)
    return AllOf((*kept, *_after(rule.effect, fields)))


def _undone(effect: Effect, later: Effect) -> str | None:
    """Name a field that the later effect gives another value than the first."""
    for name, value in effect.values.items():
        if name in later.values and later.values[name] != value:
            return name
    return _TAGS if effect.adds & later.removes or effect.removes & later.adds else None


def _of_chains(
    asking: _Asking, rules: Sequence[AnalysedRule], fields: Mapping[str, Field], limits: Limits
) -> Iterator[Finding]:
    leads = {
        one: [other for other, second in enumerate(rules) if other != one and _brings_on(asking, first, second, fields)]
        for one, first in enumerate(rules)
    }
    weights: list[int] = []
    groups = components(leads)
    for group in groups:
        weights.append(len(group))
        met = [rules[place] for place in sorted(group)]
        if len(met) > 1 and _goes_on(met):
            yield Finding(Found.LOOP, tuple(rule.id for rule in met), is_certain=False)
    for place, rule in enumerate(rules):
        gives_itself = bool(rule.effect.gives & rule.occasions)
        if rule.effect.repeats and [place] in groups and gives_itself and asking.may_hold(rule.condition):
            yield Finding(Found.LOOP, (rule.id,), is_certain=False)
    yield from _through_tickets(asking, rules, fields, leads, limits)
    length, path = longest_path(leads, groups)
    if length >= limits.rounds:
        yield Finding(Found.LONG_CHAIN, tuple(rules[place].id for place in sorted(path)), is_certain=False)
    if len(rules) > limits.fired:
        yield Finding(Found.MANY_RULES, (), is_certain=False)


def _through_tickets(
    asking: _Asking,
    rules: Sequence[AnalysedRule],
    fields: Mapping[str, Field],
    leads: Mapping[int, Sequence[int]],
    limits: Limits,
) -> Iterator[Finding]:
    """Find what rules that create tickets set off for those: the same again, or too many of them."""
    spawns = {
        one: [
            other
            for other, second in enumerate(rules)
            if any(_meets_new(asking, created, second, fields) for created in first.effect.creates)
        ]
        for one, first in enumerate(rules)
    }
    rings = rings_through(spawns, leads)
    for group in rings:
        met = tuple(rules[place].id for place in sorted(group))
        yield Finding(Found.LOOP_THROUGH_TICKETS, met, is_certain=False)
    most = sum(len(rule.effect.creates) for rule in rules)
    if rings or not most:
        return
    generations = most_marked(spawns, leads)
    if generations >= limits.generations:
        creating = tuple(rules[place].id for place, met in spawns.items() if met)
        yield Finding(Found.LONG_CHAIN, creating, is_certain=False)
    if sum(most**generation for generation in range(1, generations + 2)) > limits.created:
        creating = tuple(rule.id for rule in rules if rule.effect.creates)
        yield Finding(Found.MANY_TICKETS, creating, is_certain=False)


def _meets_new(asking: _Asking, created: Effect, rule: AnalysedRule, fields: Mapping[str, Field]) -> bool:
    """Tell whether a rule may fire for a ticket that another creates: at once, or when its time is up."""
    tags = {each.value for each in comparisons(rule.condition) if each.field.path == _TAGS}
    # It has no other tags than it is created with, until a rule that is looked at by itself adds some.
    known = replace(created, removes=frozenset(tag for tag in tags if isinstance(tag, str)) - created.adds)
    if "created" in rule.occasions and asking.may_hold(AllOf((rule.condition, *_after(known, fields)))):
        return True
    # Until then anybody may have changed it.
    return bool(created.gives & rule.occasions - {"created"}) and asking.may_hold(rule.condition)


def _brings_on(asking: _Asking, first: AnalysedRule, second: AnalysedRule, fields: Mapping[str, Field]) -> bool:
    """Tell whether a rule may make another fire that had not, although it was tried, or was not meant before.

    Either the first changes what the second asks about; or it gives an occasion that the second had not had yet, which
    it has had if it is meant whenever the first one is. And the second must be able to hold of what the first leaves.
    """
    paths = paths_of(second.condition)
    is_touched = _touches(first.effect, paths)
    is_called = bool(first.effect.gives & second.occasions) and not first.occasions <= second.occasions
    return (is_touched or is_called) and asking.may_hold(AllOf((second.condition, *_after(first.effect, fields))))


def _touches(effect: Effect, paths: frozenset[str]) -> bool:
    if not (effect.writes or effect.gives):
        return False
    moved = effect.writes | (_WITH_STATUS if "status" in effect.writes else frozenset())
    return any(path in moved or path.startswith(_WITH_ANY) or f"{path.partition('.')[0]}_id" in moved for path in paths)


def _after(effect: Effect, fields: Mapping[str, Field]) -> Iterator[Condition]:
    """Give what is known of a ticket after an effect."""
    for name, value in effect.values.items():
        known = _equals(fields.get(name), value)
        if known is not None:
            yield known
    for name in sorted(effect.fills):
        yield Not(Comparison(fields[name], Operator.IS_EMPTY))
    for tag in sorted(effect.adds):
        yield Comparison(fields[_TAGS], Operator.CONTAINS, tag)
    for tag in sorted(effect.removes):
        yield Not(Comparison(fields[_TAGS], Operator.CONTAINS, tag))


def _equals(asked: Field | None, value: Any) -> Condition | None:  # noqa: ANN401 - of whatever type the field is.
    """Give the condition that a field has a value, if there is one."""
    if asked is None or asked.type not in {FieldType.CHOICE, FieldType.LEVEL, FieldType.REFERENCE}:
        return None
    if value is None:
        return Comparison(asked, Operator.IS_EMPTY) if asked.is_nullable else None
    return Comparison(asked, Operator.EQ, value)


def _goes_on(met: Sequence[AnalysedRule]) -> bool:
    """Tell whether rules that bring each other on would go on for ever, if each did not fire only once.

    Otherwise each does its part, and then there is nothing left to change.
    """
    return any(
        one.effect.repeats or _undone(one.effect, other.effect) is not None or one.effect.unknown & other.effect.writes
        for one in met
        for other in met
        if one is not other
    )
