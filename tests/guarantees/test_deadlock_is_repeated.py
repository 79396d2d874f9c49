"""Two writers who lock the same rows in opposite order: one is undone by the database, repeats itself and succeeds.

A change of a ticket locks the ticket and then its deadlines; a rival on a connection of its own has locked them in the
other order. The database undoes whoever has waited a second first; the rival is more patient than that, so it is always
the product. A deadline that fires waits for nobody, so it loses no deadlock (`tests/jobs/test_runner.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.factories import Json, a_policy, a_ticket, get
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

ROUNDS = 3 * SCALE
_PATIENCE = 30.0

LOCK_TICKET = "SELECT 1 FROM tickets WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
LOCK_DEADLINES = """
SELECT 1 FROM deadlines WHERE tenant_id = $1
  AND object_id IN (SELECT id FROM sla_clocks WHERE tenant_id = $1 AND ticket_id = $2) FOR UPDATE
"""
SOMEBODY_WAITS = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'helpdesk'"


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


async def get_in_the_way(plant: Plant, key: tuple[object, object], armed: asyncio.Event) -> None:
    """Lock what the other will want, tell so, wait until the other does want it, then want what the other has."""
    async with asyncio.timeout(_PATIENCE), rival(plant) as connection:
        await connection.fetch(LOCK_DEADLINES, *key)
        armed.set()
        while not await connection.fetchval(SOMEBODY_WAITS):  # noqa: ASYNC110 - the database tells it by nothing else.
            await asyncio.sleep(0.01)
        await connection.fetch(LOCK_TICKET, *key)


def deadlocks(plant: Plant) -> int:
    return int(plant.sql(DEADLOCKS)[0]["deadlocks"])


def counted(plant: Plant, before: int) -> int:
    """Give the deadlocks since, once the database has counted all of them, which it does with a delay."""
    until(lambda: deadlocks(plant) >= before + ROUNDS, f"{ROUNDS} deadlocks are counted", seconds=30)
    return deadlocks(plant) - before


async def change_against_a_rival(plant: Plant, client: Client, ticket: Json) -> int:
    """Change the status of a ticket whose deadlines a rival has locked; gives the status of the answer."""
    armed = asyncio.Event()
    key = (client.tenant.id, ticket["id"])
    rivalling = asyncio.create_task(get_in_the_way(plant, key, armed))
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
