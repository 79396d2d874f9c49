"""Every committed event reaches its receiver although workers are killed; none does that was rolled back."""

import asyncio
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from helpdesk_api.kit.context import Cause, new_id, system
from helpdesk_api.kit.doorbell import RedisBell
from helpdesk_api.kit.events import record, write_recorded
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from helpdesk_api.wiring import JOBS
from tests.factories import create
from tests.guarantees.plant import Plant, Worker, until
from tests.guarantees.report import SCALE, tell
from tests.receivers import WebhookReceiver
from tests.stage import Client

KILLS = 3 * SCALE
EVENTS = 400 * SCALE
ROLLED_BACK = 0.2
SEED = 20_260_703
# Of one receiver's messages so many may have been sent and not yet recorded.
IN_FLIGHT = JOBS["webhooks.deliver"].batch
DRAINED_WITHIN = 60.0

# A worker that died holds its jobs until their lease has run out; this lets that time pass. None other is alive then.
LEASES_RUN_OUT = """
    WITH lanes AS (UPDATE job_lanes SET due_at = now() WHERE tenant_id = $1 AND lease_token IS NOT NULL)
    UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND lease_token IS NOT NULL RETURNING id
    """
# Sealing the audit trail waits for its minute.
WAITING = "SELECT count(*) AS jobs FROM jobs WHERE tenant_id = $1 AND kind <> 'audit.seal'"


class RolledBackError(Exception):
    """A writer gave its transaction up."""


@dataclass
class Written:
    """What became of the events that were recorded."""

    committed: set[UUID] = field(default_factory=set)
    undone: set[UUID] = field(default_factory=set)


async def write(plant: Plant, tenant_id: UUID, written: Written) -> None:
    """Record events one by one, some of them in transactions that are given up."""
    chance = random.Random(SEED)
    settings = load_settings({"HELPDESK_DATABASE_URL": plant.services.app_url})
    bell = RedisBell(plant.services.redis_url)
    async with open_runtime(settings, bell, Metrics(), name="writer") as runtime:
        ringing = asyncio.create_task(bell.run())
        for number in range(EVENTS):
            outcome = written.undone if chance.random() < ROLLED_BACK else written.committed
            principal = system(tenant_id)
            with suppress(RolledBackError):
                async with unit_of_work(runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
                    record(ctx, "team.updated", object_id=new_id(), version=number + 1)
                    event_id = ctx.events[0].id
                    if outcome is written.undone:
                        await write_recorded(ctx)
                        raise RolledBackError
            outcome.add(event_id)
            await asyncio.sleep(0.005)
        ringing.cancel()


def kill_while_sending(worker: Worker, receiver: WebhookReceiver, chance: random.Random) -> None:
    """Kill a worker a moment after it has begun to send."""
    received = len(receiver.received)
    until(lambda: len(receiver.received) > received, "the worker sends", seconds=30)
    time.sleep(chance.uniform(0, 0.1))
    worker.kill()


def test_every_committed_event_arrives_though_workers_are_killed(plant: Plant) -> None:
    chance = random.Random(SEED)
    written = Written()
    with WebhookReceiver() as receiver, plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        create(client, "webhook-endpoints", url=receiver.url, event_types=["team.*"])
        writing = threading.Thread(target=asyncio.run, args=(write(plant, client.tenant.id, written),))
        writing.start()
        left_behind = 0
        for _ in range(KILLS):
            kill_while_sending(worker, receiver, chance)
            left_behind += len(plant.sql(LEASES_RUN_OUT, client.tenant.id))
            worker.start()
        writing.join()
        drained = until(lambda: is_drained(plant, client), "all jobs are done", seconds=DRAINED_WITHIN)

        copies = Counter(UUID(request.message["data"]["id"]) for request in receiver.received)
        lost = len(written.committed - copies.keys())
        phantoms = len(copies.keys() - written.committed)
        duplicates = copies.total() - len(copies)
        tell(
            "kill9_worker_no_lost_event",
            n=len(written.committed),
            faults=worker.kills,
            lost=lost,
            dup=duplicates,
            phantom=phantoms,
            rolled_back=len(written.undone),
            left_behind=left_behind,
            drained=f"{drained:.1f}s",
            seed=SEED,
        )
        assert worker.kills == KILLS
        assert left_behind > 0
        assert written.undone
        assert (lost, phantoms) == (0, 0)
        assert duplicates <= KILLS * IN_FLIGHT
        # Copies are told apart from news by their id, which is that of the event.
        assert all(request.id == request.message["data"]["id"] for request in receiver.received)
        assert worker.defects == []


def is_drained(plant: Plant, client: Client) -> bool:
    return bool(plant.sql(WAITING, client.tenant.id)[0]["jobs"] == 0)
