"""Deliveries per second of one worker against a bare httpx2 loop that posts the same bodies to the same receiver.

The worker finds its deliveries queued, as after an outage: it claims, loads, signs, checks the address, posts, and
records each attempt. The loop only posts. Both run on the core of the servers; the receiver, in this process, runs on
another and tells when the first and the last message arrived.
"""

import asyncio
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from bench import data
from bench.data import Account
from bench.load import HEADERS_END, LENGTH, ask, request
from bench.stage import PATIENCE_SECONDS, POLL_SECONDS, Stage
from helpdesk_api.kit.doorbell import LocalBell, SilentBell
from helpdesk_api.kit.events import DISPATCH
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runner import Runner
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from helpdesk_api.wiring import JOBS

ROUNDS = 3
MESSAGES = 600
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Receiver:
    """Takes posts and notes when they came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._times: list[float] = []
        self._expected = 0
        self._complete = asyncio.Event()

    def expect(self, count: int) -> None:
        """Forget what came and wait for a number of messages."""
        self.bodies, self._times, self._expected = [], [], count
        self._complete.clear()

    async def rate(self) -> float:
        """Give the messages per second between the first and the last of those expected."""
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            await self._complete.wait()
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    def take(self, body: bytes) -> None:
        """Note a message; a ping is none, but has to be answered before there are any."""
        if b'"webhook_endpoint.ping"' in body:
            return
        self.bodies.append(body)
        self._times.append(time.perf_counter())
        if len(self._times) == self._expected:
            self._complete.set()


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEADERS_END)
        if end < 0:
            return
        head = self._received[:end].lower() + b"\r\n"
        begin = head.index(LENGTH) + len(LENGTH)
        whole = end + len(HEADERS_END) + int(head[begin : head.index(b"\r\n", begin)])
        if len(self._received) >= whole:
            self._receiver.take(self._received[end + len(HEADERS_END) : whole])
            self._received = self._received[whole:]
            self._transport.write(_ANSWER)


async def compare(stage: Stage, database: str, account: Account) -> tuple[float, float, float]:
    """Give the median rates of worker and loop, and the median of their ratios."""
    receiver = Receiver()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(receiver), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ours: list[float] = []
    theirs: list[float] = []
    with stage.product(database) as product, TemporaryDirectory() as directory:
        bodies = Path(directory) / "bodies.json"
        endpoint = {"url": f"http://127.0.0.1:{port}/hooks", "event_types": ["ticket.created"]}
        made = await ask(product.port, request("POST", "/v1/webhook-endpoints", account.authorization, endpoint))
        assert "id" in made, made
        for _ in range(ROUNDS):
            await data.add_tickets(product.port, account, MESSAGES)
            await _dispatch(stage.environment(database), stage.superuser_url(database))
            receiver.expect(MESSAGES)
            with stage.worker(database):
                ours.append(await receiver.rate())
            bodies.write_text(json.dumps([body.decode() for body in receiver.bodies]), encoding="utf-8")
            receiver.expect(MESSAGES)
            with stage.script("bench.bare_loop", str(port), str(bodies)):
                theirs.append(await receiver.rate())
    server.close()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return statistics.median(ours), statistics.median(theirs), ratio


async def _dispatch(environment: dict[str, str], superuser_url: str) -> None:
    """Turn every event into deliveries, so that the worker under measure has nothing to do but to deliver."""
    names = {name: value for name, value in environment.items() if name.startswith("HELPDESK_")}
    async with open_runtime(load_settings(names), SilentBell(), Metrics(), name="bench") as runtime:
        dispatching = replace(runtime, job_kinds={DISPATCH: JOBS[DISPATCH]})
        runner = Runner(dispatching, LocalBell(), sweep_seconds=0.1)
        superuser = await asyncpg.connect(superuser_url)
        running = asyncio.create_task(runner.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Rows that another process deletes tell it by nothing else.
                while await superuser.fetchval("SELECT count(*) FROM jobs WHERE kind = $1", DISPATCH):  # noqa: ASYNC110 - nothing tells when a table is empty.
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            runner.stop()
            await running
            await superuser.close()
