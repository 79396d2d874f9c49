"""Two writers who lock the same rows in opposite order: one is undone by the database, repeats itself and succeeds.

The product itself locks in both orders: a change of a ticket locks the ticket and then its deadlines, a deadline that
fires locks itself and then its ticket. A rival on a connection of its own plays the other part at the worst moment. The
database undoes whoever has waited a second first; the rival is more patient than that, so it is always the product.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from tests.factories import Json, a_policy, a_ticket, get
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

ROUNDS = 3 * SCALE
TOLD_WITHIN = 15.0
_PATIENCE = 30.0

LOCK_TICKET = "SELECT 1 FROM tickets WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
LOCK_DEADLINES = """
SELECT 1 FROM deadlines WHERE tenant_id = $1
  AND object_id IN (SELECT id FROM sla_clocks WHERE tenant_id = $1 AND ticket_id = $2) FOR UPDATE
"""
SOMEBODY_WAITS = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'helpdesk'"
BREACHES = (
    "SELECT count(*) AS count FROM events WHERE tenant_id = $1 AND object_id = $2 AND type = 'ticket.sla_breached'"
)


@asynccontextmanager
async def rival(plant: Plant) -> AsyncIterator[Any]:
    """Open a transaction whose owner is more patient than any other."""
    url = plant.postgres.url_of(plant.services.superuser_url, "helpdesk")
    connection = await asyncpg.connect(url, server_settings={"deadlock_timeout": "30s"})
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def get_in_the_way(
    plant: Plant, key: tuple[object, object], first: str, second: str, *, armed: asyncio.Event | None = None
) -> None:
    """Lock what the other will want, tell so, wait until the other does want it, then want what the other has."""
    async with asyncio.timeout(_PATIENCE), rival(plant) as connection:
        await connection.fetch(first, *key)
        if armed is not None:
            armed.set()
        while not await connection.fetchval(SOMEBODY_WAITS):  # noqa: ASYNC110 - the database tells it by nothing else.
            await asyncio.sleep(0.01)
        await connection.fetch(second, *key)


def deadlocks(plant: Plant) -> int:
    return int(plant.sql(DEADLOCKS)[0]["deadlocks"])


def counted(plant: Plant, before: int) -> int:
    """Give the deadlocks since, once the database has counted all of them, which it does with a delay."""
    until(lambda: deadlocks(plant) >= before + ROUNDS, f"{ROUNDS} deadlocks are counted", seconds=30)
    return deadlocks(plant) - before


def is_told(plant: Plant, key: tuple[object, object]) -> bool:
    return bool(plant.sql(BREACHES, *key)[0]["count"] == 1)


async def change_against_a_rival(plant: Plant, client: Client, ticket: Json) -> int:
    """Change the status of a ticket whose deadlines a rival has locked; gives the status of the answer."""
    armed = asyncio.Event()
    key = (client.tenant.id, ticket["id"])
    rivalling = asyncio.create_task(get_in_the_way(plant, key, LOCK_DEADLINES, LOCK_TICKET, armed=armed))
    await asyncio.wait({asyncio.ensure_future(armed.wait()), rivalling}, return_when=asyncio.FIRST_COMPLETED)
    answer = await asyncio.to_thread(client.patch, f"/v1/tickets/{ticket['id']}", json={"status": "pending"})
    await rivalling
    return answer.status_code


def a_promise(client: Client, seconds: int) -> None:
    targets = [{"metric": "resolution", "seconds": seconds, "hours": "calendar", "warning_percent": None}]
    a_policy(client, calendar_id=None, targets=targets)


def test_a_request_that_loses_a_deadlock_is_repeated_and_answered(plant: Plant) -> None:
    before = deadlocks(plant)

    with plant.api() as api, plant.client(api) as client:
        a_promise(client, 3_600)
        tickets = [a_ticket(client) for _ in range(ROUNDS)]
        answers = [asyncio.run(change_against_a_rival(plant, client, ticket)) for ticket in tickets]
        met = counted(plant, before)
        versions = [get(client, f"tickets/{ticket['id']}")["version"] for ticket in tickets]

        failed = sum(status != 200 for status in answers)
        tell("deadlock_is_repeated_request", n=ROUNDS, faults=met, lost=failed, dup=sum(v != 2 for v in versions))
        assert met >= ROUNDS
        assert answers == [200] * ROUNDS
        assert versions == [2] * ROUNDS
        assert api.defects == []


def test_a_deadline_that_loses_a_deadlock_fires_at_the_next_look(plant: Plant) -> None:
    before = deadlocks(plant)
    with plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        a_promise(client, 3)
        lags: list[float] = []
        for _ in range(ROUNDS):
            ticket = a_ticket(client)
            key = (client.tenant.id, ticket["id"])
            asyncio.run(get_in_the_way(plant, key, LOCK_TICKET, LOCK_DEADLINES))
            lags.append(until(partial(is_told, plant, key), "the breach is told", seconds=TOLD_WITHIN))
        met = counted(plant, before)

        tell("deadlock_is_repeated_deadline", n=ROUNDS, faults=met, lost=0, dup=0, told_after=f"{max(lags):.1f}s")
        assert met >= ROUNDS
        assert worker.defects == []
