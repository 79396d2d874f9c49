"""Callers that go away at any moment leave nothing behind: no transaction, no tenant, no connection, no half effect."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from starlette.responses import Response

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Principal, system
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.idempotency import Keyed, earlier_answer, store_answer
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from helpdesk_api.tickets import service
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import TicketCreate
from tests.factories import a_ticket, get
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

ABORTS = 1_000 * SCALE
AT_ONCE = 40
WARMING = 40
LONGEST_PATIENCE = 0.3
POOL_SIZE = 10
SEED = 20_260_706

# What a request may leave in the memory of the process: what it caches, and what the allocator keeps.
MOST_GROWTH_KILOBYTES = 60_000

SESSIONS = """
SELECT count(*) AS sessions, count(*) FILTER (WHERE xact_start IS NOT NULL) AS open,
  count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction
FROM pg_stat_activity WHERE datname = 'helpdesk' AND application_name = $1
"""
EFFECTS = """
SELECT count(*) AS tickets, count(DISTINCT subject) AS keys,
  (SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'ticket.created') AS events
FROM tickets WHERE tenant_id = $1
"""


@dataclass(frozen=True)
class Asked:
    """A request that is not waited for."""

    client: Client
    method: str
    path: str
    body: bytes = b""
    media_type: str = "application/json"
    key: str | None = None

    def written(self) -> bytes:
        """Give what goes over the wire."""
        keyed = "" if self.key is None else f"idempotency-key: {self.key}\r\n"
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nhost: {urlsplit(str(self.client.base_url)).netloc}\r\n"
            f"authorization: Bearer {self.client.key}\r\n{keyed}"
            f"content-type: {self.media_type}\r\ncontent-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def requests(client: Client, subjects: Iterator[str]) -> Iterator[Asked]:
    """Ask for ever: reads of one and of many, writes, and writes that may be repeated."""
    ticket = a_ticket(client, subject="read and written by many")
    of_ticket = f"/v1/tickets/{ticket['id']}"
    while True:
        subject = next(subjects)
        new = json.dumps({"subject": subject}).encode()
        yield Asked(client, "POST", "/v1/tickets", new, key=subject)
        yield Asked(client, "GET", of_ticket)
        yield Asked(client, "POST", "/v1/tickets", json.dumps({"subject": next(subjects)}).encode())
        yield Asked(client, "GET", "/v1/tickets?include=company,contact&include_total=true")
        yield Asked(
            client, "PATCH", of_ticket, b'{"tags": ["' + subject.encode() + b'"]}', "application/merge-patch+json"
        )
        yield Asked(client, "GET", "/v1/events?limit=200")
        # Sent twice: the second is answered from what was stored, finds its twin at work, or is the first to arrive.
        yield Asked(client, "POST", "/v1/tickets", new, key=subject)
        yield Asked(client, "GET", "/v1/me")


async def ask_and_leave(asked: Asked, patience: float) -> bool:
    """Send a request and hang up after a while; tells whether that was before the answer."""
    address = urlsplit(str(asked.client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(asked.written())
    try:
        await asyncio.wait_for(reader.readline(), patience)
    except TimeoutError:
        return True
    finally:
        writer.transport.abort()
    return False


async def storm(asking: list[Asked]) -> Counter[str]:
    """Let many callers come and go, at most so many at a time; tells of each method how many left before an answer."""
    chance = random.Random(SEED)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(asked: Asked, patience: float) -> str | None:
        async with room:
            return asked.method if await ask_and_leave(asked, patience) else None

    patience = [chance.uniform(0, LONGEST_PATIENCE) for _ in asking]
    left = await asyncio.gather(*map(one, asking, patience))
    return Counter(method for method in left if method is not None)


def kilobytes_of(pid: int) -> int:
    """Give how much memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_a_thousand_callers_who_hang_up_leave_nothing_behind(plant: Plant) -> None:
    subjects = iter(lambda: str(uuid4()), "")
    with plant.api(HELPDESK_POOL_SIZE=str(POOL_SIZE)) as api, plant.client(api) as one, plant.client(api) as other:
        several = [requests(one, subjects), requests(other, subjects)]
        # What is made once, at the first requests of each kind, is no leak.
        asyncio.run(storm([next(source) for source in several for _ in range(WARMING)]))
        before = kilobytes_of(api.pid)
        left = asyncio.run(storm([next(several[number % 2]) for number in range(ABORTS)]))
        until(lambda: plant.sql(SESSIONS, "helpdesk-api")[0]["open"] == 0, "every transaction has ended", seconds=30)
        (session,) = plant.sql(SESSIONS, "helpdesk-api")
        effects = [plant.sql(EFFECTS, client.tenant.id)[0] for client in (one, other)]
        partial = sum(abs(row["tickets"] - row["events"]) for row in effects)
        doubled = sum(row["tickets"] - row["keys"] for row in effects)
        stored = sum(row["tickets"] for row in effects)

        tell(
            "cancel_storm_no_bleed",
            n=ABORTS,
            faults=left.total(),
            lost=partial,
            dup=doubled,
            stored=stored,
            sessions=session["sessions"],
            open=session["open"],
            grown_kilobytes=kilobytes_of(api.pid) - before,
            seed=SEED,
        )
        assert left.total() > ABORTS / 20
        assert all(left[method] for method in ("GET", "POST", "PATCH"))
        assert (partial, doubled) == (0, 0)
        assert (session["idle_in_transaction"], session["sessions"] <= POOL_SIZE) == (0, True)
        assert kilobytes_of(api.pid) - before < MOST_GROWTH_KILOBYTES
        # Whoever comes next finds every connection of the pool usable, and only what is their own.
        for client, stranger in [(one, other), (other, one)] * POOL_SIZE:
            ticket = a_ticket(client)
            assert get(client, f"tickets/{ticket['id']}")["subject"] == ticket["subject"]
            assert stranger.get(f"/v1/tickets/{ticket['id']}").status_code == 404
        assert api.defects == []


