"""Webhooks on their way: signed, tried again on the schedule, given up, and never telling what was written."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from helpdesk_api.domain.retry import SCHEDULE
from tests.conftest import MakeSandbox
from tests.jobs.webhooks import (
    after_attempts,
    an_endpoint,
    create,
    deliveries,
    events,
    in_state,
    make_due,
    no_job_left,
    pause_of,
)
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def test_a_message_is_signed_and_names_what_happened_without_values(
    stage: Stage, sandbox: MakeSandbox, receiver: WebhookReceiver
) -> None:
    api = sandbox()
    endpoint = an_endpoint(api, receiver)

    team = create(api, "teams", name="Night shift")

    (request,) = receiver.wait_for(1)
    request.verify(endpoint["secret"])
    (event,) = events(stage, api, type="team.created")
    assert request.message == {
        "type": "team.created",
        "payload_version": "2026-11-22",
        "timestamp": "2026-03-02T08:00:00Z",
        "data": {
            "id": event["id"],
            "object": {"type": "team", "id": team["id"], "version": 1, "path": f"/v1/teams/{team['id']}"},
            "changed_fields": ["name"],
            "actor": event["actor"],
            "cause": event["cause"],
            "changes": None,
            "details": None,
        },
    }
    assert request.id == event["id"]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-payload-version"] == "2026-11-22"


def test_a_delivery_tells_of_its_attempt(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(202, body=b"thanks\x00\xff" + b"x" * 2_000))

    create(api, "teams", name="Night shift")

    delivery = after_attempts(api, 1)
    (attempt,) = delivery["attempts"]
    assert attempt | {"started_at": None, "duration_ms": None} == {
        "number": 1,
        "started_at": None,
        "duration_ms": None,
        "status": 202,
        "error": None,
        "response_excerpt": "thanks\ufffd\ufffd" + "x" * 1_016,
    }
    assert {name: delivery[name] for name in ("endpoint_id", "event_type", "state", "last_status", "last_error")} == {
        "endpoint_id": endpoint["id"],
        "event_type": "team.created",
        "state": "delivered",
        "last_status": 202,
        "last_error": None,
    }
    assert delivery["next_attempt_at"] is None
    assert delivery["delivered_at"] == delivery["updated_at"]


def test_a_failed_delivery_is_tried_again_on_the_schedule(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(500), Answer(503))
    create(api, "teams", name="Night shift")

    for attempt, nominal in ((1, SCHEDULE[1]), (2, SCHEDULE[2])):
        delivery = after_attempts(api, attempt)
        assert (delivery["state"], delivery["attempt_count"]) == ("pending", attempt)
        assert 0.8 * nominal <= pause_of(delivery) <= 1.2 * nominal
        make_due(stage, delivery)

    assert [attempt["status"] for attempt in after_attempts(api, 3)["attempts"]] == [500, 503, 200]
    requests = receiver.wait_for(3)
    assert len({request.id for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    for request in requests:
        request.verify(endpoint["secret"])


def test_a_receiver_may_ask_for_patience(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(503, headers={"retry-after": "3600"}))
    create(api, "teams", name="Night shift")

    assert pause_of(after_attempts(api, 1)) == timedelta(hours=1)


def test_the_last_attempt_of_the_schedule_ends_the_delivery(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(500), Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)

    stage.sql(
        "UPDATE webhook_deliveries SET attempt_count = $1 WHERE id = $2 RETURNING id",
        len(SCHEDULE) - 1,
        delivery["id"],
    )
    make_due(stage, delivery)

    assert in_state(api, "failed")["next_attempt_at"] is None
    assert no_job_left(stage, api)


def test_a_redirect_is_a_failure_and_not_followed(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    with WebhookReceiver() as elsewhere:
        receiver.answer_next(Answer(307, headers={"location": elsewhere.url}))
        create(api, "teams", name="Night shift")

        delivery = after_attempts(api, 1)

        assert (delivery["state"], delivery["last_status"], elsewhere.received) == ("pending", 307, [])


def test_a_receiver_may_refuse_one_message_for_good(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    receiver.answer_next(Answer(400, headers={"webhook-delivery": "abort-message"}))
    create(api, "teams", name="Night shift")

    assert in_state(api, "failed")["attempt_count"] == 1
    assert no_job_left(stage, api)


def test_no_answer_is_told_by_its_reason(stage: Stage, api: Client) -> None:
    with WebhookReceiver() as receiver:
        an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")

    delivery = after_attempts(api, 1)

    assert (delivery["state"], delivery["last_status"], delivery["last_error"]) == ("pending", None, "connect_failed")
    assert [(a["status"], a["error"], a["response_excerpt"]) for a in delivery["attempts"]] == [
        (None, "connect_failed", None)
    ]


def test_a_receiver_that_is_gone_switches_its_endpoint_off(
    stage: Stage, sandbox: MakeSandbox, receiver: WebhookReceiver
) -> None:
    api = sandbox()
    endpoint = an_endpoint(api, receiver, "team.*", "webhook_endpoint.*")
    receiver.wait_for(1)
    receiver.answer_next(Answer(410))

    create(api, "teams", name="Night shift")

    assert in_state(api, "failed")["last_status"] == 410
    after = api.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()
    assert (after["is_enabled"], after["disabled_reason"], after["version"]) == (False, "gone", 3)
    (event,) = events(stage, api, type="webhook_endpoint.disabled")
    assert event["occurred_at"] == "2026-03-02T08:00:00Z"
    assert event["changes"] == {
        "is_enabled": [True, False],
        "disabled_reason": [None, "gone"],
        "disabled_at": [None, after["disabled_at"]],
    }
    assert event["actor"] == {"type": "system", "id": None}


def test_a_delivery_that_falls_due_while_its_endpoint_is_off_is_cancelled(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)

    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"is_enabled": False})
    make_due(stage, delivery)

    assert in_state(api, "cancelled")["next_attempt_at"] is None
    assert no_job_left(stage, api)
    assert len(receiver.received) == 1


def test_a_delivery_whose_endpoint_was_deleted_is_cancelled_and_stays_in_the_log(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="Night shift")
    delivery = after_attempts(api, 1)

    api.delete(f"/v1/webhook-endpoints/{endpoint['id']}")
    make_due(stage, delivery)

    assert in_state(api, "cancelled")["endpoint_id"] == endpoint["id"]
    assert no_job_left(stage, api)


def test_an_endpoint_gets_what_it_wants_from_its_creation_on(api: Client, receiver: WebhookReceiver) -> None:
    create(api, "teams", name="before")
    an_endpoint(api, receiver, "team.created", "company.*")

    team = create(api, "teams", name="after")
    api.patch(f"/v1/teams/{team['id']}", json={"name": "later"})
    create(api, "companies", name="Alpine Dairy")

    requests = receiver.wait_for(2)
    assert sorted(request.message["type"] for request in requests) == ["company.created", "team.created"]
    assert team["id"] in {request.message["data"]["object"]["id"] for request in requests}


def test_a_receiver_that_does_not_answer_holds_up_no_other(api: Client, receiver: WebhookReceiver) -> None:
    released = threading.Event()
    with WebhookReceiver([Answer(held_until=released)] * 5) as silent:
        an_endpoint(api, silent)
        an_endpoint(api, receiver)

        for count in range(1, 6):
            create(api, "teams", name=f"team {count}")
            # Well within the 15 seconds that the silent one is given.
            assert len(receiver.wait_for(count, seconds=8)) == count

        released.set()
        silent.wait_for(5)


def test_what_is_undone_is_never_sent(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver)
    create(api, "teams", name="one")
    refused = api.post("/v1/teams", json={"name": "one"})
    create(api, "teams", name="two")

    assert refused.status_code == 409
    assert len({request.message["data"]["object"]["id"] for request in receiver.wait_for(2)}) == 2
    assert len(deliveries(api)) == 2


def test_nothing_that_somebody_wrote_leaves_in_a_message(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver, "*")
    user = create(api, "users", name="Canary name", email="canary@example.com")
    ticket = create(api, "tickets", subject="Canary subject", description="Canary text")
    create(api, f"tickets/{ticket['id']}/comments", kind="note", body="Canary note", author_user_id=user["id"])
    create(api, f"tickets/{ticket['id']}/comments", kind="reply", body="Canary reply", author_user_id=user["id"])
    api.patch(f"/v1/tickets/{ticket['id']}", json={"subject": "Canary again"})

    # Without the key made before, and without the ping, which is no news.
    wanted = len(events(stage, api)) - 2
    sent = b"".join(request.body + str(request.headers).encode() for request in receiver.wait_for(wanted))

    assert b"ticket.note_added" in sent
    assert b"canary" not in sent.lower()
    assert endpoint["secret"].encode() not in sent


def test_a_test_goes_to_its_endpoint_only(api: Client, receiver: WebhookReceiver) -> None:
    with WebhookReceiver() as other:
        endpoint = an_endpoint(api, receiver)
        an_endpoint(api, other, "webhook_endpoint.test", "team.*")

        answer = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/test")
        create(api, "teams", name="Night shift")

        assert answer.status_code == 202
        assert {request.id for request in receiver.wait_for(2)} > {answer.json()["event_id"]}
        assert [request.message["type"] for request in other.wait_for(1)] == ["team.created"]
