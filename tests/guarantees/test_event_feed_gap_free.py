"""Whoever follows the event feed sees every committed event exactly once, whatever else writes meanwhile."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from helpdesk_api.kit.context import Cause, new_id, system
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.events import record, write_recorded
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.opening import open_runtime
from tests.guarantees.report import SCALE
from tests.jobs.webhooks import settle
from tests.stage import Client, Stage

WRITERS = 16
TRANSACTIONS = 40 * SCALE
ROLLED_BACK = 0.2
LONGEST_PAUSE = 0.03


class RolledBackError(Exception):
    """A writer gave its transaction up."""


@dataclass
class Written:
    """What the writers did, transaction by transaction."""

    committed: list[list[UUID]] = field(default_factory=list)
    undone: list[UUID] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


async def write(runtime: Runtime, tenant_id: UUID, seed: int, written: Written) -> None:
    """Write transactions of one to three events, each held open for a while, some of them given up."""
    chance = random.Random(seed)
    principal = system(tenant_id)
    for number in range(TRANSACTIONS):
        ids: list[UUID] = []
        gives_up = chance.random() < ROLLED_BACK
        with suppress(RolledBackError):
            async with unit_of_work(runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
                for _ in range(chance.randint(1, 3)):
                    record(ctx, "team.updated", object_id=new_id(), version=number + 1)
                ids = [event.id for event in ctx.events]
                await write_recorded(ctx)
                ctx.events.clear()
                await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
                if gives_up:
                    raise RolledBackError
        if gives_up:
            written.undone += ids
        else:
            written.committed.append(ids)


async def write_all(stage: Stage, tenant_id: UUID, written: Written) -> None:
    settings = stage.services.settings(HELPDESK_POOL_SIZE=str(WRITERS))
    try:
        async with open_runtime(settings, SilentBell(), Metrics(), name="writers") as runtime:
            await asyncio.gather(*(write(runtime, tenant_id, seed, written) for seed in range(WRITERS)))
    finally:
        written.ended.set()


def follow(stage: Stage, api: Client, written: Written) -> Iterator[UUID]:
    """Follow the feed in small pages until the writers have ended and nothing is left."""
    query = {"type": "team.*", "limit": "7"}
    while True:
        at_the_end = written.ended.is_set()
        if at_the_end:
            settle(stage, api)
        answer = api.get("/v1/events", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield from (UUID(event["id"]) for event in page["data"])
        if at_the_end and not page["page"]["has_more"]:
            return
        query["after"] = page["page"]["next_cursor"]


def follow_by_id(stage: Stage, tenant_id: UUID, written: Written) -> Iterator[UUID]:
    """Follow the table the obvious way, by the last id seen: what the feed must not do."""
    query = "SELECT id FROM events WHERE tenant_id = $1 AND type = 'team.updated' AND id > $2 ORDER BY id"
    last = UUID(int=0)
    while True:
        at_the_end = written.ended.is_set()
        seen = [UUID(str(row["id"])) for row in stage.sql(query, tenant_id, last)]
        yield from seen
        if at_the_end and not seen:
            return
        last = seen[-1] if seen else last


def test_a_follower_sees_every_committed_event_exactly_once(stage: Stage, api: Client) -> None:
    written = Written()
    writing = threading.Thread(target=asyncio.run, args=(write_all(stage, api.tenant.id, written),))
    by_id: list[UUID] = []
    comparing = threading.Thread(target=lambda: by_id.extend(follow_by_id(stage, api.tenant.id, written)))

    writing.start()
    comparing.start()
    seen = list(follow(stage, api, written))
    writing.join()
    comparing.join()

    committed = {event_id for ids in written.committed for event_id in ids}
    place = {event_id: index for index, event_id in enumerate(seen)}
    print(  # noqa: T201 - the figures are for who runs the guarantees.
        f"\nGUARANTEE event_feed_gap_free n={len(committed)} faults={len(written.undone)} "
        f"lost={len(committed - place.keys())} dup={len(seen) - len(place)} lost_by_id={len(committed - set(by_id))}"
    )
    assert written.undone
    assert len(seen) == len(place)
    assert place.keys() == committed
    assert committed.isdisjoint(written.undone)
    # The events of one transaction stand together, in the order in which they were recorded.
    for ids in written.committed:
        assert [place[event_id] for event_id in ids] == list(range(place[ids[0]], place[ids[0]] + len(ids)))
    # Were this 0, the pauses would not have put commits out of order and the test would show nothing.
    assert committed - set(by_id)
