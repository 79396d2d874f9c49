"""How soon a message is on its way: from the beginning of a write to its first attempt, as the receiver sees it.

The event tells when its unit of work began, which is before the commit, so what is measured here is never too little.
Once with one endpoint and 50 events a second, with Valkey and without; and once with 200 endpoints of ten tenants, in
two databases that differ in one thing: in the other, half of the receivers take every message and answer none.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from bench.load import HEADERS_END, LENGTH, ask, request
from bench.stage import PATIENCE_SECONDS, POLL_SECONDS, Stage
from helpdesk_api.identity.tenants import create_tenant
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.opening import open_runtime
from helpdesk_api.ops import tenants_admin
from helpdesk_api.settings import load_settings

TENANTS, ENDPOINTS = 10, 20
ROUNDS = 3
# No Valkey listens there.
AWAY = {"HELPDESK_REDIS_URL": "redis://127.0.0.1:9/0"}
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many events happen in a second, and for how long."""

    per_second: int
    seconds: int


STEADY, GENTLE = Pace(50, 10), Pace(4, 8)


@dataclass
class Receiver:
    """Notes how old messages are when they come; those to some paths are taken and never answered."""

    hanging: set[bytes] = field(default_factory=set)
    ages: list[float] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the messages of one connection."""
        try:
            while True:
                head = await reader.readuntil(HEADERS_END)
                begin = head.lower().index(LENGTH) + len(LENGTH)
                body = await reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
                is_ping = b'"webhook_endpoint.ping"' in body
                if head.split(b" ", 2)[1] in self.hanging and not is_ping:
                    await reader.read()
                    return
                if not is_ping:
                    at = datetime.fromisoformat(json.loads(body)["timestamp"])
                    self.ages.append((datetime.now(UTC) - at).total_seconds())
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # The sender has gone, or the measure is over.
            return
        finally:
            writer.close()


async def first_attempts(stage: Stage, database: str, **changes: str) -> float:
    """Give the 99th percentile of the seconds until the first attempt, at 50 events a second."""
    async with _receiving() as receiver:
        with stage.product(database, **changes) as product, stage.worker(database, **changes):
            keys = await _furnish(stage, database, product.port, receiver, tenants=1, endpoints=1)
            return await _paced(product.port, keys, receiver, STEADY, each=1)


async def others_while_half_hang(stage: Stage, calm: str, hanging: str) -> tuple[float, float, float]:
    """Give the medians of the 99th percentiles with half of the receivers hanging and with none, and of the ratios."""
    async with _receiving() as quiet, _receiving() as stuck:
        with (
            stage.product(calm) as first,
            stage.worker(calm),
            stage.product(hanging) as second,
            stage.worker(hanging),
        ):
            sides = []
            for product, database, receiver in ((first, calm, quiet), (second, hanging, stuck)):
                keys = await _furnish(stage, database, product.port, receiver, tenants=TENANTS, endpoints=ENDPOINTS)
                sides.append((product.port, keys, receiver))
            stuck.hanging = {f"/{number}".encode() for number in range(1, TENANTS * ENDPOINTS, 2)}
            # Let those that hang fill their lanes before anything is measured.
            await _paced(*sides[1], GENTLE, each=ENDPOINTS // 2)
            pairs = []
            for _ in range(ROUNDS):
                alone = await _paced(*sides[0], GENTLE, each=ENDPOINTS)
                pairs.append((await _paced(*sides[1], GENTLE, each=ENDPOINTS // 2), alone))
    ratio = statistics.median(beside / alone for beside, alone in pairs)
    return statistics.median(beside for beside, _ in pairs), statistics.median(alone for _, alone in pairs), ratio


async def _paced(port: int, keys: Sequence[str], receiver: Receiver, pace: Pace, *, each: int) -> float:
    """Have something happen at a pace, wait until all of it has arrived, and give the 99th percentile of its age."""
    receiver.ages.clear()
    count, began = pace.per_second * pace.seconds, time.perf_counter()
    writes = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / pace.per_second - time.perf_counter()))
        body = {"name": f"Team {time.perf_counter_ns()}"}
        message = request("POST", "/v1/teams", f"Bearer {keys[number % len(keys)]}", body)
        writes.append(asyncio.create_task(ask(port, message)))
    await asyncio.gather(*writes)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(receiver.ages) < count * each:  # noqa: ASYNC110 - the receiver counts, and tells nobody.
            await asyncio.sleep(POLL_SECONDS)
    return statistics.quantiles(receiver.ages, n=100)[98]


async def _furnish(
    stage: Stage, database: str, port: int, receiver: Receiver, *, tenants: int, endpoints: int
) -> list[str]:
    """Make tenants with verified endpoints, each at a path of its own; gives their keys."""
    names = {name: value for name, value in stage.environment(database).items() if name.startswith("HELPDESK_")}
    keys = []
    async with open_runtime(load_settings(names), SilentBell(), Metrics(), name="bench") as runtime:
        for number in range(tenants):
            await create_tenant(runtime.db, f"Prompt {number}")
            _, key = await tenants_admin.create_key(
                runtime, f"Prompt {number}", name="bench", scopes=tenants_admin.EVERYTHING
            )
            keys.append(key)
    for place in range(tenants * endpoints):
        url = f"http://127.0.0.1:{receiver.port}/{place}"
        endpoint = {"url": url, "event_types": ["team.*"]}
        made = await ask(port, request("POST", "/v1/webhook-endpoints", f"Bearer {keys[place // endpoints]}", endpoint))
        assert "id" in made, made
    superuser = await asyncpg.connect(stage.superuser_url(database))
    waiting = "SELECT count(*) FROM webhook_endpoints WHERE url LIKE '%:' || $1 || '/%' AND verified_at IS NULL"
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await superuser.fetchval(waiting, str(receiver.port)):  # noqa: ASYNC110 - only the database knows.
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await superuser.close()
    return keys


@asynccontextmanager
async def _receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1_000)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
