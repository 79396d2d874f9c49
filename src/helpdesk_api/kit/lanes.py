"""Claiming by lanes: one worker at a time holds a lane, and takes from it as much as it can use.

Finding work looks at lanes that are due, never at the jobs behind them, so a lane with a hundred thousand jobs costs
what an empty one costs. Whoever holds a lane decides alone how many of its jobs run at once, in which order and how
fast; a lane whose holder died falls due when its lease ends. Jobs themselves are `kit.jobs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Integer,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement

from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Database, Transaction
from helpdesk_api.kit.jobs import Job, job_lanes, jobs, taking
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_served

_NEVER: ColumnElement[datetime] = literal_column("'infinity'::timestamptz", DateTime(timezone=True))
_AT_ONCE: ColumnElement[datetime] = literal_column("'-infinity'::timestamptz", DateTime(timezone=True))

_FIND = Statement(
    select(job_lanes.c.tenant_id, job_lanes.c.id)
    .where(
        job_lanes.c.kind == bindparam("wanted", type_=Text),
        job_lanes.c.due_at <= func.now(),
        is_served(job_lanes.c.tenant_id),
    )
    .order_by(job_lanes.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_found = select(
    func.unnest(bindparam("tenants", type_=ARRAY(Uuid))).label("tenant_id"),
    func.unnest(bindparam("lanes", type_=ARRAY(Uuid))).label("lane"),
).subquery("found")
_next_run_at = (
    select(func.min(jobs.c.run_at))
    .where(jobs.c.tenant_id == job_lanes.c.tenant_id, jobs.c.lane == job_lanes.c.id, jobs.c.failed_at.is_(None))
    .scalar_subquery()
)
_has_work = job_lanes.c.id == any_(bindparam("with_work", type_=ARRAY(Uuid)))
_LEASE = Statement(
    update(job_lanes)
    .where(job_lanes.c.tenant_id == _found.c.tenant_id, job_lanes.c.id == _found.c.lane)
    .values(
        lease_token=case((_has_work, bindparam("token", type_=Uuid)), else_=null()),
        due_at=case(
            (_has_work, func.now() + bindparam("lease", type_=Interval)),
            else_=func.greatest(job_lanes.c.not_before, func.coalesce(_next_run_at, _NEVER)),
        ),
    )
)
_held = (
    job_lanes.c.tenant_id == bindparam("tenant", type_=Uuid),
    job_lanes.c.id == bindparam("lane", type_=Uuid),
    job_lanes.c.lease_token == bindparam("token", type_=Uuid),
)
_has_due_job = exists().where(
    jobs.c.tenant_id == job_lanes.c.tenant_id,
    jobs.c.lane == job_lanes.c.id,
    jobs.c.failed_at.is_(None),
    jobs.c.run_at <= func.now(),
)
_EXTEND = Statement(
    update(job_lanes)
    # Those who wait for a slow receiver look often, mostly for nothing: then nothing is written.
    .where(*_held, is_served(job_lanes.c.tenant_id), _has_due_job)
    .values(due_at=func.now() + bindparam("lease", type_=Interval))
    .returning(job_lanes.c.id)
)
_RELEASE = Statement(
    update(job_lanes).where(*_held).values(lease_token=null(), due_at=func.greatest(func.now(), job_lanes.c.not_before))
)
_HOLD_BACK = Statement(
    update(job_lanes)
    .where(*_held)
    .values(not_before=func.greatest(job_lanes.c.not_before, bindparam("until", type_=DateTime(timezone=True))))
)
_SHUT = Statement(
    update(job_lanes)
    .where(job_lanes.c.tenant_id == bindparam("tenant", type_=Uuid), job_lanes.c.id == bindparam("lane", type_=Uuid))
    .values(not_before=_NEVER, due_at=case((job_lanes.c.lease_token.is_(None), _NEVER), else_=job_lanes.c.due_at))
)
_REOPEN = Statement(
    update(job_lanes)
    .where(job_lanes.c.tenant_id == bindparam("tenant", type_=Uuid), job_lanes.c.id == bindparam("lane", type_=Uuid))
    .values(
        not_before=_AT_ONCE,
        # One that is worked on is looked at again when that ends.
        due_at=case((job_lanes.c.lease_token.is_(None), func.now()), else_=job_lanes.c.due_at),
    )
)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that a worker holds, with the jobs that it took; `token` is the lease of both."""

    tenant_id: UUID
    id: UUID
    token: UUID
    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a look at due lanes gave: how many were looked at, and those in which something was due."""

    looked_at: int
    lanes: Sequence[Lane]


async def claim(database: Database, kind: str, *, most: int, each: int, lease: timedelta) -> Claimed:
    """Take up to `most` due lanes of a kind, longest due first, and from each up to `each` due jobs, oldest first.

    The lanes are locked before their jobs are read: what commits between the two statements is then seen, and what
    commits later moves the lane's `due_at` itself. The claim is committed on return.
    """
    token = new_id()
    async with database.sweep() as transaction:
        found = await transaction.rows(_FIND, {"wanted": kind, "most": most})
        if not found:
            return Claimed(0, ())
        keys = {"tenants": [row["tenant_id"] for row in found], "lanes": [row["id"] for row in found]}
        terms = {"lease": lease, "token": token}
        taken = await transaction.all(Job, _take(each), keys | terms)
        taken.sort(key=_by_lane)
        lanes = [
            Lane(tenant_id, lane_id, token, tuple(group))
            for (tenant_id, lane_id), group in groupby(taken, key=lambda job: (job.tenant_id, job.lane))
            if lane_id is not None
        ]
        await transaction.run(_LEASE, keys | terms | {"with_work": [lane.id for lane in lanes]})
    return Claimed(len(found), lanes)


async def take_more(database: Database, held: Job, *, most: int, lease: timedelta) -> list[Job]:
    """Take more due jobs from the lane of a job that one still holds; none if it was lost. Committed on return.

    The lease of the lane is extended with what is taken, and only then: it covers what was taken last.
    """
    key = _key_of(held)
    async with database.transaction(held.tenant_id) as transaction:
        if await transaction.value(_EXTEND, key | {"lease": lease}) is None:
            return []
        terms = {"tenants": [held.tenant_id], "lanes": [held.lane], "lease": lease, "token": held.lease_token}
        taken = await transaction.all(Job, _take(most), terms)
    return sorted(taken, key=_by_lane)


async def hold_back(transaction: Transaction, held: Job, until: datetime) -> None:
    """Let nothing be taken from the lane of a job that one still holds until then."""
    await transaction.run(_HOLD_BACK, _key_of(held) | {"until": until})


async def shut(ctx: Ctx, lane_id: UUID) -> None:
    """Let nothing be taken from a lane until it is reopened; whoever holds it may still take what is there."""
    await ctx.tx.run(_SHUT, {"tenant": ctx.tenant_id, "lane": lane_id})


async def reopen(ctx: Ctx, lane_id: UUID) -> None:
    """End what holds a lane back, because somebody asked for it."""
    await ctx.tx.run(_REOPEN, {"tenant": ctx.tenant_id, "lane": lane_id})
    ctx.due.append(ctx.real_now)


async def release(database: Database, lane: Lane) -> None:
    """Let others have a lane; it is looked at once more, because what came meanwhile did not make it due."""
    async with database.transaction(lane.tenant_id) as transaction:
        await transaction.run(_RELEASE, {"tenant": lane.tenant_id, "lane": lane.id, "token": lane.token})


@lru_cache(maxsize=16)
def _take(each: int) -> Statement:
    # The limit stands in the text: with a number to count on, the planner never reads the whole table of jobs.
    due = (
        select(jobs.c.tenant_id, jobs.c.id, jobs.c.run_at)
        .where(
            jobs.c.tenant_id == _found.c.tenant_id,
            jobs.c.lane == _found.c.lane,
            jobs.c.failed_at.is_(None),
            jobs.c.run_at <= func.now(),
        )
        .order_by(jobs.c.run_at, jobs.c.id)
        .limit(literal_column(str(each)))
        .with_for_update(skip_locked=True, of=jobs)
        .lateral("due")
    )
    return taking(select(due.c.tenant_id, due.c.id, due.c.run_at).select_from(_found.join(due, true())).cte("taken"))


def _by_lane(job: Job) -> tuple[UUID, UUID | None, datetime, UUID]:
    return job.tenant_id, job.lane, job.run_at, job.id


def _key_of(held: Job) -> dict[str, Any]:
    return {"tenant": held.tenant_id, "lane": held.lane, "token": held.lease_token}
