"""The doorbell: tells workers that something is due, so that they need not wait for their next sweep.

It is arq's whole part in this system. A ring carries nothing but a time: what is due stands in PostgreSQL. Rings of
one second collapse into one arq job, sending them never delays a request, and a ring that is lost costs promptness,
never work.
"""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Protocol

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError

log = structlog.get_logger()

RING = "ring"
QUEUE = "helpdesk:doorbell"
# A ring further ahead than this is left to the sweep: it would only fill Redis.
_HORIZON = timedelta(days=1)
_PAUSE_AFTER_ERROR = 1.0
# Rings of a busy process are gathered for so long: sending each cost a tenth of a request that rings.
_GATHERING_SECONDS = 0.02


class Bell(Protocol):
    """Whatever can be told that work becomes due at certain times."""

    def ring(self, due: Iterable[datetime]) -> None:
        """Announce work that becomes due at these instants; the past means now."""

    async def run(self) -> None:
        """Carry rings until cancelled."""


class SilentBell:
    """A bell nobody hears, for commands that leave the work to the next sweep."""

    def ring(self, due: Iterable[datetime]) -> None:
        """Do nothing on purpose: the sweep finds what was stored."""

    async def run(self) -> None:
        """Have nothing to send."""


class LocalBell:
    """A bell inside a worker: wakes the loops of this very process."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listener(self) -> asyncio.Event:
        """Give an event that is set by every ring."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def ring(self, due: Iterable[datetime] = ()) -> None:
        """Wake all loops now; what lies ahead is found by their own sweep."""
        del due
        for event in self._listeners:
            event.set()

    async def run(self) -> None:
        """Have nothing to send: listeners are in this process."""


class RedisBell:
    """A bell over arq. `run` must be running for rings to leave the process."""

    def __init__(self, redis_url: str) -> None:
        self._settings = redis_settings(redis_url)
        self._wanted: set[int] = set()
        self._pending = asyncio.Event()

    def ring(self, due: Iterable[datetime]) -> None:
        """Note the times; returns at once."""
        now = datetime.now(UTC)
        self._wanted.update(ceil(at.timestamp()) if at > now else 0 for at in due if at - now < _HORIZON)
        if self._wanted:
            self._pending.set()

    async def run(self) -> None:
        """Send rings until cancelled; while Redis is away rings are dropped."""
        redis: ArqRedis | None = None
        try:
            while True:
                await self._pending.wait()
                self._pending.clear()
                times, self._wanted = self._wanted, set()
                try:
                    redis = redis or await connect(self._settings)
                    for at in sorted(times):
                        await _send(redis, at)
                    await asyncio.sleep(_GATHERING_SECONDS)
                except (RedisError, OSError, TimeoutError) as error:
                    log.warning("doorbell.unheard", error=type(error).__name__)
                    await asyncio.sleep(_PAUSE_AFTER_ERROR)
        finally:
            if redis is not None:
                with suppress(RedisError, OSError):
                    await redis.aclose()


async def _send(redis: ArqRedis, at: int) -> None:
    # One job id per second: rings for the same instant are one ring, and arq refuses the repetition by itself.
    when = datetime.fromtimestamp(at, UTC) if at else None
    await redis.enqueue_job(RING, _job_id=f"{RING}:{at}", _queue_name=QUEUE, _defer_until=when)


def redis_settings(url: str) -> RedisSettings:
    """Read the address of Redis or Valkey, with patience for a second, not for minutes."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_retries = 0
    settings.conn_timeout = 1
    return settings


async def connect(settings: RedisSettings) -> ArqRedis:
    """Connect to Redis for sending rings."""
    return await create_pool(settings, job_serializer=serialize, job_deserializer=json.loads)


def serialize(value: dict[str, Any]) -> bytes:
    """Write a ring as JSON: arq's own default is pickle, which executes what it reads.

    Of a ring that a flush took from under it arq also writes the exception, for nobody to read: it goes in as text.
    """
    return json.dumps(value, default=str).encode()
