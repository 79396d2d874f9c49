"""Webhooks after the first attempt: rotated secrets, messages sent again, and the log of deliveries."""

import json
from collections.abc import Iterator

import pytest

from helpdesk_api.domain.retry import SCHEDULE
from helpdesk_api.kit.jobs import Job
from helpdesk_api.webhooks.session import deliver
from tests.jobs.webhooks import (
    after_attempts,
    an_endpoint,
    create,
    deliveries,
    in_state,
    pause_of,
    until,
)
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage, an_id


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def test_after_a_rotation_both_secrets_verify_until_the_former_expires(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    first = an_endpoint(api, receiver)
    second = api.post(f"/v1/webhook-endpoints/{first['id']}/rotate-secret").json()
    create(api, "teams", name="one")
    (request,) = receiver.wait_for(1)
    request.verify(first["secret"])
    request.verify(second["secret"])

    stage.sql("UPDATE webhook_endpoints SET previous_secret_expires_at = now() WHERE id = $1 RETURNING id", first["id"])
    create(api, "teams", name="two")

    request = receiver.wait_for(2)[1]
    request.verify(second["secret"])
    assert [part.partition(",")[0] for part in request.headers["webhook-signature"].split()] == ["v1", "v1a"]


def test_a_delivery_can_be_sent_again_under_the_same_id(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")
    delivery = in_state(api, "delivered")

    answer = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    first, second = receiver.wait_for(2)
    assert first.id == second.id == delivery["event_id"]
    again = after_attempts(api, 2)
    assert (again["state"], [attempt["number"] for attempt in again["attempts"]]) == ("delivered", [1, 2])


def test_sending_again_starts_the_schedule_anew(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")
    delivery = in_state(api, "delivered")
    receiver.answer_next(Answer(500))

    api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert pause_of(after_attempts(api, 2)) <= 1.2 * SCHEDULE[1]


def test_a_pending_delivery_is_only_tried_sooner(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(503, headers={"retry-after": "3600"}), Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)

    answer = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert answer.status_code == 202, answer.text
    assert 0.8 * SCHEDULE[2] <= pause_of(after_attempts(api, 2)) <= 1.2 * SCHEDULE[2]
    waiting = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.deliver'"
    assert len(stage.sql(waiting, api.tenant.id)) == 1


def test_a_delivery_that_is_just_being_sent_is_not_sent_again(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)
    stage.sql("UPDATE jobs SET lease_token = id WHERE tenant_id = $1 RETURNING id", api.tenant.id)

    answer = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_in_progress")
    assert answer.headers["retry-after"] == "1"


def test_nothing_is_sent_again_to_an_endpoint_that_is_off(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")
    delivery = in_state(api, "delivered")
    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"is_enabled": False})

    answer = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")

    assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert deliveries(api)[0]["state"] == "delivered"


def test_deliveries_are_found_by_endpoint_event_and_state(api: Client, receiver: WebhookReceiver) -> None:
    one, two = an_endpoint(api, receiver), an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")
    until(lambda: len(deliveries(api, state="delivered")) == 2 or None)
    event_id = deliveries(api)[0]["event_id"]

    assert [found["endpoint_id"] for found in deliveries(api, endpoint_id=one["id"])] == [one["id"]]
    assert {found["endpoint_id"] for found in deliveries(api, event_id=event_id)} == {one["id"], two["id"]}
    assert deliveries(api, state="failed") == []
    assert deliveries(api, event_type="team.updated") == []


def test_a_worker_that_lost_its_lease_records_nothing(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)
    waiting = "SELECT id, kind, payload, lane, run_at FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.deliver'"
    (row,) = stage.sql(waiting, api.tenant.id)
    payload = json.loads(row["payload"])
    job = Job(api.tenant.id, row["id"], row["kind"], payload, row["lane"], an_id(), 0, row["run_at"])

    stage.run(deliver(stage.runtime, api.tenant.id, [job]))

    assert len(receiver.received) == 2
    assert api.get(f"/v1/webhook-deliveries/{delivery['id']}").json() == delivery
