"""Time that is up: rules that wait for it are tried, each ticket in a chain of its own whose cause is the deadline.

A deadline only says that it is time to look. By then the ticket may have changed, the rule may say something else, or
the calendar of its timer other hours: so everything is asked again, and what is not due yet waits on. A rule that fails
has not fired: the next change of the ticket, or its next publication, tries it again.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.automation import waiting
from helpdesk_api.automation.chains import Chain, end, fail, try_one
from helpdesk_api.automation.compiled_rules import CompiledRule, as_rule, facts_about
from helpdesk_api.automation.rule_runs import Outcome, write_runs
from helpdesk_api.automation.rules import Occasion
from helpdesk_api.automation.spreading import spread
from helpdesk_api.automation.timers import OUT_OF_REACH
from helpdesk_api.automation.waiting import MOST_FOR_TICKET, Waiting
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.deadlines import DueDeadline, Unfired
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.tenancy import is_sandbox_tenant
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets import clock_batches
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS

# Gives the rules that are in force.
Known = Callable[[Ctx], Awaitable[list[CompiledRule]]]

ARM: Final = "rule.arm"
# So few that whoever writes to one of these tickets waits for a fraction of a second.
_TICKETS_AT_ONCE: Final = 100

_HOLD_FREE = Statement(
    select(tickets.c.id)
    .where(
        tickets.c.tenant_id == bindparam("tenant"),
        tickets.c.id == any_(bindparam("tickets", type_=ARRAY(Uuid))),
    )
    .order_by(tickets.c.id)
    .with_for_update(skip_locked=True)
)
_NEXT = Statement(
    select(tickets.c.id)
    .where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.id > bindparam("after"))
    .order_by(tickets.c.id)
    .limit(_TICKETS_AT_ONCE)
)


async def elapse(ctx: Ctx, due: Sequence[DueDeadline], in_force: Known) -> Unfired:
    """Try the rules for which time is up; what is about a rule or a ticket that is gone has nothing to do."""
    arranged = await waiting.of_deadlines(ctx, [deadline.object_id for deadline in due])
    held = await _free_of(ctx, {one.ticket_id for one in arranged.values()})
    # Again, now that nobody else changes them.
    arranged = await waiting.of_deadlines(ctx, list(arranged))
    left: set[UUID] = set()
    for deadline in due:
        one = arranged.get(deadline.object_id)
        if one is None:
            continue
        if one.ticket_id not in held:
            left.add(deadline.id)
        elif one.instance == deadline.instance:
            await _reach(ctx, one, deadline, in_force)
    return Unfired(waiting=left)


async def _reach(ctx: Ctx, one: Waiting, deadline: DueDeadline, in_force: Known) -> None:
    """Try one rule on one ticket, which is locked, and let the ticket wait for what comes next."""
    ticket = await crud.fetch_locked(as_rule(ctx, None), TICKETS, one.ticket_id)
    at = max(ctx.now, deadline.due_at, ticket.updated_at)
    moment = replace(ctx, now=at, cause=Cause("deadline", str(deadline.id)))
    # Read for each of them: one that has just failed once too often is in force no more.
    known = await in_force(moment)
    rule = next((rule for rule in known if rule.id == one.rule_id and rule.timer is not None), None)
    if rule is None:
        await waiting.note_reached(moment, one, fired_for=None)
        return
    # Each of them is about a ticket of its own, so each is written down.
    since = len(moment.events)
    chain = Chain(ticket, is_sampled=lambda _: True, occasions={Occasion.ELAPSED})
    has_been_tried, fired_for = await _tried(moment, chain, known, rule, one)
    await write_runs(moment, ticket.id, sorted(chain.occasions), chain.runs)
    others = await spread(moment, chain, known, since=since, is_sampled=chain.is_sampled)
    await waiting.follow(moment, others, known)
    await waiting.note_reached(moment, one, fired_for=fired_for)
    if not has_been_tried:
        await waiting.follow(moment, [ticket.id], [rule])
    elif chain.ticket.version != ticket.version:
        # Only a change lets others look again: two that fail must not call each other.
        await waiting.follow(moment, [ticket.id], known, but_not=rule.id if fired_for is None else None)


async def _tried(
    ctx: Ctx, chain: Chain, known: Sequence[CompiledRule], rule: CompiledRule, one: Waiting
) -> tuple[bool, datetime | None]:
    """Try a rule if its time is up; gives whether it was, and the instant that it has fired for, if it has."""
    since = await _since(ctx, chain, rule)
    if rule.timer is None or since is None or not one.may_fire(rule.timer, since):
        return False, None
    try:
        if await rule.timer.due_at(ctx, since) > ctx.now:
            return False, None
    except UnknownReferenceError as refusal:
        await fail(ctx, chain, rule, refusal)
        return True, None
    except OUT_OF_REACH:
        return False, None
    await try_one(ctx, chain, known, rule)
    if not any(run.rule_id == rule.id and run.outcome is Outcome.APPLIED for run in chain.runs):
        return True, None
    if one.fired_count + 1 >= MOST_FOR_TICKET:
        end(ctx, chain, "repeats")
    # As the chain has left it: what a rule does must not be what arms it again.
    return True, await _since(ctx, chain, rule) or since


async def _since(ctx: Ctx, chain: Chain, rule: CompiledRule) -> datetime | None:
    if rule.timer is None:
        return None
    facts = await facts_about(ctx, chain.ticket, frozenset({rule.timer.since}))
    found: datetime | None = facts.get(rule.timer.since)
    return found


async def schedule_arming(ctx: Ctx, rule_id: UUID) -> None:
    """See to it that a rule, which has just been published, reaches the tickets that are there already."""
    await jobs.put(ctx, [NewJob(ARM, {"rule_id": str(rule_id)}, ctx.real_now, cause=ctx.cause)])


async def arm(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job], in_force: Known) -> None:
    """Let the tickets of a tenant wait for a rule, batch by batch."""
    (job,) = claimed
    wanted = UUID(job.payload["rule_id"])
    async with runtime.db.transaction(tenant_id) as transaction:
        is_sandbox = await is_sandbox_tenant(transaction, tenant_id)
    principal, cause = system(tenant_id, is_sandbox=is_sandbox), Cause("job", str(job.id))
    after, is_done, busy = UUID(int=0), False, set[UUID]()
    while not is_done or busy:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            known = [rule for rule in await in_force(ctx) if rule.id == wanted]
            if busy:
                # One at a time: nobody waits for a ticket while he holds another.
                await waiting.follow(ctx, [each.id for each in await clock_batches.hold(ctx, [busy.pop()])], known)
                continue
            rows = await ctx.tx.rows(_NEXT, {"tenant": tenant_id, "after": after}) if known else []
            if rows:
                after, found = rows[-1]["id"], {row["id"] for row in rows}
                held = await _free_of(ctx, found)
                busy = found - held
                await waiting.follow(ctx, held, known)
            is_done = len(rows) < _TICKETS_AT_ONCE
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        await jobs.complete(ctx.tx, claimed)


async def _free_of(ctx: Ctx, wanted: Collection[UUID]) -> set[UUID]:
    """Lock those of some tickets that nobody is at."""
    rows = await ctx.tx.rows(_HOLD_FREE, {"tenant": ctx.tenant_id, "tickets": list(wanted)})
    return {row["id"] for row in rows}
