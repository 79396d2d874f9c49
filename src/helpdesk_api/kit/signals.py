"""Signals: what processes tell each other at once and nobody keeps, over publish and subscribe of Valkey.

Two things are told: that a tenant has new events, and messages that are worth something only now. Both are best effort.
A signal that is lost costs promptness, never an event: who listens also looks by itself (`kit.live`). New events are
gathered for a moment, so that a busy process sends one message for many commits, and are heard in the process itself
without Valkey.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

_CHANNEL = "helpdesk:signals"
_GATHERING_SECONDS = 0.02
_PAUSE_AFTER_ERROR = 1.0
_PATIENCE_SECONDS = 1.0
# A subscription asks so often whether its connection still lives.
_QUIET_SECONDS = 5.0
_MOST_WAITING = 1_000
_FAILURES = (RedisError, OSError, TimeoutError)

Message = Mapping[str, Any]
# Hears of a tenant, or of None when anything may have been missed; with a message, or None for new events.
Hearer = Callable[[UUID | None, Message | None], None]


class Signals:
    """The signals of one process. `run` must be running for them to leave it."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis: Redis | None = None
        if redis_url is not None:
            self._redis = Redis.from_url(
                redis_url, socket_connect_timeout=_PATIENCE_SECONDS, health_check_interval=int(_QUIET_SECONDS)
            )
        self._hear: Hearer | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._changed: set[UUID] = set()
        self._messages: list[tuple[UUID, Message]] = []
        self._waiting = asyncio.Event()
        self.is_heard = False

    def announce(self, tenant_id: UUID) -> None:
        """Tell everybody that a tenant has new events; returns at once."""
        if self._hear is not None:
            self._hear(tenant_id, None)
        self._changed.add(tenant_id)
        self._waiting.set()

    def publish(self, tenant_id: UUID, message: Message) -> None:
        """Tell everybody something of a tenant that is not kept; returns at once. Without Valkey nobody hears it."""
        if len(self._messages) < _MOST_WAITING:
            self._messages.append((tenant_id, message))
        self._waiting.set()

    def listen(self, hear: Hearer) -> None:
        """Have signals told from now on; a process listens only once."""
        self._hear = hear
        if self._redis is not None:
            self._hearing = asyncio.create_task(self._keep_hearing(self._redis, hear), name="signals: hearing")

    async def run(self) -> None:
        """Send signals until cancelled; while Valkey is away they are dropped."""
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            changed, self._changed = self._changed, set()
            messages, self._messages = self._messages, []
            if self._redis is None:
                continue
            told = {"changed": [tenant.hex for tenant in changed], "said": [(of.hex, said) for of, said in messages]}
            try:
                await self._redis.publish(_CHANNEL, json.dumps(told, default=str))
                await asyncio.sleep(_GATHERING_SECONDS)
            except _FAILURES as error:
                log.warning("signals.unheard", error=type(error).__name__)
                await asyncio.sleep(_PAUSE_AFTER_ERROR)

    async def close(self) -> None:
        """Stop hearing, and end the connections."""
        if self._hearing is not None:
            self._hearing.cancel()
            with suppress(asyncio.CancelledError):
                await self._hearing
        if self._redis is not None:
            with suppress(*_FAILURES):
                await self._redis.aclose(close_connection_pool=True)

    async def _keep_hearing(self, redis: Redis, hear: Hearer) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(_CHANNEL)
                    self.is_heard = True
                    # What was told before goes unheard.
                    hear(None, None)
                    while True:
                        message = await channel.get_message(timeout=_QUIET_SECONDS)
                        if message is not None:
                            _hand_on(message["data"], hear)
            except _FAILURES as error:
                log.warning("signals.deaf", error=type(error).__name__)
            finally:
                self.is_heard = False
            await asyncio.sleep(_PAUSE_AFTER_ERROR)


def _hand_on(data: bytes, hear: Hearer) -> None:
    told = json.loads(data)
    for tenant in told["changed"]:
        hear(UUID(tenant), None)
    for tenant, message in told["said"]:
        hear(UUID(tenant), message)


@asynccontextmanager
async def open_signals(redis_url: str | None) -> AsyncIterator[Signals]:
    """Open the signals of a process and close them again."""
    signals = Signals(redis_url)
    sending = asyncio.create_task(signals.run(), name="signals: sending")
    try:
        yield signals
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        await signals.close()
