"""Faults on purpose while a replay runs: the worker is killed without warning, Valkey forgets everything.

Each fault waits for a row of the log chosen at random. A kill hits a worker at its work: the supervisor has started
another since the last kill, and that one has delivered something.
"""

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import Final

from redis.asyncio import Redis

from helpdesk_api.ops.replay_receiver import Receiver
from helpdesk_api.ops.supervisor import Supervisor

KILLS: Final = 10
FLUSHES: Final = 2
# What one worker may have sent without having noted it: two calls of 32 deliveries each for one receiver.
DUPLICATES_PER_KILL: Final = 64
_POLL_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 2.0


@dataclass(slots=True)
class Progress:
    """How many rows were played, and how many webhooks have arrived."""

    receiver: Receiver
    rows: int = 0

    @property
    def deliveries(self) -> int:
        return self.receiver.delivery_count


@dataclass(slots=True)
class Faults:
    """What has been done so far."""

    kills: int = 0
    flushes: int = 0


async def cause(
    faults: Faults, supervisor: Supervisor, redis_url: str, progress: Progress, *, rows: int, seed: int
) -> None:
    """Cause every fault at its row; ends when all are done."""
    chance = random.Random(seed)  # noqa: S311 - a seed makes a run repeatable.
    moments = sorted(chance.choices(range(1, rows + 1), k=KILLS))
    flushes = sorted(chance.choices(range(1, rows + 1), k=FLUSHES))
    await asyncio.gather(
        _kill(faults, supervisor, progress, moments, rows), _flush(faults, redis_url, progress, flushes)
    )


async def _kill(faults: Faults, supervisor: Supervisor, progress: Progress, moments: Sequence[int], rows: int) -> None:
    killed_pid, seen = 0, 0
    for moment in moments:
        await _reached(progress, moment)
        while supervisor.pids["worker"] == killed_pid:  # noqa: ASYNC110 - a restart is told by nothing else.
            await asyncio.sleep(_POLL_SECONDS)
        waited_seconds = 0.0
        while progress.deliveries <= seen and waited_seconds < _LONGEST_WAIT_SECONDS:
            await asyncio.sleep(_POLL_SECONDS)
            # While rows are played there is something to deliver; afterwards there may be nothing left.
            waited_seconds += _POLL_SECONDS if progress.rows >= rows else 0
        killed_pid, seen = supervisor.pids["worker"], progress.deliveries
        with suppress(ProcessLookupError):
            os.kill(killed_pid, SIGKILL)
            faults.kills += 1


async def _flush(faults: Faults, redis_url: str, progress: Progress, moments: Sequence[int]) -> None:
    for moment in moments:
        await _reached(progress, moment)
        redis = Redis.from_url(redis_url)
        try:
            await redis.flushall()
        finally:
            await redis.aclose()
        faults.flushes += 1


async def _reached(progress: Progress, moment: int) -> None:
    while progress.rows < moment:  # noqa: ASYNC110 - rows are counted far too often to announce each.
        await asyncio.sleep(_POLL_SECONDS)
