"""Which rules fire, for whom they listen: in the transaction of what happened, whoever asked for it.

Rules are kept compiled, by tenant. Before they are used the tenant's rules are counted together with their versions,
which any change moves: what one process publishes holds for the next change in every other. What they do is
`automation.chains`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, select

from helpdesk_api.automation import elapsing, waiting
from helpdesk_api.automation.chains import Chain, meant, run_chain
from helpdesk_api.automation.compiled_rules import CompiledRule, as_rule, compiled
from helpdesk_api.automation.rule_runs import write_runs
from helpdesk_api.automation.rule_versions import IN_FORCE
from helpdesk_api.automation.rules import RULES, rules
from helpdesk_api.automation.spreading import spread
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.deadlines import DueDeadline, Unfired
from helpdesk_api.kit.events import Event
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.custom_conditions import offered_to
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket

_MOST_TENANTS: Final = 1_000
_MOST_SAMPLED: Final = 100_000
_BETWEEN_SAMPLES: Final = timedelta(minutes=1)

_mine = rules.c.tenant_id == bindparam("tenant")
_STAMP = Statement(
    select(func.count(), func.coalesce(func.sum(rules.c.version), 0), func.max(cast(rules.c.id, Text))).where(_mine)
)


class RuleEngine:
    """The rules that one process has compiled."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[tuple[Any, ...], list[CompiledRule]]] = {}
        self._sampled: dict[tuple[UUID, UUID], datetime] = {}

    async def react(self, ctx: Ctx, ticket: Ticket, happened: Sequence[Event]) -> Ticket:
        """Let rules react to what happened to a ticket, round after round; gives the ticket as they leave it."""
        known = await self._rules(ctx)
        ticket = await self._follow(ctx, ticket, happened, known)
        await waiting.follow(ctx, [ticket.id], known)
        return ticket

    async def react_to_each(self, ctx: Ctx, parts: Sequence[Sequence[Event]]) -> None:
        """Let rules react to what happened to many tickets, which the caller has locked: each part has one cause.

        A tenant without a rule for any of it pays one small statement for all of them.
        """
        known = await self._rules(ctx)
        for happened in parts:
            if not meant(known, happened):
                continue
            ticket = await crud.fetch_locked(as_rule(ctx, None), TICKETS, happened[0].object_id)
            moment = replace(ctx, cause=happened[0].cause, now=max(ctx.now, ticket.updated_at))
            await self._follow(moment, ticket, happened, known)
            # One that failed once too often must not go on with the others.
            known = await self._rules(ctx)
        causes = {happened[0].object_id: happened[0].cause for happened in parts}
        await waiting.follow(ctx, list(causes), known, causes=causes)

    async def elapse(self, ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
        """Try the rules for which time is up."""
        return await elapsing.elapse(ctx, due, self._rules)

    async def arm(self, runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
        """Let the tickets that are there already wait for rules that were published."""
        await elapsing.arm(runtime, tenant_id, claimed, self._rules)

    async def _follow(
        self, ctx: Ctx, ticket: Ticket, happened: Sequence[Event], known: Sequence[CompiledRule]
    ) -> Ticket:
        """Let a chain come to its end, and write down what came of it."""
        if not meant(known, happened):
            return ticket
        since = len(ctx.events)
        chain = Chain(ticket, is_sampled=lambda rule_id: self._is_sampled(ctx, rule_id))
        await run_chain(ctx, chain, known, happened)
        await write_runs(ctx, ticket.id, sorted(chain.occasions), chain.runs)
        others = await spread(ctx, chain, known, since=since, is_sampled=chain.is_sampled)
        await waiting.follow(ctx, others, known)
        return chain.ticket

    def _is_sampled(self, ctx: Ctx, rule_id: UUID) -> bool:
        """Tell whether it is written down that a rule was tried in vain."""
        last = self._sampled.get((ctx.tenant_id, rule_id))
        if last is not None and ctx.real_now - last < _BETWEEN_SAMPLES:
            return False
        if len(self._sampled) >= _MOST_SAMPLED:
            self._sampled.clear()
        self._sampled[ctx.tenant_id, rule_id] = ctx.real_now
        return True

    async def _rules(self, ctx: Ctx) -> list[CompiledRule]:
        row = await ctx.tx.row(_STAMP, {"tenant": ctx.tenant_id})
        stamp = (row[0], row[1], row[2]) if row is not None else (0, 0, None)
        if stamp[0] == 0:
            return []
        known = self._known.get(ctx.tenant_id)
        if known is not None and known[0] == stamp:
            return known[1]
        rows = await ctx.tx.rows(IN_FORCE, {"tenant": ctx.tenant_id})
        offered = await offered_to(ctx, *(row["condition"] for row in rows))
        published = [compiled(row, offered) for row in rows]
        if any(event.object_type == RULES.name for event in ctx.events):
            # What this transaction has made of them is not yet so, and may never be.
            return published
        if len(self._known) >= _MOST_TENANTS:
            self._known.clear()
        self._known[ctx.tenant_id] = stamp, published
        return published
