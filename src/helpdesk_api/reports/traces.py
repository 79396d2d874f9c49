"""Traces: everything that one cause has set off, from the request through rules, deadlines and jobs to the webhooks.

Events and runs of rules name their cause. Work that is left for later is a step of its own, with a cause of its own:
a deadline, or a job; what set that off stands in `deadlines` and `job_causes`. So a trace is a walk along these links,
a generation at a time, within limits. Nobody is told more by it than by the feed, the runs and the deliveries.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.automation.rule_runs import RULE_RUNS, RuleRun, as_shown, rule_runs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.deadlines import deadlines
from helpdesk_api.kit.events import TOLD, commit_order, events
from helpdesk_api.kit.job_causes import job_causes
from helpdesk_api.kit.jobs import jobs
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.webhooks.deliveries import DELIVERIES
from helpdesk_api.webhooks.event_visibility import Resources, seen_events
from helpdesk_api.webhooks.models import webhook_attempts, webhook_deliveries

MOST_STEPS: Final = 100
MOST_EVENTS: Final = 500
MOST_RUNS: Final = 500
MOST_DELIVERIES: Final = 500
_MOST_ATTEMPTS: Final = 1_000
_MOST_BEFORE: Final = 20


class Named(NamedTuple):
    """What sets something off: a request, a job, a deadline or a command, by its id."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Work:
    """Work that was left for later: a deadline or a job, and what set it off."""

    named: Named
    set_off_by: Named | None
    kind: str
    state: str
    due_at: Any
    fired_at: Any


@dataclass(slots=True)
class Found:
    """What a trace consists of, as far as the caller may see it; `is_complete` unless a limit was reached."""

    before: list[Named]
    steps: dict[Named, Work | None]
    events: dict[Named, list[Record]] = field(default_factory=dict)
    runs: dict[Named, list[RuleRun]] | None = None
    deliveries: dict[UUID, list[Record]] | None = None
    attempts: dict[UUID, list[Record]] = field(default_factory=dict)
    is_complete: bool = True


def _work(*, by_cause: bool) -> Statement:
    """Give the statement that finds work: what some causes have set off, or the work that goes by some ids."""
    wanted = bindparam("ids", type_=ARRAY(Text if by_cause else Uuid))
    at = DateTime(timezone=True)
    due = select(
        literal("deadline").label("type"),
        deadlines.c.id,
        deadlines.c.kind,
        deadlines.c.cause_type,
        deadlines.c.cause_id,
        deadlines.c.due_at,
        deadlines.c.fired_at,
        case((deadlines.c.fired_at.is_(None), "waiting"), else_="done").label("state"),
    ).where(
        deadlines.c.tenant_id == bindparam("tenant"),
        (deadlines.c.cause_id if by_cause else deadlines.c.id) == any_(wanted),
    )
    put = (
        select(
            literal("job"),
            job_causes.c.id,
            job_causes.c.kind,
            job_causes.c.cause_type,
            job_causes.c.cause_id,
            cast(null(), at),
            cast(null(), at),
            case((jobs.c.id.is_(None), "done"), (jobs.c.failed_at.is_(None), "waiting"), else_="failed"),
        )
        .select_from(
            job_causes.outerjoin(jobs, (jobs.c.tenant_id == job_causes.c.tenant_id) & (jobs.c.id == job_causes.c.id))
        )
        .where(
            job_causes.c.tenant_id == bindparam("tenant"),
            (job_causes.c.cause_id if by_cause else job_causes.c.id) == any_(wanted),
        )
    )
    either = union_all(due, put).subquery("work")
    return Statement(select(either).order_by(either.c.id).limit(bindparam("most", type_=Integer)))


_SET_OFF_BY: Final = _work(by_cause=True)
_BY_ID: Final = _work(by_cause=False)
_ATTEMPTS: Final = Statement(
    select(*webhook_attempts.c)
    .where(
        webhook_attempts.c.tenant_id == bindparam("tenant"),
        webhook_attempts.c.delivery_id == any_(bindparam("deliveries", type_=ARRAY(Uuid))),
    )
    .order_by(webhook_attempts.c.delivery_id, webhook_attempts.c.number)
    .limit(_MOST_ATTEMPTS + 1)
)


async def find_trace(ctx: Ctx, cause_id: str, resources: Resources) -> Found:
    """Follow what a cause has set off; without any step when there is nothing that the caller may see."""
    own = await _by_id(ctx, cause_id)
    steps, is_complete = await _follow(ctx, cause_id, own)
    found = Found(await _before(ctx, own), steps, is_complete=is_complete)
    ids = list(dict.fromkeys([cause_id, *(named.id for named in steps)]))
    told = await _events(ctx, ids, resources)
    found.is_complete &= len(told) <= MOST_EVENTS
    del told[MOST_EVENTS:]
    found.events = _by_cause((Named(row["cause_type"], row["cause_id"]), row) for row in told)
    if ctx.principal.may(f"{RULE_RUNS.plural}:read"):
        runs = await _runs(ctx, ids)
        found.is_complete &= len(runs) <= MOST_RUNS
        found.runs = _by_cause((Named(run.cause_type, run.cause_id), run) for run in runs[:MOST_RUNS])
    if ctx.principal.may(f"{DELIVERIES.plural}:read"):
        await _add_deliveries(ctx, found, [row["id"] for row in told])
    _leave_what_is_seen(ctx, found, cause_id)
    return found


