"""Endpoints beside each other: how much one gets at once, and that one which hangs delays no other."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from tests.jobs.webhooks import after_attempts, an_endpoint, create, deliveries, look, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage

HANGING = 8
ANSWERING = 8
ROUNDS = 12


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def test_no_more_is_under_way_at_once_than_an_endpoint_takes(api: Client, receiver: WebhookReceiver) -> None:
    released = threading.Event()
    an_endpoint(api, receiver, max_in_flight=2)
    receiver.answer_next(*[Answer(held_until=released)] * 6)
    for number in range(6):
        create(api, "teams", name=f"team {number}")

    until(lambda: len(deliveries(api)) == 6 or None)
    receiver.wait_for(2)
    released.set()
    receiver.wait_for(6)

    assert receiver.most_at_once == 2


def test_messages_are_begun_no_faster_than_an_endpoint_asks_for(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver, rate_per_second=4)
    for number in range(5):
        create(api, "teams", name=f"team {number}")

    receiver.wait_for(5)

    pauses = [later - earlier for earlier, later in zip(receiver.times, receiver.times[1:], strict=False)]
    assert sum(pauses) > 4 * 0.25 - 0.1


def test_an_overloaded_receiver_gets_nothing_at_all_until_it_said(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(429, headers={"retry-after": "3600"}))
    create(api, "teams", name="one")
    first = after_attempts(api, 1)

    create(api, "teams", name="two")

    (second,) = until(lambda: [found for found in deliveries(api) if found["id"] != first["id"]] or None)
    held = "SELECT due_at > now() + interval '59 minutes' AS held FROM job_lanes WHERE id = $1 AND lease_token IS NULL"
    until(lambda: True if [row["held"] for row in stage.sql(held, endpoint["id"])] == [True] else None)
    assert (second["attempt_count"], len(receiver.received)) == (0, 1)
    look(stage, endpoint["id"])
    assert after_attempts(api, 1, event_id=second["event_id"])["state"] == "delivered"


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_receiver_that_does_not_say_is_left_alone_for_five_seconds(
    stage: Stage, api: Client, receiver: WebhookReceiver, status: int
) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(Answer(status))
    create(api, "teams", name="one")

    delivery = after_attempts(api, 1)

    (row,) = stage.sql("SELECT not_before FROM job_lanes WHERE id = $1", endpoint["id"])
    (ended,) = stage.sql("SELECT updated_at FROM webhook_deliveries WHERE id = $1", delivery["id"])
    assert row["not_before"] - ended["updated_at"] == timedelta(seconds=5)


def test_half_of_the_endpoints_hang_and_the_others_do_not_wait_for_them(api: Client) -> None:
    released = threading.Event()
    with ExitStack() as opened:
        hanging = [
            opened.enter_context(WebhookReceiver([Answer(held_until=released)] * 4 * ROUNDS)) for _ in range(HANGING)
        ]
        answering = [opened.enter_context(WebhookReceiver()) for _ in range(ANSWERING)]
        opened.callback(released.set)
        for receiver in (*hanging, *answering):
            an_endpoint(api, receiver, "company.*")
        for number in range(ROUNDS):
            create(api, "companies", name=f"company {number}")
        for receiver in hanging:
            receiver.wait_for(4)

        create(api, "companies", name="the last")
        for receiver in answering:
            receiver.wait_for(ROUNDS + 1)

        # All of this while half of the endpoints hold what they got and have answered nothing.
        assert not released.is_set()
        assert all(len(receiver.received) >= 4 for receiver in hanging)
