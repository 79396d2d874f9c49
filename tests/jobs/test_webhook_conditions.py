"""The condition of an endpoint: of the events it wants, those that fit are sent, also by a replay."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import a_ticket, get, patch
from tests.jobs.webhooks import an_endpoint, create, deliveries, until
from tests.receivers import WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def queued(api: Client, endpoint: dict[str, Any]) -> set[tuple[str, str]]:
    """Tell what is queued for an endpoint: types of events and their tickets."""
    events = {event["id"]: event for event in get(api, "events?type=ticket.*&limit=200")["data"]}
    found = deliveries(api, endpoint_id=endpoint["id"])
    return {(delivery["event_type"], events[delivery["event_id"]]["object_id"]) for delivery in found}


def test_an_endpoint_is_sent_the_events_that_fit_its_condition(api: Client, receiver: WebhookReceiver) -> None:
    urgent = {"field": "priority", "op": "gte", "value": "high"}
    reopened = {"field": "previous.status", "op": "in", "value": ["solved", "closed"]}
    picky = an_endpoint(api, receiver, "ticket.*", "team.*", condition={"any": [urgent, reopened]})
    everything = an_endpoint(api, receiver, "ticket.*", "team.*")

    high = a_ticket(api, priority="high")["id"]
    low = a_ticket(api, priority="low", status="solved")["id"]
    patch(api, f"tickets/{low}", status="open")
    create(api, "teams", name="Night shift")
    # Both are queued by one transaction, and only the feed may tell of it later.
    until(lambda: True if len(deliveries(api, endpoint_id=everything["id"])) == 4 else None)
    until(lambda: True if len(get(api, "events?type=ticket.*")["data"]) == 3 else None)

    assert queued(api, picky) == {("ticket.created", high), ("ticket.status_changed", low)}


def test_a_replay_sends_what_fits(api: Client, receiver: WebhookReceiver) -> None:
    a_ticket(api, priority="low")
    high = a_ticket(api, priority="high")["id"]
    condition = {"field": "priority", "op": "eq", "value": "high"}
    endpoint = an_endpoint(api, receiver, "ticket.created", condition=condition)

    replay = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/replay", json={"since": "2020-01-01T00:00:00Z"}).json()
    done = until(lambda: found if (found := get(api, f"webhook-replays/{replay['id']}"))["state"] == "done" else None)

    assert done["queued_count"] == 1
    assert queued(api, endpoint) == {("ticket.created", high)}


def test_a_condition_can_be_changed_and_removed_and_is_shown_as_it_was_given(
    api: Client, receiver: WebhookReceiver
) -> None:
    condition = {"not": {"field": "event.actor_type", "op": "eq", "value": "api_key"}}
    path = f"webhook-endpoints/{an_endpoint(api, receiver, condition=condition)['id']}"

    assert get(api, path)["condition"] == condition
    assert patch(api, path, condition=None)["condition"] is None


def test_nobody_can_have_events_sorted_by_what_he_is_not_shown(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    condition = {"field": "company.territory", "op": "eq", "value": "north"}
    endpoint = an_endpoint(api, receiver, "ticket.*", condition=condition)
    scopes = ("webhook-endpoints:write", "tickets:read", "notes:read")
    with stage.client(api.tenant, stage.key(api.tenant, scopes)) as narrow:
        asking = narrow.post("/v1/webhook-endpoints", json={"url": receiver.url, "condition": condition})
        changing = narrow.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"condition": condition})
        moving = narrow.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"url": "http://127.0.0.1:9/mine"})

    assert [answer.status_code for answer in (asking, changing, moving)] == [403, 403, 403]
    assert get(api, f"webhook-endpoints/{endpoint['id']}")["version"] == endpoint["version"] + 1


def test_a_condition_that_is_none_is_refused_and_nothing_is_stored(api: Client) -> None:
    wrong = {"all": [{"field": "priority", "op": "eq", "value": "highest"}]}
    problem = api.post("/v1/webhook-endpoints", json={"url": "https://a.example/x", "condition": wrong}).json()

    assert (problem["code"], problem["errors"][0]["pointer"]) == ("invalid_condition_value", "#/condition/all/0/value")
    assert get(api, "webhook-endpoints")["data"] == []
