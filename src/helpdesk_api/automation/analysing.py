"""The analysis of the rules of a tenant: what they do is told to `domain.rule_analysis`, and what it finds to people.

Only what can never be is refused, when it is published. Everything else may be meant, or may never come to be.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from helpdesk_api.automation.chains import MOST_FIRED, MOST_ROUNDS
from helpdesk_api.automation.compiled_rules import CompiledRule, compiled
from helpdesk_api.automation.rule_versions import IN_FORCE
from helpdesk_api.automation.rules import RULES, Occasion
from helpdesk_api.automation.spreading import MOST_CREATED, MOST_GENERATIONS
from helpdesk_api.directory.custom_fields.conditions import PREFIX
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.domain.conditions import FieldType
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.rule_analysis import AnalysedRule, Effect, Finding, Found, Limits, analyse, of_one
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.condition_fields import Use, fields_among, fields_for
from helpdesk_api.tickets.custom_conditions import offered_to

router = APIRouter(prefix=f"/v1/{RULES.plural}", tags=[RULES.plural], route_class=UnitOfWorkRoute)

LIMITS: Final = Limits(rounds=MOST_ROUNDS, fired=MOST_FIRED, generations=MOST_GENERATIONS, created=MOST_CREATED)
# Any change of a ticket may move its clocks.
_BY_CHANGE: Final = frozenset(
    {Occasion.UPDATED, Occasion.SLA_WARNING, Occasion.SLA_BREACHED, Occasion.SLA_MET, Occasion.SLA_MISSED}
)
_EVERY: Final = frozenset(Occasion) - {Occasion.CREATED, Occasion.ELAPSED}
_BY_ITSELF: Final = frozenset({COLUMN, "snoozed_until"})
_BY_TURN: Final = frozenset({"assign_round_robin", "assign_least_loaded"})
_BY_CLIENT: Final[Mapping[str, str]] = {
    "assign_default_team": "team_id",
    "assign_responsible_user": "assignee_id",
}
# What is asked about that no ticket holds, and no event tells a change of.
_BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "create_ticket": frozenset({"open_child_count"}),
    "add_watchers": frozenset({"watcher_ids"}),
    "remove_watchers": frozenset({"watcher_ids"}),
    "notify": frozenset(),
}
_AGAIN: Final = frozenset({"create_ticket", "notify"})
_MEANINGS: Final[Mapping[Found, str]] = {
    Found.NEVER_HOLDS: "The condition can never hold.",
    Found.ACTION_NEVER_ALLOWED: "Whenever the condition holds, the new value is refused.",
    Found.ACTION_WITHOUT_EFFECT: "Whenever the condition holds, the ticket is already as the action makes it.",
    Found.SHADOWED: "Whenever the second would fire, the first has fired and stops.",
    Found.CONTRADICTION: "Whenever the first has fired, the second gives the field another value.",
    Found.LOOP: "They set each other off, and would for ever if each did not fire only once.",
    Found.LOOP_THROUGH_TICKETS: "They create tickets for which they fire again, until the limit of generations.",
    Found.MANY_TICKETS: "Together they may create so many tickets that a chain ends at its limit.",
    Found.LONG_CHAIN: "One sets off the next so often that a chain may end at its limit of rounds.",
    Found.MANY_RULES: "So many rules are in force that a chain may end at its limit of rules that fire.",
}


class RuleNeverFiresError(InvalidError):
    """A rule is published that cannot ever do what it says."""

    code = "rule_never_fires"
    title = "The rule could never do what it says"


class RuleFinding(Output):
    """Something that is wrong with rules, or may be."""

    code: Annotated[str, Field(examples=list(Found))]
    is_certain: Annotated[bool, Field(description="Whether it is so, or may come to be so with some tickets.")]
    rule_ids: Annotated[list[UUID], Field(description="In the order in which they are tried.")]
    field: Annotated[str | None, Field(description="The field of a ticket that it is about.")]
    detail: str


class RuleAnalysis(Output):
    """What is wrong with the rules that are in force, or may be."""

    data: list[RuleFinding]
    is_complete: Annotated[
        bool,
        Field(description="False where hundreds of rules were too many to compare all: more may be said than is so."),
    ]


@router.get(
    "/analysis",
    operation_id=operation(RULES, "analyse"),
    summary="Analyse rules",
    description=(
        "Looks at the rules that are in force together, without running any: loops, chains that may reach a limit, "
        "rules that are never reached, that contradict each other, or that can never do what they say. Where it finds "
        "neither a loop nor too long a chain nor too many rules, no chain reaches a limit."
    ),
)
async def analyse_rules(ctx: Annotated[Ctx, allowed("rules:read")]) -> RuleAnalysis:
    """Analyse rules."""
    rows = await ctx.tx.rows(IN_FORCE, {"tenant": ctx.tenant_id})
    offered = await offered_to(ctx, *(row["condition"] for row in rows))
    rules = _over_time([compiled(row, offered) for row in rows])
    # It may take a second, in which others are served.
    found = await asyncio.to_thread(analyse, rules, fields_among(offered, Use.RULE), LIMITS)
    return RuleAnalysis.trusted({"data": [_told(each) for each in found.findings], "is_complete": found.is_complete})


async def check_can_fire(ctx: Ctx, whole: Mapping[str, Any]) -> None:
    """Raise RuleNeverFiresError for a rule that is about to be published and can never do what it says."""
    offered = await offered_to(ctx, whole["condition"])
    rule = analysed(compiled({"id": UUID(int=0), "version": 0, **whole}, offered))
    for finding in of_one(rule, fields_among(offered, Use.RULE)):
        if finding.code is Found.NEVER_HOLDS:
            raise RuleNeverFiresError(_MEANINGS[finding.code], pointer="/condition")
        if finding.code is Found.ACTION_NEVER_ALLOWED:
            raise RuleNeverFiresError(_MEANINGS[finding.code], pointer="/actions")


def analysed(rule: CompiledRule) -> AnalysedRule:
    """Tell the analysis what it looks at of a rule."""
    # Time is up for each rule by itself, and sets off no other.
    occasions = frozenset(_elapsed(rule.id) if each == Occasion.ELAPSED else each for each in rule.occasions)
    return AnalysedRule(rule.id, occasions, rule.condition, _effect_of(rule.actions), rule.stops)


def _over_time(known: Sequence[CompiledRule]) -> list[AnalysedRule]:
    """Tell the analysis about rules that are armed again: any change may move the instant that they count from."""
    rearmed = frozenset(_elapsed(rule.id) for rule in known if rule.timer is not None and rule.timer.is_rearmed)
    told = [analysed(rule) for rule in known]
    timed = frozenset(_elapsed(rule.id) for rule in known if rule.timer is not None)
    return [replace(each, effect=_waited_for(each.effect, rearmed, timed)) for each in told]


def _waited_for(effect: Effect, rearmed: frozenset[str], timed: frozenset[str]) -> Effect:
    """Add to an effect the times that it lets be up: on this ticket again, on a new one all of them."""
    creates = [replace(created, gives=created.gives | timed) for created in effect.creates]
    return replace(effect, gives=effect.gives | rearmed if effect.gives else effect.gives, creates=creates)


def _elapsed(rule_id: UUID) -> str:
    return f"{Occasion.ELAPSED}:{rule_id}"


def _effect_of(actions: Sequence[Mapping[str, Any]]) -> Effect:
    values: dict[str, Any] = {}
    unknown, adds, removes, gives = set[str](), set[str](), set[str](), set[str]()
    repeats = False
    for action in actions:
        match action:
            case {"action": "set", "values": given}:
                values |= {name: _value(name, value) for name, value in given.items() if name not in _BY_ITSELF}
                unknown |= _custom_paths(given.get(COLUMN, {}))
                # A place brings its client along.
                unknown |= {"company_id"} if "location_id" in given else set()
                # What is finished is put off no longer, and an instant passes.
                unknown |= {"snoozed_until"} if {"snoozed_until", "status"} & given.keys() else set()
                gives |= _BY_CHANGE
            case {"action": "add_tags", "tags": tags}:
                adds, removes = adds | {*tags}, removes - {*tags}
                gives |= _BY_CHANGE
            case {"action": "remove_tags", "tags": tags}:
                adds, removes = adds - {*tags}, removes | {*tags}
                gives |= _BY_CHANGE
            case {"action": kind, **others} if kind in _BY_TURN:
                values["team_id"] = UUID(others["team_id"])
                unknown.add("assignee_id")
                gives |= _BY_CHANGE
                repeats = True
            case {"action": kind} if kind in _BY_CLIENT:
                unknown.add(_BY_CLIENT[kind])
                gives |= _BY_CHANGE
            case {"action": "snooze"}:
                unknown.add("snoozed_until")
                gives |= _BY_CHANGE
                repeats = True
            case {"action": "comment", "kind": kind}:
                gives |= {Occasion.NOTED} if kind == "note" else {Occasion.REPLIED, *_BY_CHANGE}
                repeats = True
            case {"action": kind} if kind in _BESIDE:
                unknown |= _BESIDE[kind]
                repeats = repeats or kind in _AGAIN
            case _:
                # What is not known here may do anything.
                unknown |= fields_for(Use.RULE).keys()
                gives |= _EVERY
                repeats = True
    known = {name: value for name, value in values.items() if name not in unknown}
    return Effect(
        *(known, frozenset(unknown), frozenset(adds), frozenset(removes)),
        gives=frozenset(gives),
        repeats=repeats,
        creates=[_new_ticket(action) for action in actions if action["action"] == "create_ticket"],
    )


def _new_ticket(action: Mapping[str, Any]) -> Effect:
    """Tell what is known of a ticket that an action creates."""
    given = {"status": "new", "type": "incident", "priority": "normal", **action["values"]}
    copied = {*action["copied_fields"]} - action["values"].keys()
    values = {name: _value(name, value) for name, value in given.items() if name not in copied | {"tags"}}
    is_child = action["link_type"] == "child_of"
    return Effect(
        values if is_child else {**values, "parent_id": None},
        adds=frozenset(given.get("tags", ())),
        gives=frozenset({Occasion.CREATED}),
        fills=frozenset({"parent_id"} if is_child else ()),
    )


def _custom_paths(given: Mapping[str, Any]) -> set[str]:
    """Name what conditions may ask of custom fields; of money two things."""
    return {f"{PREFIX}{key}{part}" for key in given for part in ("", ".amount", ".currency")}


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    field = fields_for(Use.RULE).get(name)
    is_id = field is not None and field.type is FieldType.REFERENCE and isinstance(value, str)
    return UUID(value) if is_id else value


def _told(finding: Finding) -> RuleFinding:
    return RuleFinding.trusted({
        "code": finding.code,
        "is_certain": finding.is_certain,
        "rule_ids": list(finding.rule_ids),
        "field": finding.field,
        "detail": _MEANINGS[finding.code],
    })  # fmt: skip
