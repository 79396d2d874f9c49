"""How rings are written for Redis, and what becomes of those that are under way when it goes."""

import asyncio
import gc
import json
from typing import Any

import pytest
from arq.worker import JobExecutionFailed
from redis.exceptions import ConnectionError as LostConnectionError

from helpdesk_api import worker
from helpdesk_api.kit.doorbell import LocalBell, serialize
from tests.stage import Services


def test_the_exception_of_a_ring_whose_data_was_flushed_is_written_as_text() -> None:
    assert json.loads(serialize({"s": False, "r": JobExecutionFailed("job expired")})) == {
        "s": False,
        "r": "job expired",
    }


async def test_a_ring_that_fails_because_redis_went_is_no_defect(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arq asks a ring how it ended when it looks for the next; when it cannot look, nobody would ask."""

    class BrokenOff:
        def __init__(self, **_: object) -> None:
            self.tasks: dict[str, asyncio.Task[None]] = {}

        async def async_run(self) -> None:
            self.tasks["ring"] = asyncio.create_task(lose())
            await asyncio.sleep(0)
            raise LostConnectionError

    async def lose() -> None:
        raise LostConnectionError

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    monkeypatch.setattr(worker, "Worker", BrokenOff)
    bell = LocalBell()
    heard = bell.listener()

    listening = asyncio.create_task(worker._listen(services.settings(), bell))
    await asyncio.wait_for(heard.wait(), timeout=10)
    listening.cancel()
    await asyncio.wait([listening])
    del listening
    gc.collect()

    assert complaints == []
