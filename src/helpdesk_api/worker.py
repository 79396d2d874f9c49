"""The worker process: runs what is due, and hears the bell through arq.

arq may end when Redis goes away; the loops of `kit.runner` do not need it, so it is simply started again after a pause.
"""

import asyncio
import json
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from arq import Worker, func
from redis.exceptions import RedisError

from helpdesk_api.kit import logs
from helpdesk_api.kit.doorbell import QUEUE, RING, LocalBell, connect, redis_settings, serialize
from helpdesk_api.kit.heartbeat import Heartbeat, heartbeat
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runner import Runner
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import Settings

log = structlog.get_logger(__name__)

_ARQ_RESTART_SECONDS = 1.0
_HEARTBEAT_SECONDS = 1.0


async def work(settings: Settings, *, stopping: asyncio.Event, beating: Heartbeat | None = None) -> None:
    """Run what is due until `stopping` is set, then finish what was claimed; each look for work is a heartbeat."""
    bell = LocalBell()
    async with open_runtime(settings, bell, Metrics(), name="helpdesk-worker") as runtime:
        runner = Runner(runtime, bell, sweep_seconds=settings.sweep_seconds)
        helping = [asyncio.create_task(_listen(settings, bell))]
        if beating is not None:
            helping.append(asyncio.create_task(_beat(beating, runner, _patience(settings))))
        running = asyncio.create_task(runner.run())
        waiting = asyncio.create_task(stopping.wait())
        log.info("worker.started")
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        runner.stop()
        waiting.cancel()
        await running
        for task in helping:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        log.info("worker.stopped")


async def _beat(beating: Heartbeat, runner: Runner, patience: timedelta) -> None:
    while True:
        if runner.swept_at is not None:
            beating.works_until(runner.swept_at + patience)
        await asyncio.sleep(_HEARTBEAT_SECONDS)


def _patience(settings: Settings) -> timedelta:
    """Give how long a worker may go without looking for work: a busy one looks less often than it means to."""
    return timedelta(seconds=30 + 5 * settings.sweep_seconds)


async def _listen(settings: Settings, bell: LocalBell) -> None:
    if settings.redis_url is None:
        return

    async def ring(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - arq's own signature.
        del ctx, args, kwargs
        bell.ring()

    address = redis_settings(settings.redis_url.get_secret_value())
    while True:
        try:
            redis = await connect(address)
            try:
                listener = Worker(
                    functions=[func(ring, name=RING, keep_result=0, max_tries=1)],
                    queue_name=QUEUE,
                    redis_pool=redis,
                    handle_signals=False,
                    poll_delay=0.1,
                    job_timeout=5,
                    log_results=False,
                    job_serializer=serialize,
                    job_deserializer=json.loads,
                )
                try:
                    await listener.async_run()
                finally:
                    # Not Worker.close(): it would wait for rings that nobody needs any more.
                    for ringing in listener.tasks.values():
                        ringing.add_done_callback(_leave)
            finally:
                await redis.aclose()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("doorbell.unheard", error=type(error).__name__)
        # Work that was announced meanwhile is found by looking.
        bell.ring()
        await asyncio.sleep(_ARQ_RESTART_SECONDS)


def _leave(ringing: "asyncio.Task[Any]") -> None:
    """Take note of how a ring ended that arq no longer asks for: Redis went away in the middle of it."""
    if not ringing.cancelled():
        ringing.exception()


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; what was claimed is finished."""
    logs.configure(settings.log_level, json=settings.log_format == "json")

    async def until_signalled() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        with heartbeat(datetime.now(UTC) + _patience(settings)) as beating:
            await work(settings, stopping=stopping, beating=beating)

    asyncio.run(until_signalled())
