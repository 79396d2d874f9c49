"""Which tickets wait for rules that are tried when time is up: one row for each, and its deadline.

A ticket waits from the change on that makes the condition hold, or from the beginning where the condition asks about
something that moves without the ticket. Whatever was arranged is looked at again when it is due, so that a row is never
more than a promise to look. A rule fires once for a ticket, or once for each instant that its timer counts from, and at
most fifty times.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, UniqueConstraint, Uuid, any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from helpdesk_api.automation.compiled_rules import CompiledRule, as_rule
from helpdesk_api.automation.timers import OUT_OF_REACH, Timer
from helpdesk_api.domain.conditions import Condition, FromNow, comparisons
from helpdesk_api.kit import deadlines
from helpdesk_api.kit.context import Cause, Ctx, new_id
from helpdesk_api.kit.deadlines import Deadline
from helpdesk_api.kit.sql import Statement, reference, tenant_table, unnested
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.condition_facts import facts_of

ELAPSED_KIND: Final = "rule.elapsed"
MOST_FOR_TICKET: Final = 50
_BEYOND_TICKET: Final = ("company.", "contact.", "asset.", "parent_id", "open_child_count", "watcher_ids")

rule_timers = tenant_table(
    "rule_timers",
    Column("rule_id", Uuid, nullable=False),
    Column("ticket_id", Uuid, nullable=False),
    # The number of the deadline that is waited for next, and when it is; null while nothing is waited for.
    Column("instance", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("fired_count", Integer, nullable=False),
    Column("fired_for", DateTime(timezone=True)),
    UniqueConstraint("tenant_id", "rule_id", "ticket_id"),
    reference("rule_id", "rules", ondelete="CASCADE"),
    reference("ticket_id", "tickets", ondelete="CASCADE"),
    Index(None, "tenant_id", "ticket_id"),
    versioned=False,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a ticket waits for with a rule."""

    id: UUID
    rule_id: UUID
    ticket_id: UUID
    instance: int = 1
    due_at: datetime | None = None
    fired_count: int = 0
    fired_for: datetime | None = None

    def may_fire(self, timer: Timer, since: datetime) -> bool:
        """Tell whether the rule is still to fire for an instant."""
        if self.fired_count == 0:
            return True
        return timer.is_rearmed and self.fired_for != since and self.fired_count < MOST_FOR_TICKET

    @property
    def deadline(self) -> Deadline | None:
        """Give what is arranged for it."""
        return None if self.due_at is None else Deadline(ELAPSED_KIND, self.id, self.instance, self.due_at)


_READ = tuple(rule_timers.c[name] for name in Waiting.__dataclass_fields__)
_OF_TICKETS = Statement(
    select(*_READ).where(
        rule_timers.c.tenant_id == bindparam("tenant"),
        rule_timers.c.ticket_id == any_(bindparam("tickets", type_=ARRAY(Uuid))),
        rule_timers.c.rule_id == any_(bindparam("rules", type_=ARRAY(Uuid))),
    )
)
_WRITTEN: Final = ("tenant_id", "id", "rule_id", "ticket_id", "instance", "due_at", "fired_count")
_put = insert(rule_timers).from_select(
    list(_WRITTEN), select(*(unnested(rule_timers, name).label(name) for name in _WRITTEN))
)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=["tenant_id", "rule_id", "ticket_id"], set_={"due_at": _put.excluded.due_at}
    )
)
_REACHED = Statement(
    update(rule_timers)
    .where(rule_timers.c.tenant_id == bindparam("tenant"), rule_timers.c.id == bindparam("timer"))
    .values(
        instance=rule_timers.c.instance + 1,
        due_at=None,
        fired_count=rule_timers.c.fired_count + bindparam("by", type_=Integer),
        fired_for=bindparam("fired_for", type_=DateTime(timezone=True)),
    )
)
_FREE = Statement(
    select(*_READ)
    .where(
        rule_timers.c.tenant_id == bindparam("tenant"),
        rule_timers.c.id == any_(bindparam("timers", type_=ARRAY(Uuid))),
    )
    .order_by(rule_timers.c.id)
)


