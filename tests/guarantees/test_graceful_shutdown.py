"""SIGTERM costs nobody an answer: what was accepted is finished, what was claimed is done, and all ends well."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.factories import create
from tests.guarantees.load import Load
from tests.guarantees.plant import API, Plant, until
from tests.guarantees.report import SCALE, tell
from tests.receivers import Answer, WebhookReceiver
from tests.streams import listeners

CLIENTS = 8
BEFORE = 5 * CLIENTS
STOPS = 2 * SCALE
DELIVERIES = 20

LEASED = "SELECT count(*) AS count FROM jobs WHERE tenant_id = $1 AND lease_token IS NOT NULL"


def readiness_until_closed(api: API) -> list[int]:
    """Ask again and again whether it is ready, until nobody answers any more."""
    seen: list[int] = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            seen.append(httpx2.get(f"{api.url}/readyz", timeout=5, trust_env=False).status_code)
        except httpx2.TransportError:
            return seen
    raise AssertionError("it still answers")


def test_an_api_that_is_told_to_stop_finishes_every_request(plant: Plant) -> None:
    seen: list[int] = []
    codes: list[int] = []
    with plant.api(HELPDESK_DRAIN_SECONDS="1") as api, plant.client(api) as client:
        with Load(client, clients=CLIENTS) as load:
            for _ in range(STOPS):
                load.wait_for_more(BEFORE)
                api.ask_to_stop()
                seen += readiness_until_closed(api)
                codes.append(api.wait())
                api.start()

        account = load.account
        tell(
            "graceful_shutdown_api",
            n=load.count,
            faults=STOPS,
            lost=account.replayed,
            dup=0,
            unaccepted=account.unconnected + account.cut,
        )
        assert codes == [0] * STOPS
        assert 503 in seen
        assert account.unconnected > 0
        # A request that had been carried out without an answer would be answered from its key when it is repeated.
        assert (account.replayed, account.unwelcome) == (0, [])
        assert api.defects == []


def test_a_request_that_waits_is_answered_with_a_cursor_when_the_api_is_told_to_stop(plant: Plant) -> None:
    with plant.api() as api, plant.client(api) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/v1/events", params={"after": "end", "wait": "25"})
        until(lambda: waiting.done() or listeners(client) == 1, "the request waits", seconds=20)
        assert not waiting.done()

        began = time.monotonic()
        api.ask_to_stop()
        answer = waiting.result(20)
        took = time.monotonic() - began

        assert (answer.status_code, answer.json()["data"]) == (200, [])
        assert answer.json()["page"]["next_cursor"]
        assert took < 20
        assert (api.wait(), api.defects) == (0, [])


def test_a_worker_that_is_told_to_stop_records_what_it_has_sent(plant: Plant) -> None:
    with WebhookReceiver() as receiver, plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        answering = threading.Event()
        receiver.answer_next(*(Answer(held_until=answering) for _ in range(DELIVERIES)))
        create(client, "webhook-endpoints", url=receiver.url, event_types=["team.*"])
        for number in range(DELIVERIES):
            create(client, "teams", name=f"Team {number}")
        until(lambda: bool(receiver.received), "the worker sends", seconds=30)

        leased = plant.sql(LEASED, client.tenant.id)[0]["count"]
        worker.ask_to_stop()
        # Only now do the answers come that it waits for.
        answering.set()
        code = worker.wait()
        sent = [request.id for request in receiver.received]
        wanted = {"event_type": "team.created", "state": "delivered", "limit": "100"}
        delivered = client.get("/v1/webhook-deliveries", params=wanted).json()["data"]
        left = plant.sql(LEASED, client.tenant.id)[0]["count"]
        tell("graceful_shutdown_worker", n=len(sent), faults=1, lost=left, dup=len(sent) - len(set(sent)))
        assert leased > 0
        assert (code, left) == (0, 0)
        assert sorted(sent) == sorted(delivery["event_id"] for delivery in delivered)
        assert worker.defects == []
