"""Webhooks where something changes while a message is under way."""

import threading
from collections.abc import Iterator

import pytest

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
