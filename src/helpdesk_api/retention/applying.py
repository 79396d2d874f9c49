"""Applying the rules, in a worker: batch after batch, each in a short transaction, and safe to go on after any of them.

Every tenant has its turn once a day; a sandbox also whenever its clock has passed midnight. Looking costs a few index
look-ups, and nothing is written where nothing is due. A batch locks the rows it removes and nothing else, so nobody who
reads or writes waits for it.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import DateTime, Integer, bindparam, func, select, update

from helpdesk_api.identity.event_purging import BrokenTrailError
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, new_id, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import cause_of_event, record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.retention import Batch, Rule
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_halted, is_sandbox_tenant, tenants
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.retention.rules import RULES
from helpdesk_api.retention.runs import APPLY, RUNS, RetentionRun, begin, hold, running
from helpdesk_api.retention.settings import chosen_days, settings_of

log = structlog.get_logger()

_TENANTS_AT_ONCE: Final = 20
_EVERY: Final = timedelta(days=1)
_TRAIL_BROKEN: Final = "audit_trail_broken"
_SOON: Final = timedelta(seconds=1)
# Tenants that were created together do not have their turn together for ever.
_SPREAD: Final = random.SystemRandom()

_DUE = Statement(
    select(tenants.c.id, tenants.c.clock_at.is_not(None).label("is_sandbox"))
    .where(tenants.c.retention_due_at <= func.now(), ~is_halted)
    .order_by(tenants.c.retention_due_at)
    .limit(bindparam("most", type_=Integer))
)
_TARGET = Statement(select(tenants.c.clock_target_at).where(tenants.c.id == bindparam("tenant")))
_TAKE_TURN = Statement(
    update(tenants)
    .where(tenants.c.id == bindparam("tenant"), tenants.c.retention_due_at <= func.now())
    .values(retention_due_at=bindparam("next", type_=DateTime(timezone=True)))
)


async def give_turns(runtime: Runtime) -> None:
    """Put a job for every tenant whose turn it is; of several workers one does."""
    async with runtime.db.sweep() as transaction:
        due = await transaction.rows(_DUE, {"most": _TENANTS_AT_ONCE})
    for tenant in due:
        cause = Cause("job", str(new_id()))
        async with unit_of_work(runtime, system(tenant["id"]), cause=cause, request_id=cause.id) as ctx:
            then = ctx.real_now + _EVERY + timedelta(minutes=_SPREAD.uniform(-30, 30))
            if await ctx.tx.run(_TAKE_TURN, {"tenant": tenant["id"], "next": then}):
                await jobs.put(ctx, [NewJob(APPLY, {}, ctx.real_now)])


async def follow_test_clock(ctx: Ctx, happened: Sequence[Record]) -> None:
    """Put the job when the clock of a sandbox has passed midnight."""
    for event in happened:
        if event["type"] == "test_clock.advanced":
            before, after = map(datetime.fromisoformat, event["changes"]["now"])
            if before.date() != after.date():
                await jobs.put(ctx, [NewJob(APPLY, {}, ctx.real_now, cause=cause_of_event(event))])
                return


async def apply(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Remove everything that is due of a tenant."""
    cause = Cause("job", str(claimed[0].id))
    async with runtime.db.transaction(tenant_id, read_only=True) as transaction:
        principal = system(tenant_id, is_sandbox=await is_sandbox_tenant(transaction, tenant_id))

    @asynccontextmanager
    async def step() -> AsyncIterator[Ctx]:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            await hold(ctx)
            yield ctx

    async with step() as ctx:
        if await ctx.tx.value(_TARGET, {"tenant": tenant_id}) is not None:
            # The test clock is still on its way: what is due is known when it has arrived.
            await jobs.postpone(ctx.tx, {claimed[0].id: ctx.real_now + _SOON}, claimed)
            return
        run = await running(ctx) or await _begin_if_due(ctx)
        if run is None:
            await jobs.complete(ctx.tx, claimed)
            return
    for rule in RULES:
        days = run.rules.get(rule.name)
        while days is not None:
            async with step() as ctx:
                batch = await _remove(ctx, rule, days, run.id)
            if batch.is_last:
                break
    async with step() as ctx:
        if await jobs.complete(ctx.tx, claimed) and await running(ctx) is not None:
            await _finish(ctx, run.id)


async def _begin_if_due(ctx: Ctx) -> RetentionRun | None:
    settings = await settings_of(ctx)
    chosen = chosen_days(settings)
    if settings.legal_hold_reason is not None:
        return None
    for rule in RULES:
        days = chosen[rule.name]
        if days is not None and await rule.is_due(ctx, days):
            return await begin(replace(ctx, now=ctx.real_now))
    return None


async def _remove(ctx: Ctx, rule: Rule, days: int, run_id: UUID) -> Batch:
    try:
        batch = await rule.purge(ctx, days, run_id)
    except BrokenTrailError as error:
        log.error("retention.left_out", rule=rule.name, reason=str(error))  # noqa: TRY400 - nothing is wrong with the code.
        await _note(ctx, run_id, left_out={rule.name: _TRAIL_BROKEN})
        return Batch(0, is_last=True)
    if batch.row_count:
        await _note(ctx, run_id, counts={rule.name: batch.row_count})
    return batch


async def _note(ctx: Ctx, run_id: UUID, **added: dict[str, Any]) -> None:
    """Add to what a run has done or left out; the version is that of the run as a whole."""
    run = await crud.fetch_locked(ctx, RUNS, run_id)
    counts = {name: run.counts.get(name, 0) + more for name, more in added.get("counts", {}).items()}
    table = RUNS.table
    await ctx.tx.run(
        update(table)
        .where(table.c.tenant_id == ctx.tenant_id, table.c.id == run_id)
        .values(counts=run.counts | counts, left_out=run.left_out | added.get("left_out", {}))
    )


async def _finish(ctx: Ctx, run_id: UUID) -> None:
    run = await crud.fetch_locked(ctx, RUNS, run_id)
    real = replace(ctx, now=ctx.real_now)
    done = await crud.store_changes(real, RUNS, run, {"state": "done", "completed_at": ctx.real_now})
    data = {"counts": run.counts, "left_out": run.left_out}
    record(ctx, "retention_run.completed", object_id=run_id, version=done.version, data=data)
