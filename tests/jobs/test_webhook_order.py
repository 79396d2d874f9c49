"""What an endpoint may ask of its messages: order per object, values, and the form of CloudEvents."""

import threading
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.conftest import MakeSandbox
from tests.jobs.webhooks import after_attempts, an_endpoint, create, deliveries, events, make_due, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def versions(receiver: WebhookReceiver, object_id: str) -> list[int]:
    """Give the versions of an object in the order in which they arrived, with repetitions."""
    return [
        request.message["data"]["object"]["version"]
        for request in receiver.received
        if request.message["data"]["object"]["id"] == object_id
    ]


def rename(api: Client, team: dict[str, str], times: int) -> None:
    for number in range(times):
        answer = api.patch(f"/v1/teams/{team['id']}", json={"name": f"{team['name']} {number}"})
        assert answer.status_code == 200


def test_a_later_event_of_an_object_waits_for_the_earlier_one_and_others_do_not(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver, ordered=True)
    receiver.answer_next(Answer(500))
    team = create(api, "teams", name="Night shift")
    first = after_attempts(api, 1)

    rename(api, team, 3)
    other = create(api, "teams", name="Day shift")

    until(lambda: versions(receiver, other["id"]) or None)
    until(lambda: True if len(deliveries(api)) == 5 else None)
    assert versions(receiver, team["id"]) == [1]
    make_due(stage, first)
    until(lambda: True if len(deliveries(api, state="delivered")) == 5 else None)
    assert versions(receiver, team["id"]) == [1, 1, 2, 3, 4]


def test_what_waits_behind_a_delivery_goes_on_when_that_is_given_up(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver, ordered=True)
    receiver.answer_next(Answer(500), Answer(400, headers={"webhook-delivery": "abort-message"}))
    team = create(api, "teams", name="Night shift")
    first = after_attempts(api, 1)
    rename(api, team, 2)
    until(lambda: True if len(deliveries(api)) == 3 else None)

    make_due(stage, first)

    until(lambda: True if len(deliveries(api, state="delivered")) == 2 else None)
    assert versions(receiver, team["id"]) == [1, 1, 2, 3]


def test_a_failure_moves_only_the_next_few_of_all_that_wait_behind_it(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver, ordered=True)
    receiver.answer_next(Answer(500), Answer(200), Answer(500))
    team = create(api, "teams", name="Night shift")
    first = after_attempts(api, 1)
    rename(api, team, 80)
    put_away = "SELECT id, run_at FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.deliver' AND lease_token IS NULL"

    def waiting() -> dict[UUID, datetime] | None:
        found = {row["id"]: row["run_at"] for row in stage.sql(f"{put_away} AND run_at > now()", api.tenant.id)}
        return found if len(found) == len(deliveries(api, state="pending", limit="200")) > 1 else None

    before = until(lambda: found if len(found := waiting() or {}) == 81 else None)
    make_due(stage, first)
    until(lambda: next(iter(deliveries(api, state="delivered")), None))
    second = after_attempts(api, 1, state="pending")
    after = until(waiting)

    assert len(after) == 80
    assert len([job for job, run_at in after.items() if before[job] != run_at]) <= 32
    make_due(stage, second)
    until(lambda: True if len(deliveries(api, state="delivered", limit="200")) == 81 else None)
    assert versions(receiver, team["id"]) == [1, 1, 2, 2, *range(3, 82)]


def test_messages_of_one_object_are_never_under_way_together(api: Client, receiver: WebhookReceiver) -> None:
    an_endpoint(api, receiver, ordered=True, max_in_flight=8)
    released = threading.Event()
    receiver.answer_next(Answer(held_until=released))
    team = create(api, "teams", name="Night shift")
    rename(api, team, 5)
    until(lambda: True if len(deliveries(api)) == 6 else None)

    released.set()
    receiver.wait_for(6)

    assert receiver.most_at_once == 1
    assert versions(receiver, team["id"]) == [1, 2, 3, 4, 5, 6]


