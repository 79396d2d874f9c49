"""Two thousand quiet streams cost one process little memory, hear what happens, and are sent home when it ends."""

import asyncio
import resource
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.factories import create
from tests.guarantees.plant import API, Plant
from tests.guarantees.report import tell
from tests.stage import Client
from tests.streams import PATH

STREAMS = 2_000
WARM_UP = 100
MOST_BYTES_EACH = 50_000
AT_ONCE = 20
PATIENCE = 120


class Reader:
    """One stream over a socket of its own."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @classmethod
    async def open(cls, client: Client, room: asyncio.Semaphore, connections: AsyncExitStack) -> "Reader":
        """Connect, ask, and wait until the stream is ready."""
        address = urlsplit(str(client.base_url))
        async with room:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            connections.callback(writer.close)
            head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n\r\n"
            writer.write(head.encode())
            stream = cls(reader)
            await stream.until(b"event: ready")
            return stream

    async def until(self, wanted: bytes) -> None:
        """Read up to a text, and to the end of its message."""
        try:
            await self._reader.readuntil(wanted)
            await self._reader.readuntil(b"\n\n")
        except asyncio.IncompleteReadError as error:
            raise AssertionError(error.partial) from error

    async def end(self) -> bytes:
        """Read to the end of the answer."""
        return await self._reader.read()


def memory_of(api: API) -> int:
    """Give the resident memory of a process in bytes."""
    for line in Path(f"/proc/{api.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise AssertionError("a process without memory")


async def stream_to_all(api: API, client: Client) -> tuple[int, int]:
    """Open all streams, have something happen, end the process; gives the memory of one, and how many were told."""
    async with AsyncExitStack() as connections:
        return await _streamed(api, client, connections)


async def _streamed(api: API, client: Client, connections: AsyncExitStack) -> tuple[int, int]:
    room = asyncio.Semaphore(AT_ONCE)
    warm = [await Reader.open(client, room, connections) for _ in range(WARM_UP)]
    before = memory_of(api)
    streams = await asyncio.gather(*(Reader.open(client, room, connections) for _ in range(STREAMS)))
    each = (memory_of(api) - before) // STREAMS

    await asyncio.to_thread(create, client, "teams", name="Dispatch")
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(stream.until(b'"type":"team.created"') for stream in (*warm, *streams)))

    api.ask_to_stop()
    async with asyncio.timeout(PATIENCE):
        endings = await asyncio.gather(*(stream.end() for stream in (*warm, *streams)))
    return each, sum(b'event: end\ndata: {"code": "shutting_down"' in ending for ending in endings)


def test_two_thousand_quiet_streams_fit_into_one_process(plant: Plant) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    most = str(STREAMS + WARM_UP)
    with (
        plant.api(HELPDESK_STREAMS_OF_CALLER=most, HELPDESK_STREAMS_OF_TENANT=most) as api,
        plant.client(api) as client,
    ):
        each, sent_home = asyncio.run(stream_to_all(api, client))
        code = api.wait()

        tell("two_thousand_streams", n=STREAMS, faults=0, lost=STREAMS + WARM_UP - sent_home, dup=0, bytes_each=each)
        assert each <= MOST_BYTES_EACH
        assert sent_home == STREAMS + WARM_UP
        assert (code, api.defects) == (0, [])
