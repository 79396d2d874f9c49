"""Work that breaks, in a worker: it must not take others with it, nor hold them up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic, sleep
from uuid import UUID, uuid4

from sqlalchemy import bindparam, select
from structlog.testing import capture_logs

from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.deadlines import DueDeadline, deadlines
from helpdesk_api.kit.doorbell import LocalBell
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runner import Runner
from helpdesk_api.kit.runtime import JobKind, Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets import firing
from helpdesk_api.tickets.models import sla_clocks, tickets
from tests.factories import a_policy, a_ticket, get
from tests.stage import Client, Stage

_FRAGILE = "test.fragile"
_HOLD = Statement(
    select(tickets.c.id)
    .where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.id == bindparam("ticket"))
    .with_for_update()
)
_PUT_OFF = Statement(
    select(deadlines.c.id).where(deadlines.c.tenant_id == bindparam("tenant"), deadlines.c.try_at > deadlines.c.due_at)
)
_LATE = Statement(
    select(sla_clocks.c.ticket_id).where(
        sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.breached_at.is_not(None)
    )
)
_WARNED_AT = Statement(
    select(sla_clocks.c.warned_at).where(
        sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.ticket_id == bindparam("ticket")
    )
)


def eventually(holds: Callable[[], bool], *, seconds: float = 15) -> None:
    """Wait until something holds."""
    patience = monotonic() + seconds
    while not holds():
        assert monotonic() < patience
        sleep(0.05)


async def _fragile(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    if any(job.payload["breaks"] for job in claimed):
        message = "this job breaks"
        raise ValueError(message)
    async with runtime.db.transaction(tenant_id) as transaction:
        await jobs.complete(transaction, claimed)


async def _put(runtime: Runtime, tenant_id: UUID, payloads: Sequence[dict[str, bool]]) -> None:
    principal = system(tenant_id)
    async with unit_of_work(runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
        await jobs.put(ctx, [NewJob(_FRAGILE, payload, ctx.real_now) for payload in payloads])


def test_a_job_that_breaks_does_not_take_its_batch_with_it(stage: Stage, api: Client) -> None:
    kind = JobKind(_fragile, batch=10, concurrency=2, lease=timedelta(seconds=30))
    runtime = replace(stage.runtime, job_kinds={_FRAGILE: kind})
    stage.run(_put(runtime, api.tenant.id, [{"breaks": False}, {"breaks": True}, {"breaks": False}]))
    runner = Runner(runtime, LocalBell(), sweep_seconds=0.1)

    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(runner.run())

    async def end(running: asyncio.Task[None]) -> None:
        runner.stop()
        await running

    running = stage.run(start())
    try:
        left = "SELECT payload FROM jobs WHERE tenant_id = $1 AND kind = $2"
        eventually(lambda: len(stage.sql(left, api.tenant.id, _FRAGILE)) == 1)
    finally:
        stage.run(end(running))

    assert [row["payload"] for row in stage.sql(left, api.tenant.id, _FRAGILE)] == ['{"breaks": true}']


def test_a_deadline_of_an_unknown_kind_does_not_hold_up_the_others(stage: Stage, api: Client) -> None:
    stage.sql(
        "INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, is_test_clock) "
        "VALUES ($1, $2, 'test.of_a_newer_version', $2, 1, now() - interval '1 day', now() - interval '1 day', false)",
        api.tenant.id,
        uuid4(),
    )
    soon = {"metric": "resolution", "seconds": 1, "hours": "calendar", "warning_percent": None}
    a_policy(api, targets=[soon], calendar_id=None)

    ticket = a_ticket(api)

    eventually(lambda: get(api, f"tickets/{ticket['id']}")["clocks"][0]["breached_at"] is not None, seconds=8)


def test_a_deadline_whose_clock_is_gone_is_reported_and_removed(stage: Stage, api: Client) -> None:
    a_policy(api, targets=[{"metric": "resolution", "seconds": 3_600, "hours": "calendar"}], calendar_id=None)
    a_ticket(api)
    # Nobody looks at them before tomorrow, but for the runner here.
    (clock_id, *_) = stage.sql(
        "UPDATE deadlines SET object_id = gen_random_uuid(), due_at = now(), try_at = now() + interval '1 day' "
        "WHERE tenant_id = $1 RETURNING object_id",
        api.tenant.id,
    )
    found = "SELECT tenant_id, id, kind, object_id, instance, due_at FROM deadlines WHERE tenant_id = $1"
    due = [DueDeadline(**dict(row)) for row in stage.sql(found, api.tenant.id)]
    metrics = Metrics()
    runner = Runner(replace(stage.runtime, metrics=metrics), LocalBell(), sweep_seconds=1)

    with capture_logs() as lines:
        assert stage.run(runner._fire(due, firing.reach))

    told = {(line["kind"], line["log_level"]) for line in lines if line["event"] == "deadline.orphaned"}
    assert told >= {("ticket.sla_breach", "error"), ("ticket.sla_warning", "error")}
    assert any(line.get("object_id") == str(clock_id["object_id"]) for line in lines)
    assert b'deadlines_orphaned_total{kind="ticket.sla_breach"} 1.0' in metrics.render()[0]
    assert stage.sql(found, api.tenant.id) == []


def test_a_deadline_whose_ticket_is_held_by_another_is_tried_again_at_once(stage: Stage, api: Client) -> None:
    a_policy(
        api,
        targets=[{"metric": "resolution", "seconds": 1, "hours": "calendar", "warning_percent": None}],
        calendar_id=None,
    )
    ticket = a_ticket(api)

    async def hold() -> float:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await transaction.run(_HOLD, {"tenant": api.tenant.id, "ticket": UUID(ticket["id"])})
            # Until a worker has found the ticket held, and has not waited for it.
            while not await transaction.value(_PUT_OFF, {"tenant": api.tenant.id}):  # noqa: ASYNC110 - only the database knows.
                await asyncio.sleep(0.05)
        return monotonic()

    released_at = stage.run(hold())

    eventually(lambda: get(api, f"tickets/{ticket['id']}")["clocks"][0]["breached_at"] is not None, seconds=40)
    assert monotonic() - released_at < 5


def test_a_ticket_that_is_held_does_not_hold_up_the_deadlines_of_the_others(stage: Stage, api: Client) -> None:
    a_policy(
        api,
        targets=[{"metric": "resolution", "seconds": 2, "hours": "calendar", "warning_percent": None}],
        calendar_id=None,
    )
    held, *others = [a_ticket(api) for _ in range(4)]

    async def late() -> set[str]:
        async with stage.runtime.db.transaction(api.tenant.id, read_only=True) as looking:
            return {str(row["ticket_id"]) for row in await looking.rows(_LATE, {"tenant": api.tenant.id})}

    async def late_while_held() -> set[str]:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await transaction.run(_HOLD, {"tenant": api.tenant.id, "ticket": UUID(held["id"])})
            while len(found := await late()) < len(others):  # noqa: ASYNC110 - only the database knows.
                await asyncio.sleep(0.05)
        return found

    assert stage.run(late_while_held()) == {ticket["id"] for ticket in others}
    eventually(lambda: len(stage.run(late())) == 4)


def test_a_warning_fires_while_another_is_at_the_breach_of_the_same_clock(stage: Stage, api: Client) -> None:
    target = {"metric": "resolution", "seconds": 100, "hours": "calendar", "warning_percent": 1}
    a_policy(api, targets=[target], calendar_id=None)
    ticket = a_ticket(api)
    at_breach = select(deadlines.c.id).where(
        deadlines.c.tenant_id == bindparam("tenant"), deadlines.c.kind == "ticket.sla_breach"
    )

    async def while_held() -> bool:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await transaction.run(at_breach.with_for_update(), {"tenant": api.tenant.id})
            # Less than anybody waits for a row.
            for _ in range(25):
                await asyncio.sleep(0.1)
                async with stage.runtime.db.transaction(api.tenant.id, read_only=True) as looking:
                    if await looking.value(_WARNED_AT, {"tenant": api.tenant.id, "ticket": UUID(ticket["id"])}):
                        return True
        return False

    assert stage.run(while_held())


def test_a_job_that_is_not_due_yet_has_no_age(stage: Stage, api: Client) -> None:
    stage.sql(
        "INSERT INTO jobs (tenant_id, id, kind, payload, run_at, created_at) "
        "VALUES ($1, $2, 'test.later', '{}', now() + interval '1 day', now() - interval '2 days')",
        api.tenant.id,
        uuid4(),
    )

    count, oldest_age_seconds = stage.run(jobs.backlog(stage.runtime.db))

    assert count >= 1
    assert 0 <= oldest_age_seconds < timedelta(days=1).total_seconds()
