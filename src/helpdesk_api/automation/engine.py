"""Which rules fire: in the transaction of what happened, in order, each seeing what earlier ones did.

A rule fires at most once in one causal chain, so that no set of rules goes round in circles; a chain that is long or
deep all the same ends with an event, never with an error to whose request began it. A rule that fails is undone alone,
told by an event, and switched off after five failures in a row.

Rules are kept compiled, by tenant. Before they are used the tenant's rules are counted together with their versions,
which any change moves: what one process publishes holds for the next change in every other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, select, update

from helpdesk_api.automation.actions.performing import perform
from helpdesk_api.automation.rule_versions import IN_FORCE
from helpdesk_api.automation.rules import RULES, Occasion, RuleState, rules
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import ALWAYS, Predicate, paths_of, predicate_of
from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Event, record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import WriteConflictError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.visibility import EVERY_GROUP
from helpdesk_api.tickets.condition_facts import facts_of, facts_of_event
from helpdesk_api.tickets.condition_fields import Use, fields_for
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket

MOST_ROUNDS: Final = 5
MOST_FIRED: Final = 50
MOST_FAILURES: Final = 5
_MOST_TENANTS: Final = 1_000
_OCCASIONS: Final[Mapping[str, Occasion]] = {
    "ticket.created": Occasion.CREATED,
    "ticket.updated": Occasion.UPDATED,
    "ticket.status_changed": Occasion.UPDATED,
    "ticket.assigned": Occasion.UPDATED,
    "ticket.reply_added": Occasion.REPLIED,
    "ticket.note_added": Occasion.NOTED,
    "ticket.sla_warning": Occasion.SLA_WARNING,
    "ticket.sla_breached": Occasion.SLA_BREACHED,
    "ticket.sla_met": Occasion.SLA_MET,
    "ticket.sla_missed": Occasion.SLA_MISSED,
}
# What a rule may run into; whatever else goes wrong is no fault of the rule, and may go well the next time.
FAULTS: Final = frozenset(Kind) - {Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL}

_mine = rules.c.tenant_id == bindparam("tenant")
_STAMP = Statement(
    select(func.count(), func.coalesce(func.sum(rules.c.version), 0), func.max(cast(rules.c.id, Text))).where(_mine)
)
_FAILED = Statement(
    update(rules)
    .where(_mine, rules.c.id == bindparam("rule"))
    .values(failure_count=rules.c.failure_count + 1)
    .returning(rules.c.failure_count)
)
_SUCCEEDED = Statement(
    update(rules).where(_mine, rules.c.id == bindparam("rule"), rules.c.failure_count > 0).values(failure_count=0)
)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A published rule, ready to be tried."""

    id: UUID
    version: int
    occasions: frozenset[str]
    holds: Predicate
    paths: frozenset[str]
    actions: Sequence[Mapping[str, Any]]
    stops: bool


@dataclass(slots=True)
class _Chain:
    """What rules have done because of one thing that happened to a ticket."""

    ticket: Ticket
    fired: set[UUID] = field(default_factory=set)
    has_ended: bool = False


