"""`helpdesk replay`: a real help-desk history, played through the public API by a client, and checked afterwards.

This module holds the frame: which API, which cases, receiving webhooks until none is missing, and the report. The log
is read by `replay_log`, its meaning is `replay_plan`, playing is `replay_play`, comparing `replay_check`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from helpdesk_api.ops import replay_faults, replay_report
from helpdesk_api.ops.replay_check import compare, read_back
from helpdesk_api.ops.replay_client import Client, instant_text, open_client
from helpdesk_api.ops.replay_log import Log, LogError, read_log
from helpdesk_api.ops.replay_plan import Step, plan_case
from helpdesk_api.ops.replay_play import Player, prepare
from helpdesk_api.ops.replay_receiver import Receiver, listening
from helpdesk_api.ops.replay_report import DeliveryReport, Report
from helpdesk_api.ops.replay_stage import Databases, Target, databases, new_supervisor, product
from helpdesk_api.ops.replay_terms import Terms
from helpdesk_api.ops.supervisor import Supervisor

_DAY: Final = timedelta(days=1)
_POLL_SECONDS: Final = 0.2
# A killed worker's leases end after 30 seconds; nothing new for three times as long is not a delay any more.
_PATIENCE_SECONDS: Final = 90.0
# Where no bar can be drawn, a line tells how far it is.
_PERCENT_BETWEEN_LINES: Final = 5


class ReplayError(Exception):
    """The replay cannot be run like this; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to replay."""

    path: Path
    target: Target | None = None
    limit_cases: int | None = None
    concurrency: int = 8
    with_faults: bool = False
    seed: int | None = None
    keep: bool = False
    terms: Terms = Terms.PRIORITIES


@dataclass(slots=True)
class _Run:
    """What the parts of one run share."""

    options: Options
    log: Log
    cases: tuple[tuple[Step, ...], ...]
    console: Console
    progress: replay_faults.Progress
    faults: replay_faults.Faults

    @property
    def rows(self) -> int:
        return sum(len(steps) for steps in self.cases)


def replay(options: Options, console: Console) -> Report:
    """Replay a log and report; raises ReplayError, LogError, APIError, or what starting the product raises."""
    log = read_log(options.path)
    cases = tuple(plan_case(rows) for rows in log.cases[: options.limit_cases])
    if not cases:
        raise LogError(f"{options.path} has no row that can be played")
    run = _Run(options, log, cases, console, replay_faults.Progress(Receiver()), replay_faults.Faults())
    if options.target is not None:
        if options.with_faults or options.keep:
            raise ReplayError("faults, and keeping the product, need the product that the replay starts by itself")
        return asyncio.run(_against(run, options.target))
    with console.status("Starting PostgreSQL and Valkey"), databases() as stores:
        return asyncio.run(_on_own_product(run, stores))


async def _on_own_product(run: _Run, stores: Databases) -> Report:
    supervisor = new_supervisor(lambda text: run.console.print(text, style="dim"))
    async with supervisor.stopping_on_signals():
        return await supervisor.unless_stopped(_with_product(run, stores, supervisor))


async def _with_product(run: _Run, stores: Databases, supervisor: Supervisor) -> Report:
    starts_at = min(steps[0].row.at for steps in run.cases) - _DAY
    async with AsyncExitStack() as parts:
        target = await parts.enter_async_context(product(stores, supervisor, clock_at=starts_at))
        causing: asyncio.Task[None] | None = None
        if run.options.with_faults:
            seed = run.options.seed if run.options.seed is not None else int(token_hex(4), 16)
            run.console.print(f"Faults at rows chosen by --seed {seed}.")
            causing = asyncio.create_task(
                replay_faults.cause(run.faults, supervisor, stores.redis_url, run.progress, rows=run.rows, seed=seed)
            )
        report = await _against(run, target, causing)
        if run.options.keep:
            replay_report.show(report, run.console)
            run.console.print(f"It still runs at {target.url}, docs at {target.url}/docs; the key is {target.key}")
            run.console.print("Ctrl-C ends it, and nothing is kept.")
            await supervisor.wait()
        return report


async def _against(run: _Run, target: Target, causing: asyncio.Task[None] | None = None) -> Report:
    concurrency, receiver = run.options.concurrency, run.progress.receiver
    async with (
        listening(receiver),
        open_client(target.url, target.key, run=token_hex(8), concurrency=concurrency) as client,
    ):
        await _check_tenant(client, run)
        _, begin = await client.events(None, kind="read feed")
        endpoint = await client.post(
            "/v1/webhook-endpoints",
            {"url": receiver.url, "description": "Receiver of the replay"},
            key="endpoint",
            kind="create agreement",
        )
        receiver.trust(endpoint["secret"])
        await prepare(client, run.options.terms)
        started_at = time.monotonic()
        await _play(run, client)
        play_seconds = time.monotonic() - started_at
        play_requests = sum(len(found) for found in client.timings.seconds.values())
        if causing is not None:
            await causing
        with run.console.status("Waiting for the last webhooks"):
            events = await _receive_all(client, receiver, begin, endpoint["id"])
        caught_up_seconds = time.monotonic() - started_at - play_seconds
        with run.console.status("Comparing every ticket with the log"):
            told = await read_back(client, events, concurrency=concurrency)
            mismatches = compare(run.cases, told, run.options.terms)
        policies = {item["id"]: item["name"] async for item in client.every("/v1/sla-policies", kind="list")}
        await client.delete(f"/v1/webhook-endpoints/{endpoint['id']}", kind="remove endpoint")
        return Report(
            cases=len(run.cases),
            rows=run.rows,
            skipped=run.log.skipped,
            tickets=len(told.tickets),
            event_types=dict(Counter(event["type"] for event in events)),
            promises=replay_report.promises(told.tickets.values(), policies),
            deliveries=_deliveries(run, events, caught_up_seconds),
            requests=replay_report.requests(client.timings),
            retried=dict(client.timings.retried),
            play_seconds=round(play_seconds, 1),
            requests_per_second=round(play_requests / play_seconds, 1),
            worker_kills=run.faults.kills,
            valkey_flushes=run.faults.flushes,
            mismatches=mismatches,
        )


async def _check_tenant(client: Client, run: _Run) -> None:
    """Refuse a tenant whose history would mix with the log's."""
    clock = await client.get("/v1/test-clock", kind="read clock")
    first_at = min(steps[0].row.at for steps in run.cases)
    if datetime.fromisoformat(clock["now"]) > first_at:
        raise ReplayError(
            f"the tenant's test clock stands at {clock['now']}, after the first row's {instant_text(first_at)}"
        )
    if (await client.get("/v1/tickets", kind="list", limit=1))["data"]:
        raise ReplayError("the tenant has tickets already; create a new one for the replay")