async def _by_id(ctx: Ctx, cause_id: str) -> Work | None:
    try:
        wanted = UUID(cause_id)
    except ValueError:
        return None
    row = await ctx.tx.row(_BY_ID, {"tenant": ctx.tenant_id, "ids": [wanted], "most": 1})
    return None if row is None else _read(row)


async def _before(ctx: Ctx, own: Work | None) -> list[Named]:
    """Give what has led to a deadline or job, the first cause first."""
    before: list[Named] = []
    while own is not None and own.set_off_by is not None and len(before) < _MOST_BEFORE:
        before.insert(0, own.set_off_by)
        own = await _by_id(ctx, own.set_off_by.id)
    return before


async def _follow(ctx: Ctx, cause_id: str, own: Work | None) -> tuple[dict[Named, Work | None], bool]:
    """Walk along the work that was left for later; tells besides whether all of it was found."""
    steps: dict[Named, Work | None] = {} if own is None else {own.named: own}
    frontier = [cause_id]
    while frontier:
        params = {"tenant": ctx.tenant_id, "ids": frontier, "most": MOST_STEPS + 1}
        left = [_read(row) for row in await ctx.tx.rows(_SET_OFF_BY, params)]
        new = {work.named: work for work in left if work.named not in steps}
        room = MOST_STEPS - len(steps)
        steps |= dict(list(new.items())[:room])
        if len(new) > room:
            return steps, False
        frontier = [named.id for named in new]
    return steps, True


async def _events(ctx: Ctx, ids: list[str], resources: Resources) -> list[Record]:
    return await ctx.tx.rows(
        select(*TOLD)
        .where(events.c.tenant_id == ctx.tenant_id, _among(events.c.cause_id, ids), *seen_events(ctx, resources))
        .order_by(*commit_order())
        .limit(MOST_EVENTS + 1),
        ctx.principal.reach.values,
    )


async def _runs(ctx: Ctx, ids: list[str]) -> list[RuleRun]:
    rows = await ctx.tx.rows(
        select(*(rule_runs.c[name] for name in RuleRun.model_fields))
        .where(
            rule_runs.c.tenant_id == ctx.tenant_id,
            _among(rule_runs.c.cause_id, ids),
            *seen_rows(RULE_RUNS.rows, ctx.principal.reach.kind),
        )
        .order_by(rule_runs.c.id)
        .limit(MOST_RUNS + 1),
        ctx.principal.reach.values,
    )
    return await as_shown(ctx, [RuleRun.from_record(row) for row in rows])


async def _add_deliveries(ctx: Ctx, found: Found, event_ids: list[UUID]) -> None:
    rows = await ctx.tx.rows(_deliveries(ctx, event_ids), ctx.principal.reach.values)
    found.is_complete &= len(rows) <= MOST_DELIVERIES
    del rows[MOST_DELIVERIES:]
    found.deliveries = defaultdict(list)
    for row in rows:
        found.deliveries[row["event_id"]].append(row)
    params = {"tenant": ctx.tenant_id, "deliveries": [row["id"] for row in rows]}
    attempts = await ctx.tx.rows(_ATTEMPTS, params)
    found.is_complete &= len(attempts) <= _MOST_ATTEMPTS
    for attempt in attempts[:_MOST_ATTEMPTS]:
        found.attempts.setdefault(attempt["delivery_id"], []).append(attempt)


def _deliveries(ctx: Ctx, event_ids: list[UUID]) -> Select[Any]:
    return (
        select(*(webhook_deliveries.c[name] for name in DELIVERIES.read.model_fields))
        .where(
            webhook_deliveries.c.tenant_id == ctx.tenant_id,
            _among(webhook_deliveries.c.event_id, event_ids),
            *seen_rows(DELIVERIES.rows, ctx.principal.reach.kind),
        )
        .order_by(webhook_deliveries.c.id)
        .limit(MOST_DELIVERIES + 1)
    )


def _leave_what_is_seen(ctx: Ctx, found: Found, cause_id: str) -> None:
    """Add the steps that are no work left for later, the asked one first, and drop those that say nothing to a caller.

    That something is still to be done, or was done without an event, is told to whoever may read everything.
    """
    told = [*found.events, *(found.runs or {})]
    first = {named: found.steps.get(named) for named in (*told, *found.steps) if named.id == cause_id}
    found.steps = first | found.steps | dict.fromkeys(named for named in told if named not in found.steps)
    if not (ctx.principal.reach.is_unlimited and ctx.principal.may("*:read")):
        found.steps = {named: work for named, work in found.steps.items() if named in told}


def _by_cause(pairs: Iterable[tuple[Named, Any]]) -> dict[Named, list[Any]]:
    grouped: defaultdict[Named, list[Any]] = defaultdict(list)
    for named, item in pairs:
        grouped[named].append(item)
    return dict(grouped)


def _read(row: Record) -> Work:
    """Read a row of either kind of work."""
    has_cause = row["cause_id"] is not None
    return Work(
        named=Named(row["type"], str(row["id"])),
        set_off_by=Named(row["cause_type"], row["cause_id"]) if has_cause else None,
        kind=row["kind"],
        state=row["state"],
        due_at=row["due_at"],
        fired_at=row["fired_at"],
    )


def _among(column: ColumnElement[Any], values: Sequence[object]) -> ColumnElement[bool]:
    return column == any_(literal(list(values), ARRAY(column.type)))
