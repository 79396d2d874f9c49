"""Callers that go away at any moment leave nothing behind: no transaction, no tenant, no connection, no half effect."""

import asyncio
import json
import random
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.settings import load_settings
from helpdesk_api.tickets import service
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import TicketCreate
from helpdesk_api.wiring import open_runtime
from tests.factories import a_ticket, get
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

ABORTS = 1_000 * SCALE
AT_ONCE = 40
LONGEST_PATIENCE = 0.3
POOL_SIZE = 10
SEED = 20_260_706

SESSIONS = """
SELECT count(*) AS sessions, count(*) FILTER (WHERE xact_start IS NOT NULL) AS open
FROM pg_stat_activity WHERE datname = 'helpdesk' AND application_name = $1
"""
EFFECTS = """
SELECT count(*) AS tickets, count(DISTINCT subject) AS keys,
  (SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'ticket.created') AS events
FROM tickets WHERE tenant_id = $1
"""


async def ask_and_leave(client: Client, key: str, patience: float) -> bool:
    """Send a request that creates a ticket and hang up after a while; tells whether that was before the answer."""
    address = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    body = json.dumps({"subject": key}).encode()
    head = (
        f"POST /v1/tickets HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {client.key}\r\n"
        f"idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        await asyncio.wait_for(reader.readline(), patience)
    except TimeoutError:
        return True
    finally:
        writer.transport.abort()
    return False


async def storm(clients: list[Client], keys: list[str]) -> int:
    """Let many callers come and go, at most so many at a time; gives how many left before their answer."""
    chance = random.Random(SEED)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, key: str, patience: float) -> bool:
        async with room:
            return await ask_and_leave(clients[number % len(clients)], key, patience)

    patience = [chance.uniform(0, LONGEST_PATIENCE) for _ in keys]
    left = await asyncio.gather(*(one(number, key, patience[number]) for number, key in enumerate(keys)))
    return sum(left)


def test_a_thousand_callers_who_hang_up_leave_nothing_behind(plant: Plant) -> None:
    keys = [str(uuid4()) for _ in range(ABORTS)]
    with plant.api(HELPDESK_POOL_SIZE=str(POOL_SIZE)) as api, plant.client(api) as one, plant.client(api) as other:
        left = asyncio.run(storm([one, other], keys))
        until(lambda: plant.sql(SESSIONS, "helpdesk-api")[0]["open"] == 0, "every transaction has ended", seconds=30)
        (session,) = plant.sql(SESSIONS, "helpdesk-api")
        effects = [plant.sql(EFFECTS, client.tenant.id)[0] for client in (one, other)]
        partial = sum(abs(row["tickets"] - row["events"]) for row in effects)
        doubled = sum(row["tickets"] - row["keys"] for row in effects)
        stored = sum(row["tickets"] for row in effects)

        tell(
            "cancel_storm_no_bleed",
            n=ABORTS,
            faults=left,
            lost=partial,
            dup=doubled,
            stored=stored,
            sessions=session["sessions"],
            open=session["open"],
            seed=SEED,
        )
        assert left > ABORTS / 20
        assert (partial, doubled) == (0, 0)
        assert session["sessions"] <= POOL_SIZE
        # Whoever comes next finds every connection of the pool usable, and only what is their own.
        for client, stranger in [(one, other), (other, one)] * POOL_SIZE:
            ticket = a_ticket(client)
            assert get(client, f"tickets/{ticket['id']}")["subject"] == ticket["subject"]
            assert stranger.get(f"/v1/tickets/{ticket['id']}").status_code == 404
        assert api.defects == []


async def cancel_storm(plant: Plant, tenants: list[UUID]) -> tuple[int, list[tuple[str | None, bool]]]:
    """Cancel units of work anywhere; gives how many were, and the tenant and transaction left on each connection."""
    chance = random.Random(SEED)
    settings = load_settings({"HELPDESK_DATABASE_URL": plant.services.app_url, "HELPDESK_POOL_SIZE": str(POOL_SIZE)})
    async with open_runtime(settings, SilentBell(), Metrics(), name="cancelled") as runtime:
        cancelled = 0
        for _ in range(ABORTS // AT_ONCE):
            tasks = [asyncio.create_task(write(runtime, chance.choice(tenants))) for _ in range(AT_ONCE)]
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
        return cancelled, left


async def write(runtime: Runtime, tenant_id: UUID) -> None:
    principal = system(tenant_id)
    with suppress(TimeoutError):
        async with unit_of_work(runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
            ticket = await service.create_ticket(ctx, TicketCreate(subject=str(uuid4())).model_dump())
            await crud.fetch(ctx, TICKETS, ticket.id)


def test_a_unit_of_work_that_is_cancelled_anywhere_gives_its_connection_back_clean(plant: Plant) -> None:
    with plant.api() as api, plant.client(api) as one, plant.client(api) as other:
        tenants = [one.tenant.id, other.tenant.id]
        cancelled, left = asyncio.run(cancel_storm(plant, tenants))
        effects = [plant.sql(EFFECTS, tenant_id)[0] for tenant_id in tenants]

    partial = sum(abs(row["tickets"] - row["events"]) for row in effects)
    bleeding = sum(bool(tenant) for tenant, _ in left)
    tell(
        "cancelled_units_of_work_no_bleed",
        n=ABORTS,
        faults=cancelled,
        lost=partial,
        dup=0,
        stored=sum(row["tickets"] for row in effects),
        tenants_left=bleeding,
        open=sum(is_open for _, is_open in left),
    )
    assert cancelled > ABORTS / 20
    assert partial == 0
    assert len(left) == POOL_SIZE
    assert not any(tenant or is_open for tenant, is_open in left)
