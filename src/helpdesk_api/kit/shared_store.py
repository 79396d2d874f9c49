"""Valkey as a memory that all processes share, for as long as it answers.

What is kept here may be lost, and whoever keeps it can count alone meanwhile. The first failure trips a breaker: from
then on nothing is asked, and Valkey is tried again only by a task in the background, so that no request waits for a
server that does not answer.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

log = structlog.get_logger()

_PATIENCE_SECONDS = 0.25
_PROBE_SECONDS = 1.0
_CONNECTIONS = 8
_FAILURES = (RedisError, OSError, TimeoutError)


class SharedStore:
    """Scripts in Valkey while it answers within `patience_seconds`. Close it to end its connections."""

    def __init__(self, redis_url: str | None, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._redis: Redis | None = (
            None if redis_url is None else Redis(connection_pool=_pool(redis_url, patience_seconds))
        )
        self._scripts: dict[str, AsyncScript] = {}
        self._recovering: asyncio.Task[None] | None = None

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes are asked along with this one."""
        return self._redis is not None and self._recovering is None

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Run a script atomically and give its answer; None while Valkey is away, so no script may answer with nil."""
        if self._redis is None or not self.is_shared:
            return None
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._redis.register_script(script)
        try:
            return await known(keys=keys, args=arguments)
        except _FAILURES as error:
            self._trip(error)
            return None

    async def close(self) -> None:
        """End what runs in the background, and the connections."""
        if self._recovering is not None:
            self._recovering.cancel()
            with suppress(asyncio.CancelledError):
                await self._recovering
        if self._redis is not None:
            with suppress(*_FAILURES):
                await self._redis.aclose(close_connection_pool=True)

    def _trip(self, error: BaseException) -> None:
        if self._recovering is None:
            log.warning("valkey.away", error=type(error).__name__)
            self._recovering = asyncio.create_task(self._recover(), name="waiting for Valkey")

    async def _recover(self) -> None:
        redis = cast("Any", self._redis)
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            with suppress(*_FAILURES):
                await redis.ping()
                break
        self._recovering = None
        log.info("valkey.back")


def _pool(redis_url: str, patience_seconds: float) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        redis_url,
        max_connections=_CONNECTIONS,
        timeout=patience_seconds,
        socket_timeout=patience_seconds,
        socket_connect_timeout=patience_seconds,
    )
