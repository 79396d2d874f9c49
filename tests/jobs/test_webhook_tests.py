"""Test messages: any type with any data, marked as a test, by the way of every message."""

from collections.abc import Iterator
from typing import Any

import pytest

from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.test_messages import played
from tests.jobs.webhooks import an_endpoint, deliveries, events, in_state
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def send(api: Client, endpoint: dict[str, Any], **body: object) -> str:
    answer = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/test", json=body)
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["event_id"]
    return event_id


def test_a_test_plays_an_event_of_any_type_and_is_marked_signed_and_logged_as_a_test(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)

    event_id = send(api, endpoint, type="ticket.created", data={"object": {"version": 7}})

    (request,) = receiver.wait_for(1)
    request.verify(endpoint["secret"])
    example = EVENT_TYPES["ticket.created"].example
    assert request.headers["webhook-test"] == "true"
    assert request.message["type"] == "ticket.created"
    assert request.message["data"] == dict(example["data"]) | {
        "id": event_id,
        "object": dict(example["data"]["object"]) | {"version": 7},
    }
    assert request.id == event_id
    assert in_state(api, "delivered")["event_type"] == "webhook_endpoint.test"
    # Nothing says that a ticket was created.
    assert events(stage, api, type="ticket.created") == []
    (recorded,) = events(stage, api, type="webhook_endpoint.test")
    assert (recorded["id"], recorded["data"]["message"]["type"]) == (event_id, "ticket.created")


def test_a_plain_test_is_marked_too_and_what_really_happens_is_not(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    send(api, endpoint)
    receiver.wait_for(1)
    api.post("/v1/teams", json={"name": "Night shift"})

    test, real = receiver.wait_for(2)

    assert (test.message["type"], test.headers["webhook-test"]) == ("webhook_endpoint.test", "true")
    assert (real.message["type"], "webhook-test" in real.headers) == ("team.created", False)


@pytest.mark.parametrize("form", ["standard", "cloudevents"])
def test_a_free_form_is_sent_as_it_is_in_the_form_of_the_endpoint(
    api: Client, receiver: WebhookReceiver, form: str
) -> None:
    endpoint = an_endpoint(api, receiver, format=form)
    data = {"anything": [1, None, {"goes": "Ελλάδα"}]}

    event_id = send(api, endpoint, type="our.own_thing", data=data, is_free_form=True)

    (request,) = receiver.wait_for(1)
    request.verify(endpoint["secret"])
    assert (request.message["type"], request.message["data"]) == ("our.own_thing", data)
    if form == "cloudevents":
        assert request.message["subject"] == f"webhook_endpoint/{endpoint['id']}"
        assert request.message["id"] == event_id


def test_a_test_is_tried_again_like_any_message(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(500))

    send(api, endpoint, type="team.updated")

    receiver.wait_for(1)
    delivery = in_state(api, "pending")
    assert (delivery["event_type"], delivery["attempt_count"] in {0, 1}) == ("webhook_endpoint.test", True)


@pytest.mark.parametrize(
    ("body", "code", "reason", "pointer"),
    [
        ({"data": {}}, "validation_failed", "value_error", "#"),
        ({"type": "nothing.happened"}, "invalid_test", "invalid_test", "#/type"),
        ({"type": "no type"}, "validation_failed", "string_pattern_mismatch", "#/type"),
        (
            {"type": "team.created", "data": {"object": {"version": "7"}}},
            "invalid_test",
            "int_type",
            "#/data/object/version",
        ),
        ({"type": "team.created", "data": {"actor": None}}, "invalid_test", "model_type", "#/data/actor"),
        (
            {"type": "team.created", "data": {"object": {"type": "ticket"}}},
            "invalid_test",
            "invalid_test",
            "#/data/object/type",
        ),
        ({"type": "team.created", "data": {"long": "x" * 20_000}}, "validation_failed", "value_error", "#"),
    ],
    ids=["no type", "unknown type", "bad type", "text for a number", "null for an actor", "wrong object", "too long"],
)
def test_what_no_message_of_the_type_says_is_refused_unless_free_in_form(  # noqa: PLR0917 - four are the case.
    stage: Stage, api: Client, receiver: WebhookReceiver, body: dict[str, Any], code: str, reason: str, pointer: str
) -> None:
    endpoint = an_endpoint(api, receiver)

    answer = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/test", json=body)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (answer.json()["code"], error["code"], error["pointer"]) == (code, reason, pointer)
    assert deliveries(api) == []
    assert events(stage, api, type="webhook_endpoint.test") == []


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_example_of_every_type_can_be_played(event_type: str) -> None:
    assert played(event_type, None, is_free_form=False)["data"] == EVENT_TYPES[event_type].example["data"]
