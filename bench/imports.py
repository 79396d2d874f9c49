"""Rows per second of one worker that imports a file of new companies, and the most memory that it needs for it.

The file is uploaded and asked for before the worker starts, so that the clock runs from the first batch to the end of
the import: reading, checking, writing cards, references and events.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from bench.data import Account
from bench.load import ask, request
from bench.stage import POLL_SECONDS, Process, Stage

ROWS = 20_000
BUDGET_PER_SECOND = 2_000
_ALL_SECONDS = 120
_HEAD = "external_id,name,domains,category,notes\n"
_DONE = "SELECT created_count, state FROM imports"


async def rate(stage: Stage, database: str, account: Account) -> tuple[float, float]:
    """Give the rows per second, and the most memory that the worker held, in MiB."""
    rows = "".join(f"{number},Client {number},c{number}.example,VIP,Rings twice.\n" for number in range(ROWS))
    content = (_HEAD + rows).encode()
    with stage.product(database) as product:
        head = request("POST", "/v1/files?name=clients.csv", account.authorization).removesuffix(b"\r\n")
        file = await ask(product.port, head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        body = {"file_id": file["id"], "resource": "companies", "format": "csv", "source": "crm", "match_on": "domain"}
        asked = await ask(product.port, request("POST", "/v1/imports", account.authorization, body))
        assert "id" in asked, asked
    connection = await asyncpg.connect(stage.superuser_url(database))
    try:
        with stage.worker(database) as worker:
            async with asyncio.timeout(_ALL_SECONDS):
                first = await _until(connection, lambda row: row["created_count"] > 0)
                began = time.perf_counter()
                last = await _until(connection, lambda row: row["state"] != "running")
                took = time.perf_counter() - began
                return (last["created_count"] - first["created_count"]) / took, _most_memory(worker)
    finally:
        await connection.close()


async def _until(connection: Any, holds: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - asyncpg is not typed.
    """Look at the import until something holds of it; gives what was seen."""
    while not holds(row := await connection.fetchrow(_DONE)):  # noqa: ASYNC110 - nothing else tells what a row says.
        await asyncio.sleep(POLL_SECONDS)
    return row


def _most_memory(worker: Process) -> float:
    status = Path(f"/proc/{worker.process.pid}/status")
    if not status.exists():
        return 0.0
    (line,) = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1_024