async def _play(run: _Run, client: Client) -> None:
    with _progress_bar(run.console) as bar:
        task = bar.add_task("Playing", total=run.rows, webhooks=0)

        def on_step() -> None:
            run.progress.rows += 1

        async def show() -> None:
            told_percent = 0
            while True:
                bar.update(task, completed=run.progress.rows, webhooks=run.progress.deliveries)
                percent = 100 * run.progress.rows // run.rows
                if not run.console.is_terminal and percent >= told_percent + _PERCENT_BETWEEN_LINES:
                    told_percent = percent
                    run.console.print(f"{run.progress.rows} of {run.rows} rows, {run.progress.deliveries} webhooks")
                await asyncio.sleep(_POLL_SECONDS)

        showing = asyncio.create_task(show())
        try:
            await Player(client, concurrency=run.options.concurrency, on_step=on_step).play(run.cases)
        finally:
            showing.cancel()
            bar.update(task, completed=run.progress.rows, webhooks=run.progress.deliveries)


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows, {task.fields[webhooks]} webhooks"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
    )


async def _receive_all(client: Client, receiver: Receiver, begin: str, endpoint_id: str) -> list[dict[str, Any]]:
    """Give all events since the endpoint was made, once the same have arrived or nothing has moved for a long while.

    The feed tells an event only when no older transaction can come before it any more. So after `begin` it may still
    tell of what was before the endpoint, which does not concern it; and it may be behind, until it tells a change that
    was made last.
    """
    path = f"/v1/webhook-endpoints/{endpoint_id}"
    await client.patch(path, {"description": "Has received a replay"}, key="end", kind="mark the end")
    events, cursor = await client.events(begin, kind="read feed")
    moved_at, differing = time.monotonic(), {""}
    while differing and time.monotonic() - moved_at < _PATIENCE_SECONDS:
        await asyncio.sleep(_POLL_SECONDS)
        more, cursor = await client.events(cursor, kind="read feed")
        events += more
        still = {event["id"] for event in _since_made(events, endpoint_id)} ^ receiver.arrivals.keys()
        if not _is_marked(events, endpoint_id):
            still.add("the mark")
        if still != differing:
            moved_at = time.monotonic()
        differing = still
    return _since_made(events, endpoint_id)


def _since_made(events: Sequence[dict[str, Any]], endpoint_id: str) -> list[dict[str, Any]]:
    made = ("webhook_endpoint.created", endpoint_id)
    return list(dropwhile(lambda event: (event["type"], event["object_id"]) != made, events))


def _is_marked(events: Sequence[dict[str, Any]], endpoint_id: str) -> bool:
    return ("webhook_endpoint.updated", endpoint_id) in {(event["type"], event["object_id"]) for event in events}


def _deliveries(run: _Run, events: list[dict[str, Any]], caught_up_seconds: float) -> DeliveryReport:
    receiver = run.progress.receiver
    ids = {event["id"] for event in events}
    return DeliveryReport(
        events=len(events),
        deliveries=receiver.delivery_count,
        duplicates=receiver.duplicate_count,
        most_duplicates=run.faults.kills * replay_faults.DUPLICATES_PER_KILL,
        lost=sorted(ids - receiver.arrivals.keys()),
        unknown=sorted(receiver.arrivals.keys() - ids),
        unverified=receiver.unverified_count,
        conflicting=len(receiver.conflicting_ids),
        caught_up_seconds=round(caught_up_seconds, 1),
    )
