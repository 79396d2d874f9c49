"""A session with one endpoint: a worker that holds its lane sends what is due there, as much at once as it may.

No transaction is open while the network is used. Between loading and recording only the lease of the jobs holds; what
another worker has taken over meanwhile is not recorded, because that worker sends it again. So a delivery arrives at
least once, every time under the same `webhook-id`. Answers are recorded in small groups while others are under way.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from helpdesk_api.domain.failing import UNBROKEN
from helpdesk_api.kit import jobs, lanes
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.webhooks import health
from helpdesk_api.webhooks.conclusions import conclude
from helpdesk_api.webhooks.delivery_log import Attempt, State, cancel_pending, write_attempts
from helpdesk_api.webhooks.endpoint_life import shut_if_unready
from helpdesk_api.webhooks.messages import PING
from helpdesk_api.webhooks.ordering import not_before, wake
from helpdesk_api.webhooks.outgoing import Outgoing, is_still_wanted, load
from helpdesk_api.webhooks.sending import Answer, is_success, judged, post

log = structlog.get_logger()

BATCH: Final = 32
# The lease covers waiting for a turn (10 s), one attempt (15 s) and its recording.
LEASE: Final = timedelta(seconds=30)
_LATEST_START_SECONDS: Final = 10.0
_TAKES_MORE_SECONDS: Final = 10.0
# Nothing tells a session of what comes while it waits for an answer: it looks, less often the longer that takes.
_LOOKS_AGAIN_SECONDS: Final = 0.05
_LOOKS_SELDOM_SECONDS: Final = 1.0
_RECORDED_TOGETHER: Final = 16
_RECORDED_AFTER_SECONDS: Final = 0.1


async def deliver(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Send the deliveries of these jobs and what else is due at their endpoint, and record what came of each."""
    session = _Session(runtime, tenant_id, claimed[0])
    try:
        await session.run(claimed)
    finally:
        session.abandon()


