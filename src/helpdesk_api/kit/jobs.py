"""Jobs: work that leaves the request, as rows that are the truth; Redis only rings a bell about them (`kit.doorbell`).

A job is claimed with a lease, in batches, by whoever gets there first (`SKIP LOCKED`); the claim is committed before
any work starts, so no transaction is open across the network. Claiming moves `run_at` to the end of the lease: a
worker that dies simply lets its jobs fall due again. Every ending is fenced by the lease token, so a worker that was
too slow cannot end a job that another has taken over.

`lane` names what a job may have to wait for (one receiver, say). A lane is a row of its own that knows when something
in it is due, so that finding work costs the same however much waits in any lane; claiming by lanes is `kit.lanes`.
Running them is `kit.runner`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from helpdesk_api.kit.context import Cause, Ctx, new_id
from helpdesk_api.kit.db import Database, Transaction
from helpdesk_api.kit.job_causes import note_causes
from helpdesk_api.kit.sql import Statement, insert_many, tenant_table
from helpdesk_api.kit.tenancy import is_served

GIVE_UP_AFTER = 20
_LONGEST_PAUSE = timedelta(hours=1)

jobs = tenant_table(
    "jobs",
    Column("kind", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("lane", Uuid),
    Column("run_at", DateTime(timezone=True), nullable=False),
    Column("lease_token", Uuid),
    Column("failure_count", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("failed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_jobs_due_without_lane", "kind", "run_at", postgresql_where=text("failed_at IS NULL AND lane IS NULL")),
    Index(
        "ix_jobs_due_in_lane",
        *("tenant_id", "lane", "run_at", "id"),
        postgresql_where=text("failed_at IS NULL AND lane IS NOT NULL"),
    ),
    Index("ix_jobs_given_up", "tenant_id", "failed_at", postgresql_where=text("failed_at IS NOT NULL")),
    versioned=False,
)

# `due_at` is when to look at a lane next: never later than its first job is due, unless the lane is held until later.
job_lanes = tenant_table(
    "job_lanes",
    Column("kind", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
    Column("lease_token", Uuid),
    Index("ix_job_lanes_due", "kind", "due_at"),
    versioned=False,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job. `payload` holds ids and small arguments only; `run_at` is when it was due."""

    tenant_id: UUID
    id: UUID
    kind: str
    payload: dict[str, Any]
    lane: UUID | None
    lease_token: UUID
    failure_count: int
    run_at: datetime


_PUT = Statement(insert_many(jobs, ("tenant_id", "id", "kind", "payload", "lane", "run_at")))

_asked = select(
    func.unnest(bindparam("lanes", type_=ARRAY(Uuid))).label("lane"),
    func.unnest(bindparam("times", type_=ARRAY(DateTime(timezone=True)))).label("due_at"),
).subquery("asked")
_opened = upsert(job_lanes).from_select(
    ["tenant_id", "id", "kind", "due_at"],
    # Whoever opens several lanes locks them in one order.
    select(bindparam("tenant", type_=Uuid), _asked.c.lane, bindparam("kind", type_=Text), _asked.c.due_at).order_by(
        _asked.c.lane
    ),
)
_OPEN_LANES = Statement(
    _opened.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={"due_at": func.greatest(_opened.excluded.due_at, job_lanes.c.not_before)},
        # A lane that is worked on is looked at again when that ends.
        where=job_lanes.c.lease_token.is_(None) & (job_lanes.c.due_at > _opened.excluded.due_at),
    )
)

