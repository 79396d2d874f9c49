"""Lanes: finding work costs the same however much waits, and one worker at a time works on a lane."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import text

from helpdesk_api.kit import jobs, lanes
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.db import Database, Transaction
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.lanes import Claimed
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.stage import Client, Stage

_LEASE = timedelta(seconds=30)
_ROWS_READ = text("SELECT seq_scan, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'")


class _Counting:
    """The database, counting what one sweep reads of the table of jobs.

    What earlier transactions of the connection have read may not have been handed over yet: it is there from the start.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.scans_and_rows = (-1, -1)

    @asynccontextmanager
    async def sweep(self) -> AsyncIterator[Transaction]:
        async with self._database.sweep() as transaction:
            earlier = await transaction.row(_ROWS_READ)
            yield transaction
            row = await transaction.row(_ROWS_READ)
            assert earlier is not None
            assert row is not None
            self.scans_and_rows = (row[0] - earlier[0], row[1] - earlier[1])


async def _put(stage: Stage, tenant_id: UUID, kind: str, lane_ids: Sequence[UUID | None]) -> list[UUID]:
    principal = system(tenant_id)
    async with unit_of_work(stage.runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
        return await jobs.put(ctx, [NewJob(kind, {}, ctx.real_now, lane) for lane in lane_ids])


def put(stage: Stage, api: Client, kind: str, *lane_ids: UUID | None) -> list[UUID]:
    return stage.run(_put(stage, api.tenant.id, kind, lane_ids))


def claim(stage: Stage, kind: str, *, most: int = 10, each: int = 10) -> Claimed:
    return stage.run(lanes.claim(stage.runtime.db, kind, most=most, each=each, lease=_LEASE))


def a_kind() -> str:
    """Give a kind of job that no worker knows."""
    return f"test.{uuid4()}"


async def _complete(stage: Stage, done: Sequence[Job]) -> None:
    async with stage.runtime.db.transaction(done[0].tenant_id) as transaction:
        await jobs.complete(transaction, done)


def test_a_claim_reads_no_more_of_a_lane_than_it_takes(stage: Stage, api: Client) -> None:
    kind, crowded, quiet = a_kind(), uuid4(), uuid4()
    put(stage, api, kind, crowded, quiet)
    stage.sql(
        "INSERT INTO jobs (tenant_id, id, kind, payload, lane, run_at) "
        "SELECT $1, gen_random_uuid(), $2, '{}', $3, now() - make_interval(secs => n) "
        "FROM generate_series(1, 20000) AS n",
        api.tenant.id,
        kind,
        crowded,
    )
    counting = _Counting(stage.runtime.db)

    claimed = stage.run(lanes.claim(cast("Database", counting), kind, most=10, each=8, lease=_LEASE))

    assert {lane.id: len(lane.jobs) for lane in claimed.lanes} == {crowded: 8, quiet: 1}
    scans, rows = counting.scans_and_rows
    assert scans == 0
    assert rows < 60


def test_a_claim_of_other_work_reads_nothing_of_the_lanes(stage: Stage, api: Client) -> None:
    kind = a_kind()
    stage.sql(
        "INSERT INTO jobs (tenant_id, id, kind, payload, lane, run_at) "
        "SELECT $1, gen_random_uuid(), $2, '{}', $3, now() FROM generate_series(1, 2000)",
        api.tenant.id,
        kind,
        uuid4(),
    )
    (job_id,) = put(stage, api, kind, None)
    counting = _Counting(stage.runtime.db)

    claimed = stage.run(jobs.claim(cast("Database", counting), kind, most=10, lease=_LEASE))

    assert [job.id for job in claimed] == [job_id]
    assert counting.scans_and_rows[0] == 0
    assert counting.scans_and_rows[1] < 100


def test_jobs_of_a_lane_come_oldest_first_and_with_the_time_at_which_they_were_due(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put_in_order = [put(stage, api, kind, lane_id)[0] for _ in range(3)]

    (lane,) = claim(stage, kind, each=2).lanes

    assert [job.id for job in lane.jobs] == put_in_order[:2]
    assert lane.jobs[0].run_at < lane.jobs[1].run_at


def test_a_lane_is_worked_on_by_one_worker_at_a_time(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    (lane,) = claim(stage, kind).lanes

    put(stage, api, kind, lane_id)
    meanwhile = claim(stage, kind)
    stage.run(lanes.release(stage.runtime.db, lane))
    (again,) = claim(stage, kind).lanes

    assert meanwhile.looked_at == 0
    assert [job.id for job in again.jobs] != [job.id for job in lane.jobs]


def test_whoever_holds_a_lane_may_take_what_came_meanwhile_but_nobody_else(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    (lane,) = claim(stage, kind).lanes
    (second,) = put(stage, api, kind, lane_id)
    put(stage, api, kind, lane_id)

    more = stage.run(lanes.take_more(stage.runtime.db, lane.jobs[0], most=1, lease=_LEASE))
    stage.run(lanes.release(stage.runtime.db, lane))
    after = stage.run(lanes.take_more(stage.runtime.db, lane.jobs[0], most=1, lease=_LEASE))

    assert [job.id for job in more] == [second]
    assert after == []


def test_looking_for_more_where_nothing_is_due_writes_nothing(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    (lane,) = claim(stage, kind).lanes
    written = "SELECT xmin::text, due_at FROM job_lanes WHERE id = $1"
    before = stage.sql(written, lane_id)

    nothing = stage.run(lanes.take_more(stage.runtime.db, lane.jobs[0], most=1, lease=2 * _LEASE))
    untouched = stage.sql(written, lane_id)
    put(stage, api, kind, lane_id)
    more = stage.run(lanes.take_more(stage.runtime.db, lane.jobs[0], most=1, lease=2 * _LEASE))
    (extended,) = stage.sql(written, lane_id)

    assert (nothing, untouched, len(more)) == ([], before, 1)
    assert extended["due_at"] > before[0]["due_at"]


def test_a_lane_whose_worker_died_falls_due_when_its_lease_ends(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    claim(stage, kind)
    stage.sql("UPDATE job_lanes SET due_at = due_at - interval '31 seconds' WHERE id = $1", lane_id)
    stage.sql("UPDATE jobs SET run_at = run_at - interval '31 seconds' WHERE lane = $1", lane_id)

    (again,) = claim(stage, kind).lanes

    assert len(again.jobs) == 1


def test_an_empty_lane_is_not_looked_at_again_until_something_comes(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    (lane,) = claim(stage, kind).lanes
    stage.run(_complete(stage, lane.jobs))
    stage.run(lanes.release(stage.runtime.db, lane))

    looked_at = [claim(stage, kind).looked_at for _ in range(2)]
    put(stage, api, kind, lane_id)

    assert looked_at == [1, 0]
    assert len(claim(stage, kind).lanes) == 1


def test_a_lane_that_is_held_back_is_left_alone_though_something_comes(stage: Stage, api: Client) -> None:
    kind, lane_id = a_kind(), uuid4()
    put(stage, api, kind, lane_id)
    (lane,) = claim(stage, kind).lanes

    async def hold_back_and_release() -> None:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            until = lane.jobs[0].run_at + timedelta(hours=1)
            await lanes.hold_back(transaction, lane.jobs[0], until)
        await lanes.release(stage.runtime.db, lane)

    stage.run(hold_back_and_release())
    put(stage, api, kind, lane_id)

    assert claim(stage, kind).looked_at == 0
    row: Any = stage.sql("SELECT due_at, not_before FROM job_lanes WHERE id = $1", lane_id)[0]
    assert row["due_at"] == row["not_before"] == lane.jobs[0].run_at + timedelta(hours=1)


def test_work_in_two_lanes_is_taken_from_both_though_one_has_waited_longer(stage: Stage, api: Client) -> None:
    kind, first, second = a_kind(), uuid4(), uuid4()
    put(stage, api, kind, *[first] * 50)
    put(stage, api, kind, second)

    claimed = claim(stage, kind, each=10)

    assert {lane.id: len(lane.jobs) for lane in claimed.lanes} == {first: 10, second: 1}