class _Session:
    """What is known during one session; times are those of the event loop."""

    def __init__(self, runtime: Runtime, tenant_id: UUID, held: Job) -> None:
        self._runtime = runtime
        self._principal = system(tenant_id)
        self._cause = Cause("job", str(held.id))
        self._held = held
        self._time = asyncio.get_running_loop().time
        self._takes_until = self._time() + _TAKES_MORE_SECONDS
        self._looks_at = 0.0
        self._looks_after = _LOOKS_AGAIN_SECONDS
        self._starts_until = 0.0
        self._sends_at = 0.0
        self._window = 1
        self._rate: int | None = None
        self._is_quiet = False
        self._is_unready = False
        self._is_ordered = False
        # Of an ordered endpoint: the objects with a message under way, and what waits behind a failed one until when.
        self._objects: set[UUID] = set()
        self._under_way: set[UUID] = set()
        self._put_off: dict[UUID, datetime] = {}
        self._behind: defaultdict[UUID, list[UUID]] = defaultdict(list)
        self._streak = UNBROKEN
        self._jobs: dict[UUID, Job] = {}
        self._waiting: deque[Outgoing] = deque()
        self._unwanted: list[UUID] = []
        self._stale: list[Job] = []
        self._flying: set[asyncio.Task[Answer]] = set()
        self._answers: list[Answer] = []
        self._records_at = 0.0

    async def run(self, claimed: Sequence[Job]) -> None:
        """Send until nothing is due, the receiver wants to be left alone, or others should have a turn."""
        await self._load(claimed)
        while True:
            self._send()
            if not self._may_send() and not self._flying:
                break
            await self._wait()
            if len(self._answers) >= _RECORDED_TOGETHER or (self._answers and self._time() >= self._records_at):
                await self._record()
            if self._wants_more():
                if self._is_ordered:
                    # What has been answered is then told apart from what is still to come.
                    await self._record()
                await self._take_more()
        await self._record()
        await self._give_back()

    def abandon(self) -> None:
        """Let go of what is still under way; others take it over when the lease has run out."""
        for task in self._flying:
            task.cancel()

    async def _load(self, claimed: Sequence[Job]) -> None:
        self._starts_until = self._time() + _LATEST_START_SECONDS
        by_delivery = {UUID(job.payload["delivery_id"]): job for job in claimed}
        self._jobs |= by_delivery
        async with self._unit_of_work(read_only=True) as ctx:
            found = await load(ctx, list(by_delivery))
            self._put_off |= await self._held_up(ctx, found)
        pending = {row["delivery_id"] for row in found if row["state"] == State.PENDING}
        self._stale += [job for key, job in by_delivery.items() if key not in pending]
        for row in found:
            if row["delivery_id"] not in pending:
                continue
            if row["delivery_id"] in self._put_off:
                continue
            if is_still_wanted(row):
                self._waiting.append(row)
                self._look_at_endpoint(row)
            else:
                self._unwanted.append(row["delivery_id"])

    async def _held_up(self, ctx: Ctx, found: Sequence[Outgoing]) -> dict[UUID, datetime]:
        """Say which deliveries of an ordered endpoint wait for others than those that this session has itself."""
        wants_order = [row for row in found if row["ordered"] and row["state"] == State.PENDING]
        rows = [row for row in wants_order if row["event_seq"] is not None]
        self._is_ordered = bool(wants_order)
        if not rows:
            return {}
        ours = {row["delivery_id"] for row in (*rows, *self._waiting)} | self._under_way
        return await not_before(ctx, rows[0]["endpoint_id"], rows, list(ours))

    def _look_at_endpoint(self, row: Outgoing) -> None:
        self._streak = health.streak_of(row)
        # One that is failing is tried with a single message, not with as many as it took when it was well.
        self._window = row["max_in_flight"] if self._streak == UNBROKEN else 1
        self._rate = row["rate_per_second"]
        is_ready = row["verified_at"] is not None and row["paused_at"] is None
        if not is_ready and row["type"] != PING:
            self._is_unready = self._is_quiet = True

    def _may_send(self) -> bool:
        return bool(self._waiting) and not self._is_quiet and self._time() < self._starts_until

    def _send(self) -> None:
        while self._may_send() and len(self._flying) < self._window and self._time() >= self._sends_at:
            delivery = self._next()
            if delivery is None:
                return
            job = self._jobs[delivery["delivery_id"]]
            self._flying.add(asyncio.create_task(post(self._runtime, job, delivery)))
            if self._rate is not None:
                self._sends_at = self._time() + 1 / self._rate

    def _next(self) -> Outgoing | None:
        """Take the next message; of an ordered endpoint, the earliest of an object that has none under way."""
        if not self._is_ordered:
            return self._waiting.popleft()
        free = [row for row in self._waiting if row["object_id"] not in self._objects]
        if not free:
            return None
        delivery = min(free, key=lambda row: (row["event_seq"] is not None, row["event_seq"]))
        self._waiting.remove(delivery)
        self._objects.add(delivery["object_id"])
        self._under_way.add(delivery["delivery_id"])
        return delivery

    async def _wait(self) -> None:
        """Wait for an answer, for the turn of the next message, or for the time to record what came."""
        now = self._time()
        until = now + _LOOKS_SELDOM_SECONDS
        if not self._waiting and len(self._flying) < self._window:
            until = min(until, max(now, self._looks_at))
        if self._answers:
            until = min(until, self._records_at)
        if self._may_send() and len(self._flying) < self._window:
            until = min(until, self._sends_at)
        if not self._flying:
            await asyncio.sleep(max(0.0, until - now))
            return
        came, self._flying = await asyncio.wait(
            self._flying, timeout=max(0.0, until - now), return_when=asyncio.FIRST_COMPLETED
        )
        if came and not self._answers:
            self._records_at = self._time() + _RECORDED_AFTER_SECONDS
        for task in came:
            self._take(task.result())

    def _take(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._under_way.discard(answer.delivery["delivery_id"])
        if not self._is_ordered:
            return
        object_id = answer.delivery["object_id"]
        if is_success(answer):
            self._objects.discard(object_id)
            return
        # Whether it is tried again or given up is decided when it is recorded; until then what comes later waits.
        later = [row for row in self._waiting if row["object_id"] == object_id]
        self._behind[answer.delivery["delivery_id"]] += [row["delivery_id"] for row in later]
        for row in later:
            self._waiting.remove(row)

    def _wants_more(self) -> bool:
        now = self._time()
        return (
            self._held.lane is not None
            and not (self._waiting or self._is_quiet)
            and len(self._flying) < self._window
            and self._looks_at <= now < self._takes_until
        )

    async def _take_more(self) -> None:
        more = await lanes.take_more(self._runtime.db, self._held, most=BATCH, lease=LEASE)
        if more:
            self._looks_after = _LOOKS_AGAIN_SECONDS
            await self._load(more)
        else:
            self._looks_at = self._time() + self._looks_after
            self._looks_after = min(_LOOKS_SELDOM_SECONDS, 2 * self._looks_after)

    async def _record(self) -> None:
        answers, self._answers = self._answers, []
        unwanted, self._unwanted = self._unwanted, []
        stale, self._stale = self._stale, []
        put_off, self._put_off = self._put_off, {}
        if not (answers or unwanted or stale or put_off):
            return
        claimed = [*stale, *(answer.job for answer in answers), *(self._jobs[key] for key in unwanted)]
        async with self._unit_of_work() as ctx:
            attempts = [judged(answer, now=ctx.real_now) for answer in answers]
            for attempt in attempts:
                behind = self._behind.pop(attempt.delivery_id, [])
                put_off |= dict.fromkeys(behind, attempt.next_attempt_at or ctx.real_now)
            ours = await self._end_jobs(ctx, claimed, attempts)
            if put_off:
                held_up = {self._jobs[key].id: at for key, at in put_off.items()}
                await jobs.postpone(ctx.tx, held_up, [self._held])
            recorded = [attempt for attempt in attempts if self._jobs[attempt.delivery_id].id in ours]
            await write_attempts(ctx, recorded)
            await cancel_pending(ctx, [key for key in unwanted if self._jobs[key].id in ours])
            if recorded:
                await self._conclude(ctx, answers[0].delivery, recorded)
            if self._is_ordered:
                # One whose message got through may have the next one under way already.
                self._objects -= {answer.delivery["object_id"] for answer in answers if not is_success(answer)}
                ended = [key for key in unwanted if self._jobs[key].id in ours]
                ended += [attempt.delivery_id for attempt in recorded if attempt.state is not State.PENDING]
                if ended and self._held.lane is not None:
                    await wake(ctx, self._held.lane, ended)
        for attempt in recorded:
            self._runtime.metrics.webhook_attempt("retried" if attempt.state is State.PENDING else attempt.state)
        if len(ours) < len(claimed):
            log.warning("webhook.lease_lost", job_count=len(claimed) - len(ours), endpoint_id=str(self._held.lane))

    async def _conclude(self, ctx: Ctx, delivery: Outgoing, recorded: Sequence[Attempt]) -> None:
        """Act on what the answers say of the endpoint as a whole."""
        found = await conclude(ctx, delivery, recorded, self._streak)
        self._streak = found.streak
        self._is_quiet = self._is_quiet or found.is_quiet
        if found.is_well:
            self._window = delivery["max_in_flight"]
        if found.quiet_until is not None:
            await lanes.hold_back(ctx.tx, self._held, found.quiet_until)

    async def _end_jobs(self, ctx: Ctx, claimed: Sequence[Job], attempts: Sequence[Attempt]) -> set[UUID]:
        """End the jobs, or put them off to their next attempt; gives the ids of those that were still ours."""
        later = {self._jobs[a.delivery_id].id: a.next_attempt_at for a in attempts if a.next_attempt_at is not None}
        done = [job for job in claimed if job.id not in later]
        ours = await jobs.complete(ctx.tx, done) if done else set()
        return ours | (await jobs.postpone(ctx.tx, later, claimed) if later else set())

    async def _give_back(self) -> None:
        """Leave to the next session what this one had no turn for, and what the rate does not allow yet."""
        too_early = self._sends_at - self._time()
        left = [self._jobs[row["delivery_id"]] for row in self._waiting]
        if not left and too_early <= 0 and not self._is_unready:
            return
        async with self._unit_of_work() as ctx:
            if left:
                await jobs.postpone(ctx.tx, {job.id: job.run_at for job in left}, left)
            if too_early > 0 and not self._is_quiet:
                await lanes.hold_back(ctx.tx, self._held, datetime.now(UTC) + timedelta(seconds=too_early))
            if self._is_unready and self._held.lane is not None:
                await shut_if_unready(ctx, self._held.lane)

    def _unit_of_work(self, *, read_only: bool = False) -> AbstractAsyncContextManager[Ctx]:
        return unit_of_work(
            self._runtime, self._principal, cause=self._cause, request_id=self._cause.id, read_only=read_only
        )