async def of_deadlines(ctx: Ctx, timer_ids: Sequence[UUID]) -> dict[UUID, Waiting]:
    """Give what deadlines were arranged for, by the ids that they name."""
    found = await ctx.tx.all(Waiting, _FREE, {"tenant": ctx.tenant_id, "timers": list(timer_ids)})
    return {one.id: one for one in found}


async def note_reached(ctx: Ctx, one: Waiting, *, fired_for: datetime | None) -> None:
    """Note that what was waited for has come; `fired_for` is the instant that the rule has fired for, if it has."""
    by = 0 if fired_for is None else 1
    kept = one.fired_for if fired_for is None else fired_for
    await ctx.tx.run(_REACHED, {"tenant": ctx.tenant_id, "timer": one.id, "by": by, "fired_for": kept})


async def follow(
    ctx: Ctx,
    ticket_ids: Collection[UUID],
    known: Sequence[CompiledRule],
    *,
    but_not: UUID | None = None,
    causes: Mapping[UUID, Cause] | None = None,
) -> None:
    """Let locked tickets wait for what they are to wait for now; a rule that was just tried in vain is left out.

    `causes` tells for which tickets something else than the unit of work is why.
    """
    timed = {rule.id: rule for rule in known if rule.timer is not None and rule.id != but_not}
    if not timed or not ticket_ids:
        return
    paths = frozenset().union(*({rule.timer.since} | rule.paths for rule in timed.values() if rule.timer is not None))
    facts = await facts_of(as_rule(ctx, None), ticket_ids, paths)
    wanted = {"tenant": ctx.tenant_id, "tickets": list(ticket_ids), "rules": list(timed)}
    rows = {(one.rule_id, one.ticket_id): one for one in await ctx.tx.all(Waiting, _OF_TICKETS, wanted)}
    moved: list[Waiting] = []
    void: list[Deadline] = []
    for ticket_id, told in facts.items():
        for rule in timed.values():
            before = rows.get((rule.id, ticket_id), Waiting(new_id(), rule.id, ticket_id))
            after = replace(before, due_at=await _due_at(ctx, rule, before, told))
            if after == before:
                continue
            moved.append(after)
            if after.due_at is None and before.deadline is not None:
                void.append(before.deadline)
    await _store(ctx, moved)
    await deadlines.cancel(ctx, void)
    await deadlines.arrange(
        ctx,
        [replace(one.deadline, cause=(causes or {}).get(one.ticket_id)) for one in moved if one.deadline is not None],
    )


async def _due_at(ctx: Ctx, rule: CompiledRule, one: Waiting, facts: Mapping[str, Any]) -> datetime | None:
    """Give when to look at a ticket for a rule, if ever."""
    timer = rule.timer
    since: datetime | None = None if timer is None else facts.get(timer.since)
    if timer is None or since is None or not one.may_fire(timer, since):
        return None
    holds = rule.holds(facts, ctx.now)
    if not holds and not moves_by_itself(rule.condition):
        return None
    try:
        due_at = await timer.due_at(ctx, since)
    except UnknownReferenceError:
        # Its calendar is gone. It is told as a failure of the rule when time would be up by the clock on the wall.
        due_at = since + timer.by
    except OUT_OF_REACH:
        return None
    # What is due already and does not hold is looked at again with the next change of the ticket.
    return due_at if holds or due_at > ctx.now else None


def moves_by_itself(condition: Condition) -> bool:
    """Tell whether a condition may come to hold although nobody changes the ticket."""
    return any(
        isinstance(one.value, FromNow) or one.field.path.startswith(_BEYOND_TICKET) for one in comparisons(condition)
    )


async def _store(ctx: Ctx, moved: Sequence[Waiting]) -> None:
    if not moved:
        return
    columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in moved] for name in _WRITTEN[1:]}
    await ctx.tx.run(_PUT, {"tenant_id": [ctx.tenant_id] * len(moved), **columns})
