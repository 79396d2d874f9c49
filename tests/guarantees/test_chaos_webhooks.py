"""Every committed event reaches every endpoint that wants it while everything around it breaks; ordered ones in order.

Three workers, the API and PostgreSQL are killed, Valkey is flushed and away, and receivers do all that receivers do. An
endpoint that was switched off by a 410 is switched on again and replayed to. What is stored says in the end what each
receiver must have got.
"""

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2
import pytest

from helpdesk_api.domain.errors import UnavailableError
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.events import write_recorded
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from helpdesk_api.wiring import JOBS
from tests.factories import create
from tests.guarantees.faulty_receivers import FAULTS, FaultyReceiver, listening
from tests.guarantees.plant import API, Plant, Worker, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

EVENTS = 2_000 * SCALE
TEAMS_CHANGED = 50
CREATED = EVENTS // 20
ROLLED_BACK = 0.1
AT_ONCE = 20
WORKERS = 3
ROUNDS = SCALE
FAULTY = 0.02
SEED = 20_261_122
# So much of each endpoint may have been sent and not recorded when something is killed.
IN_FLIGHT = JOBS["webhooks.deliver"].batch
DRAINED_WITHIN = 120.0 * SCALE

# What waits for a schedule, for Retry-After or for a receiver's patience would wait for minutes. What was never tried
# waits for an earlier message of its object: it has to be woken by that.
TIME_PASSES = """
    WITH lanes AS (
        UPDATE job_lanes SET due_at = now(), not_before = '-infinity' WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM job_lanes WHERE tenant_id = $1 AND lease_token IS NULL FOR UPDATE SKIP LOCKED
        )
    )
    UPDATE jobs SET run_at = now() WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM jobs
        WHERE tenant_id = $1 AND lease_token IS NULL AND run_at > now() + interval '1 second' AND id NOT IN (
            SELECT job_id FROM webhook_deliveries
            WHERE tenant_id = $1 AND state = 'pending' AND next_attempt_at <= now()
        )
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
    """
# So would what the dead have claimed. None is alive when this is run.
LEASES_RUN_OUT = """
    WITH lanes AS (UPDATE job_lanes SET due_at = now() WHERE tenant_id = $1 AND lease_token IS NOT NULL)
    UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND lease_token IS NOT NULL RETURNING id
    """
# Sealing the audit trail waits for its minute.
WAITING = "SELECT count(*) AS jobs FROM jobs WHERE tenant_id = $1 AND kind <> 'audit.seal'"
COMMITTED = "SELECT id, type FROM events WHERE tenant_id = $1 AND type LIKE 'team.%'"


class RolledBackError(Exception):
    """A writer gave its transaction up."""


