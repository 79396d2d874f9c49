"""What rules do because of one thing that happened to a ticket: round after round, in order, until there is an end.

A rule fires at most once in a chain, so that no set of rules goes round in circles; a chain that is long or deep ends
with an event, never with an error to whose request began it. A rule that fails is undone alone, told by an event, and
switched off after five failures in a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, update

from helpdesk_api.automation.actions.performing import perform
from helpdesk_api.automation.compiled_rules import CompiledRule, as_rule, facts_about
from helpdesk_api.automation.rule_runs import Outcome, Run, SkipReason
from helpdesk_api.automation.rules import RULES, Occasion, RuleState, rules
from helpdesk_api.domain.condition_answers import Answer, answers_of
from helpdesk_api.domain.conditions import Facts
from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Event, record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import WriteConflictError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.tickets.condition_facts import facts_of_event
from helpdesk_api.tickets.schemas import Ticket

MOST_ROUNDS: Final = 5
MOST_FIRED: Final = 50
MOST_FAILURES: Final = 5
_OCCASIONS: Final[Mapping[str, Occasion]] = {
    "ticket.created": Occasion.CREATED,
    "ticket.updated": Occasion.UPDATED,
    "ticket.status_changed": Occasion.UPDATED,
    "ticket.assigned": Occasion.UPDATED,
    "ticket.reply_added": Occasion.REPLIED,
    "ticket.note_added": Occasion.NOTED,
    "ticket.sla_warning": Occasion.SLA_WARNING,
    "ticket.sla_breached": Occasion.SLA_BREACHED,
    "ticket.sla_escalated": Occasion.SLA_ESCALATED,
    "ticket.sla_met": Occasion.SLA_MET,
    "ticket.sla_missed": Occasion.SLA_MISSED,
}
# What a rule may run into; whatever else goes wrong is no fault of the rule, and may go well the next time.
FAULTS: Final = frozenset(Kind) - {Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL}

_mine = rules.c.tenant_id == bindparam("tenant")
_FAILED = Statement(
    update(rules)
    .where(_mine, rules.c.id == bindparam("rule"))
    .values(failure_count=rules.c.failure_count + 1)
    .returning(rules.c.failure_count)
)
_SUCCEEDED = Statement(
    update(rules).where(_mine, rules.c.id == bindparam("rule"), rules.c.failure_count > 0).values(failure_count=0)
)


@dataclass(slots=True)
class Chain:
    """What rules have done because of one thing that happened to a ticket."""

    ticket: Ticket
    is_sampled: Callable[[UUID], bool]
    occasions: set[Occasion] = field(default_factory=set)
    fired: set[UUID] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)
    has_ended: bool = False

    def skip(self, rule: "CompiledRule", reason: SkipReason, answers: Sequence[Answer] = ()) -> None:
        """Note that a rule did not fire."""
        self.runs.append(
            Run(rule.id, rule.version, self.ticket.version, Outcome.SKIPPED, reason=reason, answers=answers)
        )


async def run_chain(ctx: Ctx, chain: Chain, known: Sequence[CompiledRule], happened: Sequence[Event]) -> None:
    """Try rules round after round, until there is nothing more for them to react to."""
    await _run(ctx, chain, known, _untried(chain, known, happened), happened)


async def try_one(ctx: Ctx, chain: Chain, known: Sequence[CompiledRule], rule: CompiledRule) -> None:
    """Try a rule for which nothing has happened but time, and then those that react to what it does."""
    await _run(ctx, chain, known, [rule], [])


async def _run(
    ctx: Ctx, chain: Chain, known: Sequence[CompiledRule], tried: Sequence[CompiledRule], happened: Sequence[Event]
) -> None:
    for _ in range(MOST_ROUNDS):
        mark = len(ctx.events)
        await _try_all(ctx, chain, tried, happened)
        happened = [event for event in ctx.events[mark:] if event.object_id == chain.ticket.id]
        tried = _untried(chain, known, happened)
        if chain.has_ended or not tried:
            return
    for rule in tried:
        chain.skip(rule, SkipReason.DEPTH)
    end(ctx, chain, "depth")


def _occasions(happened: Sequence[Event]) -> set[Occasion]:
    return {_OCCASIONS[event.type] for event in happened if event.type in _OCCASIONS}


def meant(known: Sequence[CompiledRule], happened: Sequence[Event]) -> list[CompiledRule]:
    """Give the rules that are for what happened."""
    occasions = _occasions(happened)
    return [rule for rule in known if not rule.occasions.isdisjoint(occasions)]


def _untried(chain: Chain, known: Sequence[CompiledRule], happened: Sequence[Event]) -> list[CompiledRule]:
    """Give the rules that are for what happened and have not fired yet."""
    return [rule for rule in meant(known, happened) if rule.id not in chain.fired]


async def _try_all(ctx: Ctx, chain: Chain, tried: Sequence[CompiledRule], happened: Sequence[Event]) -> None:
    """Try rules in their order; what happened is nothing where only time has passed."""
    if not tried:
        return
    chain.occasions |= _occasions(happened)
    changes = {name: change for event in happened for name, change in event.changes.items()}
    of_event = facts_of_event(
        actor_type=happened[0].actor.type if happened else "system",
        actor_id=happened[0].actor.id if happened else None,
        changes=changes,
        metrics={event.data["metric"] for event in happened if event.type in _OCCASIONS and "clock_id" in event.data},
        is_of_ticket=True,
    )
    paths = frozenset[str]().union(*(rule.paths for rule in tried))
    facts = {**await facts_about(ctx, chain.ticket, paths), **of_event}
    for place, rule in enumerate(tried):
        if not rule.holds(facts, ctx.now):
            if chain.is_sampled(rule.id):
                chain.skip(rule, SkipReason.NOT_MATCHED, answers_of(rule.condition, facts, ctx.now))
            continue
        if len(chain.fired) >= MOST_FIRED:
            chain.skip(rule, SkipReason.BUDGET)
            end(ctx, chain, "budget")
            return
        before = chain.ticket
        await _fire(ctx, chain, rule, facts)
        if rule.stops:
            chain.has_ended = True
            for other in tried[place + 1 :]:
                if chain.is_sampled(other.id):
                    chain.skip(other, SkipReason.STOPPED)
            return
        if chain.ticket is not before:
            facts = {**await facts_about(ctx, chain.ticket, paths), **of_event}


async def _fire(ctx: Ctx, chain: Chain, rule: CompiledRule, facts: Facts) -> None:
    """Do what a rule says; what it did before it failed is undone, and told."""
    chain.fired.add(rule.id)
    began, mark, ticket = perf_counter(), len(ctx.events), chain.ticket
    refused: Refusal | None = None
    try:
        async with undoable(ctx):
            chain.ticket = await perform(as_rule(ctx, rule.id), ticket, rule.actions)
    except Refusal as refusal:
        if refusal.kind not in FAULTS or isinstance(refusal, WriteConflictError):
            raise
        refused = refusal
    happened = [event for event in ctx.events[mark:] if event.object_id == ticket.id]
    changes = {name: change for event in happened for name, change in event.changes.items()}
    if refused is not None:
        await _note_failure(ctx, rule, ticket, refused)
    else:
        await _note_success(ctx, rule, ticket, chain.ticket)
    chain.runs.append(
        Run(
            rule_id=rule.id,
            rule_version=rule.version,
            ticket_version=chain.ticket.version,
            outcome=Outcome.APPLIED if refused is None else Outcome.FAILED,
            reason=None if refused is None else refused.code,
            detail=None if refused is None else refused.detail,
            answers=answers_of(rule.condition, facts, ctx.now),
            changes=changes,
            duration_ms=round((perf_counter() - began) * 1_000),
        )
    )


async def fail(ctx: Ctx, chain: Chain, rule: CompiledRule, refusal: Refusal) -> None:
    """Note that a rule could not even be tried."""
    await _note_failure(ctx, rule, chain.ticket, refusal)
    chain.runs.append(
        Run(
            rule.id,
            rule.version,
            chain.ticket.version,
            Outcome.FAILED,
            reason=refusal.code,
            detail=refusal.detail,
        )
    )


async def _note_success(ctx: Ctx, rule: CompiledRule, before: Ticket, after: Ticket) -> None:
    await ctx.tx.run(_SUCCEEDED, {"tenant": ctx.tenant_id, "rule": rule.id})
    record(
        as_rule(ctx, rule.id),
        "ticket.rule_applied",
        object_id=after.id,
        version=after.version,
        data={"rule_id": rule.id, "rule_version": rule.version, "has_changed": after.version != before.version},
    )


async def _note_failure(ctx: Ctx, rule: CompiledRule, ticket: Ticket, refusal: Refusal) -> None:
    acting = as_rule(ctx, rule.id)
    data = {"ticket_id": ticket.id, "code": refusal.code, "detail": refusal.detail}
    record(acting, "rule.failed", object_id=rule.id, version=rule.version, data=data)
    if await ctx.tx.value(_FAILED, {"tenant": ctx.tenant_id, "rule": rule.id}) >= MOST_FAILURES:
        before = await crud.fetch_locked(acting, RULES, rule.id)
        if before.state == RuleState.DISABLED:
            return
        after = await crud.store_changes(acting, RULES, before, {"state": RuleState.DISABLED})
        changes = {"state": (before.state, after.state)}
        record(acting, "rule.disabled", object_id=rule.id, version=after.version, changes=changes)


def end(ctx: Ctx, chain: Chain, limit: str) -> None:
    """End a chain at a limit, and tell."""
    chain.has_ended = True
    data = {"limit": limit, "rule_ids": sorted(map(str, chain.fired))}
    record(as_rule(ctx, None), "ticket.rules_ended", object_id=chain.ticket.id, version=chain.ticket.version, data=data)