_due = (
    select(jobs.c.tenant_id, jobs.c.id, jobs.c.run_at)
    .where(
        jobs.c.kind == bindparam("wanted", type_=Text),
        jobs.c.failed_at.is_(None),
        jobs.c.lane.is_(None),
        jobs.c.run_at <= func.now(),
        is_served(jobs.c.tenant_id),
    )
    .order_by(jobs.c.run_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)


def taking(due: CTE) -> Statement:
    """Give the statement that leases the jobs that `due` has locked."""
    return Statement(
        update(jobs)
        .where(jobs.c.tenant_id == due.c.tenant_id, jobs.c.id == due.c.id)
        .values(run_at=func.now() + bindparam("lease", type_=Interval), lease_token=bindparam("token", type_=Uuid))
        .returning(
            jobs.c.tenant_id,
            jobs.c.id,
            jobs.c.kind,
            jobs.c.payload,
            jobs.c.lane,
            jobs.c.lease_token,
            jobs.c.failure_count,
            due.c.run_at,
        )
    )


_CLAIM = taking(_due)
_mine = (
    jobs.c.tenant_id == bindparam("tenant", type_=Uuid),
    jobs.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    jobs.c.lease_token == bindparam("token", type_=Uuid),
)
_COMPLETE = Statement(delete(jobs).where(*_mine).returning(jobs.c.id))
_later = select(
    func.unnest(bindparam("ids", type_=ARRAY(Uuid))).label("id"),
    func.unnest(bindparam("times", type_=ARRAY(DateTime(timezone=True)))).label("run_at"),
).subquery("later")
_POSTPONE = Statement(
    update(jobs)
    .where(
        jobs.c.tenant_id == bindparam("tenant", type_=Uuid),
        jobs.c.id == _later.c.id,
        jobs.c.lease_token == bindparam("token", type_=Uuid),
    )
    .values(run_at=_later.c.run_at, lease_token=null())
    .returning(jobs.c.id)
)
_FAIL = Statement(
    update(jobs)
    .where(*_mine)
    .values(
        failure_count=jobs.c.failure_count + 1,
        last_error=bindparam("error", type_=Text),
        run_at=func.now() + bindparam("pause", type_=Interval),
        failed_at=case((jobs.c.failure_count + 1 >= GIVE_UP_AFTER, func.now())),
        lease_token=null(),
    )
)
_BACKLOG = Statement(
    # What is put off until later, a repetition for one, is not overdue: age counts from when a job was due.
    select(func.count(), func.greatest(func.extract("epoch", func.now() - func.min(jobs.c.run_at)), 0)).where(
        jobs.c.failed_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be done at or after `run_at`, in real time also for a tenant on a test clock.

    `cause` is what set it off, kept for the traces of what does more than to hand on what is already told.
    """

    kind: str
    payload: dict[str, Any]
    run_at: datetime
    lane: UUID | None = None
    cause: Cause | None = None


async def put(ctx: Ctx, new: Sequence[NewJob]) -> list[UUID]:
    """Store jobs in the caller's transaction; they exist when it commits."""
    ids = [new_id() for _ in new]
    await ctx.tx.run(
        _PUT,
        {
            "tenant_id": [ctx.tenant_id] * len(new),
            "id": ids,
            "kind": [job.kind for job in new],
            "payload": [job.payload for job in new],
            "lane": [job.lane for job in new],
            "run_at": [job.run_at for job in new],
        },
    )
    await note_causes(ctx, [(job_id, job.kind, job.cause) for job_id, job in zip(ids, new, strict=True)])
    for kind in {job.kind for job in new if job.lane is not None}:
        first: dict[UUID, datetime] = {}
        for job in new:
            if job.lane is not None and job.kind == kind:
                first[job.lane] = min(job.run_at, first.get(job.lane, job.run_at))
        await open_lanes(ctx, kind, first)
    ctx.due.extend(job.run_at for job in new)
    return ids


async def open_lanes(ctx: Ctx, kind: str, first: Mapping[UUID, datetime]) -> None:
    """Make sure that lanes are looked at when the first of their jobs is due."""
    columns = {"lanes": list(first), "times": list(first.values())}
    await ctx.tx.run(_OPEN_LANES, columns | {"tenant": ctx.tenant_id, "kind": kind})


async def claim(database: Database, kind: str, *, most: int, lease: timedelta) -> list[Job]:
    """Take up to `most` due jobs of a kind that wait for nothing, oldest first; the claim is committed on return."""
    async with database.sweep() as transaction:
        return await transaction.all(Job, _CLAIM, {"wanted": kind, "most": most, "lease": lease, "token": new_id()})


async def complete(transaction: Transaction, done: Sequence[Job]) -> set[UUID]:
    """End jobs of one tenant and one claim; gives the ids that were still ours to end."""
    rows = await transaction.rows(_COMPLETE, _fence(done))
    return {row[0] for row in rows}


async def postpone(transaction: Transaction, later: Mapping[UUID, datetime], claimed: Sequence[Job]) -> set[UUID]:
    """Set jobs of one tenant and one claim to run again; gives the ids that were still ours to move."""
    fence = _fence(claimed) | {"ids": list(later), "times": list(later.values())}
    rows = await transaction.rows(_POSTPONE, fence)
    return {row[0] for row in rows}


async def fail(database: Database, failed: Sequence[Job], error: str) -> None:
    """Put jobs whose handler broke back with a growing pause.

    After `GIVE_UP_AFTER` failures they are not tried again and stay for a person to see.
    """
    pause = min(_LONGEST_PAUSE, timedelta(seconds=2 ** min(failed[0].failure_count, 12)))
    async with database.transaction(failed[0].tenant_id) as transaction:
        await transaction.run(_FAIL, _fence(failed) | {"error": error[:2_000], "pause": pause})


async def backlog(database: Database) -> tuple[int, float]:
    """Count the jobs that wait, of all tenants, and tell for how many seconds the oldest has been due."""
    async with database.sweep() as transaction:
        row = await transaction.row(_BACKLOG)
    return (0, 0.0) if row is None else (int(row[0]), float(row[1]))


def _fence(claimed: Sequence[Job]) -> dict[str, Any]:
    return {
        "tenant": claimed[0].tenant_id,
        "ids": [job.id for job in claimed],
        "token": claimed[0].lease_token,
    }
