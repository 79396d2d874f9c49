"""What a worker's sweep costs beside deadlines that are not due: looking out and finding what is, without firing it."""

import statistics
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import asyncpg

from bench.stage import Stage
from helpdesk_api.kit import deadlines, lookout
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from helpdesk_api.wiring import JOBS

FEW, MANY = 10_000, 1_000_000
DUE = 100
ROUNDS, SWEEPS = 21, 20


async def compare(stage: Stage, few: str, many: str) -> tuple[float, float, float]:
    """Give sweeps per second beside few and beside many deadlines, and how many times as long one takes beside many."""
    for database, number in ((few, FEW), (many, MANY)):
        await _fill(stage.superuser_url(database), number)
    beside_few: list[float] = []
    beside_many: list[float] = []
    async with AsyncExitStack() as opened:
        small, large = [await opened.enter_async_context(_runtime(stage, name)) for name in (few, many)]
        for _ in range(ROUNDS):
            beside_few.append(await _seconds(small))
            beside_many.append(await _seconds(large))
    times = statistics.median(m / f for f, m in zip(beside_few, beside_many, strict=True))
    return 1 / statistics.median(beside_few), 1 / statistics.median(beside_many), times


def _runtime(stage: Stage, database: str) -> AbstractAsyncContextManager[Runtime]:
    names = {name: value for name, value in stage.environment(database).items() if name.startswith("HELPDESK_")}
    return open_runtime(load_settings(names), SilentBell(), Metrics(), name="bench")


async def _seconds(runtime: Runtime) -> float:
    without_lane = [name for name, kind in JOBS.items() if not kind.by_lane]
    by_lane = [name for name, kind in JOBS.items() if kind.by_lane]
    began = time.perf_counter()
    for _ in range(SWEEPS):
        assert lookout.DEADLINES in await lookout.what_is_due(runtime.db, without_lane, by_lane)
        assert len(await deadlines.find_due(runtime.db, most=500)) == DUE
    return (time.perf_counter() - began) / SWEEPS


async def _fill(superuser_url: str, number: int) -> None:
    """Leave so many deadlines that are due in the next year, and a hundred that are due."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("TRUNCATE deadlines")
        await connection.execute(
            "INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, is_test_clock)"
            " SELECT t.id, uuidv7(), 'ticket.sla_breach', uuidv7(), 1, at, at, false"
            " FROM (SELECT id FROM tenants LIMIT 1) t, generate_series(1, $1::int) n,"
            " LATERAL (SELECT now() + CASE WHEN n <= $2 THEN interval '-1 minute'"
            " ELSE interval '1 day' + n * interval '30 seconds' END AS at) _",
            number,
            DUE,
        )
        await connection.execute("VACUUM (ANALYZE) deadlines")
    finally:
        await connection.close()