def test_an_event_that_is_not_dispatched_yet_holds_up_what_came_after_it(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    an_endpoint(api, receiver, ordered=True)
    team = create(api, "teams", name="Night shift")
    receiver.wait_for(1)
    missing = uuid4()
    # An earlier event of the object, whose dispatch is held by a worker that does not get on.
    stage.sql(
        """
        WITH earlier AS (
            INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
                cause_type, cause_id, occurred_at)
            VALUES ($1, $2, 'team.updated', 'team', $3, 2, '{}', '{}', 'system', 'command', 'test', now())
        )
        INSERT INTO jobs (tenant_id, id, kind, payload, run_at, lease_token)
        VALUES ($1, $2, 'events.dispatch', jsonb_build_object('event_ids', jsonb_build_array($2::text)),
            now() + interval '1 hour', $2)
        """,
        api.tenant.id,
        missing,
        team["id"],
    )

    rename(api, team, 1)
    until(lambda: True if len(deliveries(api)) == 2 else None)
    held_up = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.deliver' AND lease_token IS NULL"
    until(lambda: stage.sql(held_up, api.tenant.id) or None)
    assert len(receiver.received) == 1
    stage.sql("DELETE FROM jobs WHERE tenant_id = $1 AND id = $2", api.tenant.id, missing)

    assert len(receiver.wait_for(2)) == 2


def test_a_full_message_tells_the_values_and_a_thin_one_does_not(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver, payload="full")
    team = create(api, "teams", name="Night shift")
    api.patch(f"/v1/teams/{team['id']}", json={"name": "Day shift"})

    # They may overtake each other on the way.
    (request,) = [each for each in receiver.wait_for(2) if each.message["type"] == "team.updated"]

    request.verify(endpoint["secret"])
    (event,) = events(stage, api, type="team.updated")
    assert request.message["data"]["changes"] == event["changes"] == {"name": ["Night shift", "Day shift"]}
    assert request.message["data"]["changed_fields"] == ["name"]


def test_who_is_not_shown_a_field_cannot_have_it_sent(stage: Stage, api: Client) -> None:
    narrow = stage.client(
        api.tenant, stage.key(api.tenant, ("webhook-endpoints:write", "tickets:read"), field_groups=())
    )
    wanted = {"url": "http://127.0.0.1:9/", "event_types": ["ticket.status_changed"]}
    wanted |= {"field_groups": ["ticket.internal"]}
    full = {"payload": "full"}
    with narrow:
        created = narrow.post("/v1/webhook-endpoints", json=wanted | full)
        thin = narrow.post("/v1/webhook-endpoints", json=wanted).json()
        changed = narrow.patch(f"/v1/webhook-endpoints/{thin['id']}", json={"payload": "full"})
        fuller = narrow.post("/v1/webhook-endpoints", json=wanted | full | {"field_groups": []})
        unknown = narrow.patch(f"/v1/webhook-endpoints/{thin['id']}", json={"field_groups": ["ticket.secrets"]})

    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_field_group")
    assert (fuller.status_code, fuller.json()["field_groups"]) == (201, [])
    for answer in (created, changed):
        assert (answer.status_code, answer.json()["code"]) == (403, "full_payload_denied")
    kept = api.get("/v1/webhook-endpoints", params={"sort": "created_at"}).json()["data"]
    assert [found["payload"] for found in kept] == ["thin", "full"]


def test_an_endpoint_may_have_its_messages_as_cloudevents(sandbox: MakeSandbox, receiver: WebhookReceiver) -> None:
    api = sandbox()
    endpoint = an_endpoint(api, receiver, format="cloudevents")

    team = create(api, "teams", name="Night shift")

    (request,) = receiver.wait_for(1)
    request.verify(endpoint["secret"])
    message = request.message
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert {name: value for name, value in message.items() if name != "data"} == {
        "specversion": "1.0",
        "id": request.id,
        "source": f"urn:uuid:{api.tenant.id}",
        "type": "team.created",
        "subject": f"team/{team['id']}",
        "time": "2026-03-02T08:00:00Z",
        "datacontenttype": "application/json",
        "payloadversion": "2026-11-22",
    }
    assert (message["data"]["id"], message["data"]["object"]["version"]) == (request.id, 1)