@dataclass
class Writers:
    """Those who change teams in transactions of their own, some of which they give up, and one who asks the API."""

    plant: Plant
    client: Client
    teams: list[UUID]
    undone: set[UUID] = field(default_factory=set)
    created: int = 0
    asked_again: int = 0
    _nothing_breaks: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let both write all the while, and wait until they have written what they should."""
        threads = [threading.Thread(target=asyncio.run, args=(self.change(),)), threading.Thread(target=self.ask)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._nothing_breaks.set()
            for thread in threads:
                thread.join()

    async def change(self) -> None:
        """Change teams, many in one transaction; go on while the database is away."""
        chance = random.Random(SEED)
        settings = load_settings({"HELPDESK_DATABASE_URL": self.plant.services.app_url})
        async with open_runtime(settings, SilentBell(), Metrics(), name="writer") as runtime:
            written = 0
            while written < EVENTS - CREATED or not self._nothing_breaks.is_set():
                chosen = sorted(chance.sample(self.teams, AT_ONCE))
                gives_up = chance.random() < ROLLED_BACK
                principal = system(self.client.tenant.id)
                # Whether a commit that was cut off has happened is told by what is stored in the end.
                with suppress(RolledBackError, UnavailableError):
                    async with unit_of_work(
                        runtime, principal, cause=Cause("command", "test"), request_id="test"
                    ) as ctx:
                        for team_id in chosen:
                            await crud.amend(ctx, TEAMS, team_id, {"description": str(uuid4())})
                        if gives_up:
                            await write_recorded(ctx)
                            self.undone |= {event.id for event in ctx.events}
                            raise RolledBackError
                    written += AT_ONCE
                # Whoever has written enough only sees to it that something is written whatever breaks.
                await asyncio.sleep(0.02 if written < EVENTS - CREATED else 0.5)

    def ask(self) -> None:
        """Create teams over HTTP, each with a key that makes it safe to ask again."""
        while self.created < CREATED or not self._nothing_breaks.is_set():
            self._have_created(f"Made {self.created}", {"idempotency-key": str(uuid4())})
            self.created += 1
            time.sleep(0.02 if self.created < CREATED else 0.5)

    def _have_created(self, name: str, headers: dict[str, str]) -> None:
        until(lambda: self._is_created(name, headers), f"{name} is there", seconds=60)

    def _is_created(self, name: str, headers: dict[str, str]) -> bool:
        try:
            answer = self.client.post("/v1/teams", json={"name": name}, headers=headers)
        except httpx2.TransportError:
            self.asked_again += 1
            return False
        if answer.status_code in {409, 503}:
            self.asked_again += 1
            return False
        assert answer.status_code == 201, answer.text
        return True


def break_things(plant: Plant, api: API, workers: list[Worker], chance: random.Random, *, tenant_id: UUID) -> None:
    """Kill what can be killed, at times of chance, and take Valkey away meanwhile."""
    steps: tuple[Callable[[], None], ...] = (
        lambda: restarted(chance.choice(workers)),
        plant.flush_valkey,
        lambda: restarted(api),
        plant.kill_valkey,
        lambda: restarted(chance.choice(workers)),
        lambda: killed_and_started(plant),
        plant.start_valkey,
    )
    for step in steps * ROUNDS:
        time.sleep(chance.uniform(0.1, 0.5))
        step()
        plant.sql(TIME_PASSES, tenant_id)


def restarted(program: API | Worker) -> None:
    program.kill()
    program.start()


def killed_and_started(plant: Plant) -> None:
    plant.kill_postgres()
    plant.start_postgres()


@pytest.mark.timeout(300 * SCALE)
def test_every_event_arrives_everywhere_while_everything_breaks(plant: Plant) -> None:
    chance = random.Random(SEED)
    anyhow, ordered = (FaultyReceiver(random.Random(SEED + number), FAULTY) for number in (1, 2))
    gone = FaultyReceiver(random.Random(SEED), gone_after=CREATED // 2)
    with ExitStack() as running:
        urls = running.enter_context(listening([anyhow, ordered, gone]))
        api = running.enter_context(plant.api())
        client = running.enter_context(plant.client(api))
        workers = [running.enter_context(plant.worker()) for _ in range(WORKERS)]
        an_endpoint(client, urls[0])
        an_endpoint(client, urls[1], ordered=True)
        endpoint_id = an_endpoint(client, urls[2], event_types=["team.created"])
        teams = [UUID(create(client, "teams", name=f"Changed {number}")["id"]) for number in range(TEAMS_CHANGED)]
        writers = Writers(plant, client, teams)
        with writers.at_work():
            break_things(plant, api, workers, chance, tenant_id=client.tenant.id)
        for worker in workers:
            worker.kill()
        left_behind = len(plant.sql(LEASES_RUN_OUT, client.tenant.id))
        for worker in workers:
            worker.start()
        drained = until(lambda: is_drained(plant, client), "all jobs are done", seconds=DRAINED_WITHIN)
        missed = TEAMS_CHANGED + writers.created - len(gone.got)
        replay_to(client, endpoint_id, gone)
        drained += until(lambda: is_drained(plant, client), "the replay is done", seconds=DRAINED_WITHIN)

        committed = {row["id"]: row["type"] for row in plant.sql(COMMITTED, client.tenant.id)}
        created = {event_id for event_id, event_type in committed.items() if event_type == "team.created"}
        due = ((anyhow, committed.keys()), (ordered, committed.keys()), (gone, created))
        lost = sum(len(wanted - receiver.event_ids) for receiver, wanted in due)
        phantoms = sum(len(receiver.event_ids - wanted) for receiver, wanted in due)
        duplicates = sum(len(receiver.got) - len(receiver.event_ids) for receiver in (anyhow, ordered))
        faults = anyhow.faults + ordered.faults + gone.faults
        kills = ROUNDS + sum(worker.kills for worker in workers)
        tell(
            "chaos_webhooks",
            n=sum(len(wanted) for _, wanted in due),
            faults=kills + api.kills + faults.total(),
            lost=lost,
            dup=duplicates,
            phantom=phantoms,
            rolled_back=len(writers.undone),
            left_behind=left_behind,
            asked_again=writers.asked_again,
            receivers=dict(faults),
            drained=f"{drained:.1f}s",
            seed=SEED,
        )
        assert (lost, phantoms) == (0, 0)
        assert writers.undone - committed.keys() == writers.undone != set()
        assert len(created) == TEAMS_CHANGED + writers.created
        assert min(missed, writers.asked_again) > 0
        assert (api.kills, set(faults)) == (ROUNDS, {*FAULTS, "410"})
        assert duplicates <= kills * IN_FLIGHT * 2 + faults.total()
        assert out_of_order(ordered) == []
        assert last_versions(anyhow) == last_versions(ordered) == stored_versions(client)
        assert [line for program in (api, *workers) for line in program.defects] == []


def an_endpoint(client: Client, url: str, **more: object) -> str:
    values = {"url": url, "event_types": ["team.*"], "max_in_flight": 16} | more
    endpoint_id: str = create(client, "webhook-endpoints", **values)["id"]
    return endpoint_id


def replay_to(client: Client, endpoint_id: str, gone: FaultyReceiver) -> None:
    """Switch on again an endpoint that was gone, and have sent to it what it has missed."""
    gone.gone_after = None
    path = f"/v1/webhook-endpoints/{endpoint_id}"
    found = client.get(path).json()
    assert (found["is_enabled"], found["disabled_reason"]) == (False, "gone")
    assert client.patch(path, json={"is_enabled": True}).status_code == 200
    until(lambda: client.get(path).json()["verified_at"] is not None, "the endpoint is verified", seconds=30)
    answer = client.post(f"{path}/replay", json={"since": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    until(lambda: client.get(location).json()["state"] == "done", "the replay has queued everything", seconds=60)


def is_drained(plant: Plant, client: Client) -> bool:
    """Let what is put off be due, and tell whether nothing is left."""
    time.sleep(0.3)
    plant.sql(TIME_PASSES, client.tenant.id)
    return bool(plant.sql(WAITING, client.tenant.id)[0]["jobs"] == 0)


def out_of_order(receiver: FaultyReceiver) -> list[tuple[UUID, int, int]]:
    """Find news of an object that came after later news of it; a copy of what was there already is none."""
    newest: defaultdict[UUID, int] = defaultdict(int)
    seen: set[UUID] = set()
    found = []
    for each in receiver.got:
        if each.event_id not in seen and each.version < newest[each.object_id]:
            found.append((each.object_id, newest[each.object_id], each.version))
        seen.add(each.event_id)
        newest[each.object_id] = max(newest[each.object_id], each.version)
    return found


def last_versions(receiver: FaultyReceiver) -> dict[UUID, int]:
    newest: dict[UUID, int] = {}
    for each in receiver.got:
        newest[each.object_id] = max(each.version, newest.get(each.object_id, 0))
    return newest


def stored_versions(client: Client) -> dict[UUID, int]:
    """Read every team and its version from the API."""
    found: dict[UUID, int] = {}
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/teams", params={"limit": "200", **cursor}).json()
        found |= {UUID(team["id"]): team["version"] for team in page["data"]}
        if page["page"]["next_cursor"] is None:
            return found
        cursor = {"cursor": page["page"]["next_cursor"]}