@dataclass(frozen=True)
class Left:
    """How many units of work were cancelled, and the tasks they left, and of each connection tenant and transaction."""

    cancelled: int
    tasks: int
    connections: list[tuple[str | None, bool]]


async def cancel_storm(plant: Plant, tenants: list[UUID]) -> Left:
    """Cancel units of work anywhere; tells what they leave behind."""
    chance = random.Random(SEED)
    settings = load_settings({"HELPDESK_DATABASE_URL": plant.services.app_url, "HELPDESK_POOL_SIZE": str(POOL_SIZE)})
    async with open_runtime(settings, SilentBell(), Metrics(), name="cancelled") as runtime:
        cancelled, before = 0, len(asyncio.all_tasks())
        for _ in range(ABORTS // AT_ONCE):
            works = [chance.choice(WORKS)(runtime, chance.choice(tenants)) for _ in range(AT_ONCE)]
            tasks = [asyncio.create_task(work) for work in works]
            for task in tasks:
                asyncio.get_running_loop().call_later(chance.uniform(0, LONGEST_PATIENCE), task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
        pool = runtime.db._pool
        connections = [await pool.acquire(timeout=10) for _ in range(POOL_SIZE)]
        left = [
            (await connection.fetchval("SELECT current_setting('app.tenant_id', true)"), connection.is_in_transaction())
            for connection in connections
        ]
        for connection in connections:
            await pool.release(connection)
        return Left(cancelled, len(asyncio.all_tasks()) - before, left)


async def write(runtime: Runtime, tenant_id: UUID) -> None:
    principal = system(tenant_id)
    with suppress(TimeoutError):
        async with unit_of_work(runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
            ticket = await service.create_ticket(ctx, TicketCreate(subject=str(uuid4())).model_dump())
            await crud.fetch(ctx, TICKETS, ticket.id)


async def read(runtime: Runtime, tenant_id: UUID) -> None:
    principal = system(tenant_id)
    cause = Cause("command", "test")
    with suppress(TimeoutError):
        async with unit_of_work(runtime, principal, cause=cause, request_id="test", read_only=True) as ctx:
            query = TICKETS.listing.query_model(include_total=True)
            await find_page(ctx, TICKETS.listing, query, runtime.signer)


async def write_once(runtime: Runtime, tenant_id: UUID) -> None:
    keyed = Keyed(key="once", method="POST", path=f"/v1/tickets/{uuid4()}", fingerprint=b"same")
    with suppress(TimeoutError):
        caller = Principal("api_key", tenant_id, tenant_id)
        async with unit_of_work(runtime, caller, cause=Cause("command", "test"), request_id="test") as ctx:
            if await earlier_answer(ctx, keyed) is None:
                await service.create_ticket(ctx, TicketCreate(subject=str(uuid4())).model_dump())
                await store_answer(ctx, keyed, Response(b"{}", 201))


WORKS: tuple[Callable[[Runtime, UUID], Coroutine[Any, Any, None]], ...] = (write, read, write_once)


def test_a_unit_of_work_that_is_cancelled_anywhere_gives_its_connection_back_clean(plant: Plant) -> None:
    with plant.api() as api, plant.client(api) as one, plant.client(api) as other:
        tenants = [one.tenant.id, other.tenant.id]
        left = asyncio.run(cancel_storm(plant, tenants))
        effects = [plant.sql(EFFECTS, tenant_id)[0] for tenant_id in tenants]

    partial = sum(abs(row["tickets"] - row["events"]) for row in effects)
    bleeding = sum(bool(tenant) for tenant, _ in left.connections)
    tell(
        "cancelled_units_of_work_no_bleed",
        n=ABORTS,
        faults=left.cancelled,
        lost=partial,
        dup=0,
        stored=sum(row["tickets"] for row in effects),
        tenants_left=bleeding,
        open=sum(is_open for _, is_open in left.connections),
        tasks=left.tasks,
    )
    assert left.cancelled > ABORTS / 20
    assert (partial, left.tasks) == (0, 0)
    assert len(left.connections) == POOL_SIZE
    assert not any(tenant or is_open for tenant, is_open in left.connections)