class RuleEngine:
    """The rules that one process has compiled."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[tuple[Any, ...], list[CompiledRule]]] = {}

    async def react(self, ctx: Ctx, ticket: Ticket, happened: Sequence[Event]) -> Ticket:
        """Let rules react to what happened to a ticket, round after round; gives the ticket as they leave it."""
        return await _follow(ctx, ticket, happened, await self._rules(ctx))

    async def react_to_each(self, ctx: Ctx, parts: Sequence[Sequence[Event]]) -> None:
        """Let rules react to what happened to many tickets, which the caller has locked: each part has one cause.

        A tenant without a rule for any of it pays one small statement for all of them.
        """
        known = await self._rules(ctx)
        for happened in parts:
            if not _meant(known, happened):
                continue
            ticket = await crud.fetch_locked(as_rule(ctx, None), TICKETS, happened[0].object_id)
            moment = replace(ctx, cause=happened[0].cause, now=max(ctx.now, ticket.updated_at))
            await _follow(moment, ticket, happened, known)
            # One that failed once too often must not go on with the others.
            known = await self._rules(ctx)

    async def _rules(self, ctx: Ctx) -> list[CompiledRule]:
        row = await ctx.tx.row(_STAMP, {"tenant": ctx.tenant_id})
        stamp = (row[0], row[1], row[2]) if row is not None else (0, 0, None)
        if stamp[0] == 0:
            return []
        known = self._known.get(ctx.tenant_id)
        if known is not None and known[0] == stamp:
            return known[1]
        published = [compiled(row) for row in await ctx.tx.rows(IN_FORCE, {"tenant": ctx.tenant_id})]
        if any(event.object_type == RULES.name for event in ctx.events):
            # What this transaction has made of them is not yet so, and may never be.
            return published
        if len(self._known) >= _MOST_TENANTS:
            self._known.clear()
        self._known[ctx.tenant_id] = stamp, published
        return published


def compiled(row: Record | Mapping[str, Any]) -> CompiledRule:
    """Make a rule ready to be tried."""
    given = row["condition"]
    condition = ALWAYS if given is None else read_condition(given, fields_for(Use.RULE), pointer="/condition")
    return CompiledRule(
        id=row["id"],
        version=row["version"],
        occasions=frozenset(row["occasions"]),
        holds=predicate_of(condition),
        paths=paths_of(condition),
        actions=row["actions"],
        stops=row["stops"],
    )


async def _follow(ctx: Ctx, ticket: Ticket, happened: Sequence[Event], known: Sequence[CompiledRule]) -> Ticket:
    """Try rules round after round, until there is nothing more for them to react to."""
    chain = _Chain(ticket)
    for _ in range(MOST_ROUNDS):
        mark = len(ctx.events)
        await _try_all(ctx, chain, known, happened)
        happened = [event for event in ctx.events[mark:] if event.object_id == ticket.id]
        if chain.has_ended or not _untried(chain, known, happened):
            return chain.ticket
    _end(ctx, chain, "depth")
    return chain.ticket


def _meant(known: Sequence[CompiledRule], happened: Sequence[Event]) -> list[CompiledRule]:
    """Give the rules that are for what happened."""
    occasions = {_OCCASIONS[event.type] for event in happened if event.type in _OCCASIONS}
    return [rule for rule in known if not rule.occasions.isdisjoint(occasions)]


def _untried(chain: _Chain, known: Sequence[CompiledRule], happened: Sequence[Event]) -> list[CompiledRule]:
    """Give the rules that are for what happened and have not fired yet."""
    return [rule for rule in _meant(known, happened) if rule.id not in chain.fired]


async def _try_all(ctx: Ctx, chain: _Chain, known: Sequence[CompiledRule], happened: Sequence[Event]) -> None:
    """Try the rules that are for what happened, in their order."""
    tried = _untried(chain, known, happened)
    if not tried:
        return
    changes = {name: change for event in happened for name, change in event.changes.items()}
    of_event = facts_of_event(
        actor_type=happened[0].actor.type,
        actor_id=happened[0].actor.id,
        changes=changes,
        metrics={event.data["metric"] for event in happened if event.type in _OCCASIONS and "clock_id" in event.data},
        is_of_ticket=True,
    )
    paths = frozenset[str]().union(*(rule.paths for rule in tried))
    facts = await facts_about(ctx, chain.ticket, paths)
    for rule in tried:
        if not rule.holds({**facts, **of_event}, ctx.now):
            continue
        if len(chain.fired) >= MOST_FIRED:
            _end(ctx, chain, "budget")
            return
        chain.fired.add(rule.id)
        before, chain.ticket = chain.ticket, await _fire(ctx, rule, chain.ticket)
        if rule.stops:
            chain.has_ended = True
            return
        if chain.ticket is not before:
            facts = await facts_about(ctx, chain.ticket, paths)


async def facts_about(ctx: Ctx, ticket: Ticket, paths: frozenset[str]) -> dict[str, Any]:
    """Give the values of a ticket, and of the fields beyond it that rules ask about, whoever the caller is."""
    others = await facts_of(as_rule(ctx, None), [ticket.id], paths - vars(ticket).keys())
    return {**vars(ticket), **others.get(ticket.id, {})}


async def _fire(ctx: Ctx, rule: CompiledRule, ticket: Ticket) -> Ticket:
    """Do what a rule says; what it did before it failed is undone, and told."""
    try:
        async with undoable(ctx):
            after = await perform(as_rule(ctx, rule.id), ticket, rule.actions)
    except Refusal as refusal:
        if refusal.kind not in FAULTS or isinstance(refusal, WriteConflictError):
            raise
        await _note_failure(ctx, rule, ticket, refusal)
        return ticket
    await ctx.tx.run(_SUCCEEDED, {"tenant": ctx.tenant_id, "rule": rule.id})
    record(
        as_rule(ctx, rule.id),
        "ticket.rule_applied",
        object_id=ticket.id,
        version=after.version,
        data={"rule_id": rule.id, "rule_version": rule.version, "has_changed": after.version != ticket.version},
    )
    return after


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


def _end(ctx: Ctx, chain: _Chain, limit: str) -> None:
    chain.has_ended = True
    data = {"limit": limit, "rule_ids": sorted(map(str, chain.fired))}
    record(as_rule(ctx, None), "ticket.rules_ended", object_id=chain.ticket.id, version=chain.ticket.version, data=data)


def as_rule(ctx: Ctx, rule_id: UUID | None) -> Ctx:
    """Give the context in which a rule acts: for the tenant, and without further reactions to what it does."""
    principal = Principal(
        "rule", rule_id, ctx.tenant_id, field_groups=frozenset({EVERY_GROUP}), is_sandbox=ctx.principal.is_sandbox
    )
    return replace(ctx, principal=principal, reactions={})
