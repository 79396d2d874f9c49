"""Running what is due inside a worker: one loop per kind of job, one for deadlines, and a lookout that wakes them.

The lookout asks at every ring and every sweep what is due at all (`kit.lookout`): one statement, however many kinds
there are. A loop that it wakes claims, hands over and claims again until nothing is left. All of it needs PostgreSQL
only; while the database is away the lookout keeps trying. Jobs of one tenant and lane go to their handler together, and
no other call has that lane meanwhile, so one slow receiver cannot hold up the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from helpdesk_api.domain.errors import Refusal, UnavailableError
from helpdesk_api.kit import deadlines, idempotency, jobs, lanes, lookout
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.deadlines import DueDeadline, Fired, Handler
from helpdesk_api.kit.doorbell import LocalBell
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.lanes import Lane
from helpdesk_api.kit.runtime import JobKind, Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work

log = structlog.get_logger()

# So many that what a transaction costs by itself hardly counts, and so few that whoever writes to what they are about
# waits for a fraction of a second.
_DEADLINES_AT_ONCE = 500
_LANES_AT_ONCE = 32
_HOUSEKEEPING_SECONDS = 15.0
_PAUSE_AFTER_FAILURE = timedelta(seconds=30)
_PAUSE_AFTER_CONTENTION = timedelta(seconds=1)


class Runner:
    """The loops of one worker process."""

    def __init__(self, runtime: Runtime, bell: LocalBell, *, sweep_seconds: float) -> None:
        self._runtime = runtime
        self._bell = bell
        self._sweep_seconds = sweep_seconds
        self._stopping = asyncio.Event()
        self._woken = {name: asyncio.Event() for name in (lookout.DEADLINES, *runtime.job_kinds)}
        self.swept_at: datetime | None = None

    async def run(self) -> None:
        """Work until told to stop; then finish what was claimed and return."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_out())
            group.create_task(self._loop(lookout.DEADLINES, self._fire_due))
            group.create_task(self._housekeeping())
            for name, kind in self._runtime.job_kinds.items():
                group.create_task(self._run_jobs(name, kind))

    def stop(self) -> None:
        """Ask the loops to claim no more."""
        self._stopping.set()
        self._bell.ring()
        for woken in self._woken.values():
            woken.set()

    async def _look_out(self) -> None:
        rung = self._bell.listener()
        by_lane = [name for name, kind in self._runtime.job_kinds.items() if kind.by_lane]
        without_lane = [name for name, kind in self._runtime.job_kinds.items() if not kind.by_lane]
        while not self._stopping.is_set():
            rung.clear()
            try:
                for name in await lookout.what_is_due(self._runtime.db, without_lane, by_lane):
                    self._woken[name].set()
                self.swept_at = datetime.now(UTC)
            except Refusal as refusal:
                # The database is away or overloaded; the next sweep tries again.
                log.warning("worker.lookout_refused", code=refusal.code)
            except Exception:
                log.exception("worker.lookout_failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), self._sweep_seconds)

    async def _run_jobs(self, name: str, kind: JobKind) -> None:
        claimer = _Claimer(self._runtime, name, kind, self._woken[name])
        try:
            await self._loop(name, claimer.work)
        finally:
            await claimer.finish()

    async def _loop(self, name: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        woken = self._woken[name]
        while not self._stopping.is_set():
            await woken.wait()
            woken.clear()
            try:
                await work(self._stopping)
            except Refusal as refusal:
                # What was not claimed is still due: the next look wakes this loop again.
                log.warning("worker.loop_refused", loop=name, code=refusal.code)
            except Exception:
                log.exception("worker.loop_failed", loop=name)

    async def _fire_due(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            found = await deadlines.find_due(self._runtime.db, most=_DEADLINES_AT_ONCE)
            groups: defaultdict[tuple[UUID, Handler | None], list[DueDeadline]] = defaultdict(list)
            for deadline in found:
                groups[deadline.tenant_id, self._runtime.deadline_handlers.get(deadline.kind)].append(deadline)
            fired = [await self._fire(group, handler) for (_, handler), group in groups.items()]
            if len(found) < _DEADLINES_AT_ONCE or not any(fired):
                return

    async def _fire(self, group: Sequence[DueDeadline], handler: Handler | None) -> bool:
        """Fire deadlines of one tenant together; tells whether any of them did."""
        kinds = sorted({deadline.kind for deadline in group})
        try:
            done = await self._fire_together(group, handler)
        except UnavailableError as refusal:
            # Somebody else was at the same rows, or the database is away: nothing is wrong with the deadlines.
            log.warning("deadline.refused", kinds=kinds, deadline_count=len(group), code=refusal.code)
            await deadlines.postpone(self._runtime.db, group, _PAUSE_AFTER_CONTENTION)
            return False
        except Exception:
            if len(group) > 1:
                # One that breaks must not take the others with it; halving finds it soon.
                middle = len(group) // 2
                halves = [await self._fire(half, handler) for half in (group[:middle], group[middle:])]
                return any(halves)
            log.exception("deadline.failed", kinds=kinds, deadline_id=str(group[0].id))
            await deadlines.postpone(self._runtime.db, group, _PAUSE_AFTER_FAILURE)
            return False
        if done.waiting:
            await deadlines.postpone(self._runtime.db, done.waiting, _PAUSE_AFTER_CONTENTION)
        return bool(done.fired or done.orphans)

    async def _fire_together(self, group: Sequence[DueDeadline], handler: Handler | None) -> Fired:
        if handler is None:
            # A newer version of the product may have stored a kind that this one does not know.
            message = f"deadlines of the kind {group[0].kind} are unknown"
            raise LookupError(message)
        cause = Cause("deadline", str(group[0].id))
        async with unit_of_work(self._runtime, system(group[0].tenant_id), cause=cause, request_id=cause.id) as ctx:
            done = await deadlines.fire(ctx, group, handler)
        for deadline in done.fired:
            self._runtime.metrics.deadline_fired(deadline.kind, (ctx.now - deadline.due_at).total_seconds())
        for orphan in done.orphans:
            # Nothing ever removes an object and leaves its deadlines: somebody has been at the database.
            log.error(
                "deadline.orphaned",
                kind=orphan.kind,
                tenant_id=str(orphan.tenant_id),
                object_id=str(orphan.object_id),
                instance=orphan.instance,
                due_at=orphan.due_at.isoformat(),
            )
            self._runtime.metrics.deadline_orphaned(orphan.kind)
        return done

    async def _housekeeping(self) -> None:
        while not self._stopping.is_set():
            try:
                await idempotency.purge(self._runtime.db)
                for chore in self._runtime.chores:
                    await chore(self._runtime)
                self._runtime.metrics.queue_state(*await jobs.backlog(self._runtime.db))
                self._runtime.metrics.pool_state(*self._runtime.db.size)
            except Refusal as refusal:
                log.warning("worker.housekeeping_refused", code=refusal.code)
            except Exception:
                log.exception("worker.housekeeping_failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _HOUSEKEEPING_SECONDS)


class _Claimer:
    """Claim jobs of one kind and keep their handler's calls going; one that ends wakes the loop for the next claim."""

    def __init__(self, runtime: Runtime, name: str, kind: JobKind, woken: asyncio.Event) -> None:
        self._runtime = runtime
        self._name = name
        self._kind = kind
        self._woken = woken
        self._calls: set[asyncio.Task[None]] = set()

    async def work(self, stopping: asyncio.Event) -> None:
        """Claim and hand over until nothing is due or nothing may be claimed.

        Calls are not waited for: one that is slow must not keep what becomes due meanwhile from being claimed.
        """
        while not stopping.is_set() and len(self._calls) < self._kind.concurrency:
            if not await self._claim():
                return

    async def finish(self) -> None:
        """Wait until every call has ended."""
        if self._calls:
            await asyncio.wait(self._calls)

    async def _claim(self) -> bool:
        if self._kind.by_lane:
            return await self._claim_lanes()
        claimed = await jobs.claim(self._runtime.db, self._name, most=self._kind.batch, lease=self._kind.lease)
        for group in _groups(claimed):
            self._start(self._call(group))
        self._count(claimed)
        return bool(claimed)

    async def _claim_lanes(self) -> bool:
        claimed = await lanes.claim(
            self._runtime.db,
            self._name,
            most=min(_LANES_AT_ONCE, self._kind.concurrency - len(self._calls)),
            each=self._kind.batch,
            lease=self._kind.lease,
        )
        for lane in claimed.lanes:
            self._start(self._call_for(lane))
            self._count(lane.jobs)
        return claimed.looked_at > 0

    def _start(self, call: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._ended)

    def _count(self, claimed: Sequence[Job]) -> None:
        if claimed:
            self._runtime.metrics.jobs_claimed(self._name, len(claimed))

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._woken.set()

    async def _call_for(self, lane: Lane) -> None:
        for group in _groups(lane.jobs):
            await self._call(group)
        # A lane that cannot be released now is looked at when its lease has run out.
        with suppress(Refusal):
            await lanes.release(self._runtime.db, lane)

    async def _call(self, group: list[Job]) -> None:
        try:
            await self._kind.handler(self._runtime, group[0].tenant_id, group)
            self._runtime.metrics.job_finished(self._name, "done")
        except UnavailableError as refusal:
            # Somebody else was at the same rows, or the database is away: nothing is wrong with the jobs.
            log.warning("job.refused", kind=self._name, code=refusal.code, job_count=len(group))
            await self._fail(group, refusal)
        except Exception as error:
            log.exception("job.failed", kind=self._name, job_ids=[str(job.id) for job in group])
            await self._fail(group, error)

    async def _fail(self, group: list[Job], error: Exception) -> None:
        self._runtime.metrics.job_finished(self._name, "failed")
        with suppress(Refusal):
            await jobs.fail(self._runtime.db, group, f"{type(error).__name__}: {error}")


def _groups(claimed: Sequence[Job]) -> list[list[Job]]:
    """Put together what may go to one call of a handler."""
    groups: defaultdict[tuple[UUID, UUID | None], list[Job]] = defaultdict(list)
    for job in claimed:
        # A job whose call broke is tried alone: one that always breaks must not take others with it.
        groups[job.tenant_id, job.id if job.failure_count else None].append(job)
    return list(groups.values())
