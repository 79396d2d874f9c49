"""Webhooks where something changes while a message is under way."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.jobs.webhooks import after_attempts, an_endpoint, create, deliveries, in_state, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Listen on loopback."""
    with WebhookReceiver() as listening:
        yield listening


def test_a_receiver_that_is_gone_does_not_switch_off_the_one_that_replaced_it(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    has_moved = threading.Event()
    receiver.answer_next(Answer(410, held_until=has_moved))
    create(api, "teams", name="Night shift")
    receiver.wait_for(1)

    moved = api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"url": f"{receiver.url}/new"})
    has_moved.set()

    assert moved.status_code == 200
    assert in_state(api, "failed")["last_status"] == 410
    assert api.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["is_enabled"] is True


def test_a_delivery_whose_job_was_given_up_can_be_sent_again(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)
    given_up = "UPDATE jobs SET failed_at = now(), failure_count = 20 WHERE payload ->> 'delivery_id' = $1 RETURNING id"
    assert stage.sql(given_up, delivery["id"])

    asked = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert asked.status_code == 202
    (sent,) = until(lambda: [found for found in deliveries(api) if found["state"] == "delivered"] or None)
    assert sent["attempt_count"] == 2


def test_what_began_before_an_endpoint_was_created_and_is_committed_after_it_is_sent(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    async def slow_write() -> str:
        cause = Cause("command", "test")
        async with unit_of_work(stage.runtime, system(api.tenant.id), cause=cause, request_id="test") as ctx:
            team = await crud.add(ctx, TEAMS, {"name": "Night shift", "description": None})
            has_begun.set()
            await asyncio.to_thread(may_end.wait, 30)
        return str(team.id)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: stage.run(slow_write()))
        assert has_begun.wait(20)
        create(api, "teams", name="Committed before")
        endpoint = create(api, "webhook-endpoints", url=receiver.url, event_types=["team.*"])
        seen = [team["name"] for team in api.get("/v1/teams").json()["data"]]
        may_end.set()
        team_id = writing.result(30)

    (delivery,) = until(lambda: [found for found in deliveries(api) if found["state"] == "delivered"] or None)
    event = api.get(f"/v1/events/{delivery['event_id']}").json()
    assert seen == ["Committed before"]
    assert (event["type"], event["object_id"]) == ("team.created", team_id)
    assert delivery["endpoint_id"] == endpoint["id"]
