"""Sending again to one endpoint what failed there in a window, or everything since some point."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Text, func, select

from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.jobs.webhooks import an_endpoint, create, deliveries, events, in_state, settle, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage, an_id

LONG_AGO = "2020-01-01T00:00:00Z"
ABORT = Answer(400, headers={"webhook-delivery": "abort-message"})


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def ask(api: Client, endpoint: dict[str, Any], what: str, **body: object) -> httpx2.Response:
    return api.post(f"/v1/webhook-endpoints/{endpoint['id']}/{what}", json=body)


def ended(api: Client, answer: httpx2.Response) -> dict[str, Any]:
    """Follow a replay to its end."""
    assert answer.status_code == 202, answer.text

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(answer.headers["location"]).json()
        return found if found["state"] != "running" else None

    return until(look)


@contextmanager
def a_transaction(stage: Stage, api: Client) -> Iterator[None]:
    """Keep a transaction running: it may have written something, so no replay comes to its end meanwhile."""
    holding = stage.runtime.db.transaction(api.tenant.id)
    transaction = stage.run(holding.__aenter__())
    try:
        stage.run(transaction.value(select(func.pg_current_xact_id().cast(Text))))
        yield
    finally:
        stage.run(holding.__aexit__(None, None, None))


def ids(receiver: WebhookReceiver) -> list[str]:
    return [request.message["data"]["object"]["id"] for request in receiver.received]


def failed(api: Client, receiver: WebhookReceiver, *names: str) -> list[dict[str, Any]]:
    """Make teams whose deliveries are given up."""
    receiver.answer_next(*[ABORT] * len(names))
    made = [create(api, "teams", name=name) for name in names]
    until(lambda: len(deliveries(api, state="failed")) == len(names) or None)
    return made


def test_what_failed_in_a_window_is_sent_again_and_nothing_else(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    lost = failed(api, receiver, "one", "two")
    create(api, "teams", name="three")
    in_state(api, "delivered")

    found = ended(api, ask(api, endpoint, "recover", since=LONG_AGO))

    assert {name: found[name] for name in ("scope", "state", "progress_percent", "queued_count")} == {
        "scope": "failed",
        "state": "done",
        "progress_percent": 100,
        "queued_count": 2,
    }
    until(lambda: len(deliveries(api, state="delivered")) == 3 or None)
    again = receiver.wait_for(5)[3:]
    assert sorted(ids(receiver)[3:]) == sorted(team["id"] for team in lost)
    assert {request.id for request in again} <= {request.id for request in receiver.received[:3]}


def test_what_failed_outside_of_the_window_stays(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    early, late = failed(api, receiver, "early", "late")
    moved = "UPDATE webhook_deliveries SET created_at = $2 WHERE tenant_id = $1 AND object_id = $3"
    stage.sql(moved, api.tenant.id, datetime(2026, 3, 1, tzinfo=UTC), UUID(early["id"]))
    stage.sql(moved, api.tenant.id, datetime(2026, 3, 3, tzinfo=UTC), UUID(late["id"]))

    found = ended(api, ask(api, endpoint, "recover", since="2026-03-01T00:00:00Z", until="2026-03-03T00:00:00Z"))

    # The window begins with its first instant and ends before its last.
    assert found["queued_count"] == 1
    assert receiver.wait_for(3)[2].message["data"]["object"]["id"] == early["id"]


def test_a_new_endpoint_can_be_sent_what_happened_before_it(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    teams = [create(api, "teams", name=name) for name in ("one", "two", "three")]
    create(api, "users", name="Ada", email="ada@service.example")
    endpoint = an_endpoint(api, receiver)

    found = ended(api, ask(api, endpoint, "replay", since=LONG_AGO))

    assert found["queued_count"] == 3
    received = receiver.wait_for(3)
    assert sorted(ids(receiver)) == sorted(team["id"] for team in teams)
    for request in received:
        request.verify(endpoint["secret"])
    known = {event["id"] for event in events(stage, api, type="team.created")}
    assert {request.id for request in received} == known


def test_what_was_delivered_arrives_again_under_the_same_id_and_is_logged_once(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="one")
    delivery = in_state(api, "delivered")

    ended(api, ask(api, endpoint, "replay", since=LONG_AGO))

    first, second = receiver.wait_for(2)
    assert first.id == second.id
    until(lambda: deliveries(api)[0]["attempt_count"] == 2 or None)
    assert [found["id"] for found in deliveries(api)] == [delivery["id"]]


def test_a_replay_begins_after_a_cursor_and_takes_only_the_types_asked_for(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="before")
    settle(stage, api)
    cursor = api.get("/v1/events", params={"after": "end"}).json()["page"]["next_cursor"]
    team = create(api, "teams", name="after")
    api.patch(f"/v1/teams/{team['id']}", json={"name": "renamed"})
    receiver.wait_for(3)
    until(lambda: len(deliveries(api, state="delivered")) == 3 or None)

    found = ended(api, ask(api, endpoint, "replay", after=cursor, event_types=["team.updated", "user.*"]))

    assert (found["event_types"], found["queued_count"]) == (["team.updated", "user.*"], 1)
    again = receiver.wait_for(4)[3]
    assert (again.message["type"], again.message["data"]["object"]["id"]) == ("team.updated", team["id"])


def test_a_replay_ends_with_what_had_happened_when_it_was_asked_for(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="one")
    in_state(api, "delivered")
    with a_transaction(stage, api):
        answer = ask(api, endpoint, "replay", since=LONG_AGO)
        create(api, "teams", name="two")
        receiver.wait_for(2)
        assert api.get(answer.headers["location"]).json()["state"] == "running"

    assert ended(api, answer)["queued_count"] == 1
    assert len(receiver.wait_for(3)) == 3
    # What has arrived is recorded a moment later.
    until(lambda: len(deliveries(api, state="pending")) == 0 or None)
    assert sorted(found["attempt_count"] for found in deliveries(api)) == [1, 2]


def test_a_long_log_is_worked_off_in_steps_and_nothing_is_left_out_or_sent_twice(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    objects = [an_id() for _ in range(1_100)]

    async def make() -> None:
        cause = Cause("command", "test")
        async with unit_of_work(stage.runtime, system(api.tenant.id), cause=cause, request_id="test") as ctx:
            for object_id in objects:
                record(ctx, "team.created", object_id=object_id, version=1)

    stage.run(make())
    endpoint = an_endpoint(api, receiver, max_in_flight=64)

    found = ended(api, ask(api, endpoint, "replay", since=LONG_AGO))

    receiver.wait_for(1_100, seconds=60)
    until(lambda: len(deliveries(api, state="pending")) == 0 or None)
    assert found["queued_count"] == 1_100
    assert found["looked_at_count"] >= 1_100
    assert sorted(ids(receiver)) == sorted(str(object_id) for object_id in objects)


def test_one_replay_at_a_time_goes_to_an_endpoint_and_it_can_be_cancelled(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    replay_id = an_id()
    # One that no worker goes on with.
    stage.sql(
        """
        INSERT INTO webhook_replays (tenant_id, id, endpoint_id, scope, since, event_types, state, progress_percent,
            looked_at_count, queued_count, created_at, updated_at)
        VALUES ($1, $2, $3, 'all', now(), '{*}', 'running', 40, 0, 0, now(), now())
        """,
        api.tenant.id,
        replay_id,
        UUID(endpoint["id"]),
    )

    refused = [ask(api, endpoint, "replay", since=LONG_AGO), ask(api, endpoint, "recover", since=LONG_AGO)]
    cancelled = api.post(f"/v1/webhook-replays/{replay_id}/cancel")
    again = api.post(f"/v1/webhook-replays/{replay_id}/cancel")

    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (409, "replay_running")
        assert answer.json()["params"] == {"replay_id": str(replay_id)}
    assert (cancelled.json()["state"], cancelled.json()["cancelled_reason"]) == ("cancelled", "requested")
    assert (again.status_code, again.json()["code"]) == (409, "replay_ended")
    assert ended(api, ask(api, endpoint, "recover", since=LONG_AGO))["state"] == "done"


def test_a_cancelled_replay_queues_nothing_more(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="one")
    in_state(api, "delivered")
    with a_transaction(stage, api):
        answer = ask(api, endpoint, "replay", since=LONG_AGO)
        api.post(f"{answer.headers['location']}/cancel")

    def job_is_gone() -> bool | None:
        query = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.replay'"
        return None if stage.sql(query, api.tenant.id) else True

    until(job_is_gone)
    found = ended(api, answer)
    assert (found["state"], found["queued_count"]) == ("cancelled", 0)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("gone", ["endpoint_disabled", "endpoint_deleted"])
def test_a_replay_ends_with_its_endpoint(stage: Stage, api: Client, receiver: WebhookReceiver, gone: str) -> None:
    endpoint = an_endpoint(api, receiver)
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    step, waiting = (
        "UPDATE jobs SET",
        "WHERE tenant_id = $1 AND kind = 'webhooks.replay' AND lease_token IS NULL RETURNING id",
    )
    with a_transaction(stage, api):
        answer = ask(api, endpoint, "replay", since=LONG_AGO)
        # No step is under way while the endpoint goes.
        until(lambda: stage.sql(f"{step} run_at = now() + interval '1 hour' {waiting}", api.tenant.id) or None)
        if gone == "endpoint_disabled":
            api.patch(path, json={"is_enabled": False})
        else:
            api.delete(path)
        stage.sql(f"{step} run_at = now() {waiting}", api.tenant.id)

    found = ended(api, answer)
    assert (found["state"], found["cancelled_reason"]) == ("cancelled", gone)


def test_nothing_is_replayed_to_an_endpoint_that_is_off(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"is_enabled": False})

    for answer in (ask(api, endpoint, "replay", since=LONG_AGO), ask(api, endpoint, "recover", since=LONG_AGO)):
        assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert api.get("/v1/webhook-replays").json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": LONG_AGO, "after": "end"},
        {"since": "2026-03-02T00:00:00Z", "until": "2026-03-02T00:00:00Z"},
        {"since": LONG_AGO, "event_types": []},
        {"since": LONG_AGO, "event_types": ["nothing.*"]},
    ],
    ids=["no beginning", "two beginnings", "ends as it begins", "no type", "unknown type"],
)
def test_a_replay_needs_one_beginning_and_known_types(api: Client, body: dict[str, Any]) -> None:
    answer = api.post(f"/v1/webhook-endpoints/{an_id()}/replay", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def test_who_may_not_read_the_objects_cannot_have_them_sent(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    thin, full = (
        an_endpoint(api, receiver, "team.*", "ticket.*"),
        an_endpoint(api, receiver, payload="full", field_groups=["*"]),
    )
    narrow = stage.client(api.tenant, stage.key(api.tenant, ("webhook-endpoints:write", "teams:read"), field_groups=()))
    with narrow:
        refused = ask(narrow, thin, "replay", since=LONG_AGO)
        values = ask(narrow, full, "replay", since=LONG_AGO)
        allowed = ask(narrow, thin, "replay", since=LONG_AGO, event_types=["team.*"])

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_permission")
    assert (values.status_code, values.json()["code"]) == (403, "full_payload_denied")
    assert ended(api, allowed)["state"] == "done"


def test_a_replay_and_the_dispatch_of_the_same_event_make_one_delivery(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    held = an_id()
    (row,) = stage.sql("SELECT now() + interval '1 hour' AS later")
    # An event that no worker has dispatched yet.
    stage.sql(
        """
        WITH happened AS (
            INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
                cause_type, cause_id, occurred_at)
            VALUES ($1, $2, 'team.created', 'team', $2, 1, '{}', '{}', 'system', 'command', 'test', now())
        )
        INSERT INTO jobs (tenant_id, id, kind, payload, run_at)
        VALUES ($1, $2, 'events.dispatch', jsonb_build_object('event_ids', jsonb_build_array($2::text)), $3)
        """,
        api.tenant.id,
        held,
        row["later"],
    )
    assert row["later"] - datetime.now(UTC) > timedelta(minutes=50)

    assert ended(api, ask(api, endpoint, "replay", since=LONG_AGO))["queued_count"] == 1
    receiver.wait_for(1)
    stage.sql("UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND kind = 'events.dispatch'", api.tenant.id)

    until(
        lambda: None if stage.sql("SELECT 1 FROM jobs WHERE tenant_id = $1 AND id = $2", api.tenant.id, held) else True
    )
    create(api, "teams", name="later")
    receiver.wait_for(2)
    assert [request.id for request in receiver.received].count(str(held)) == 1
    assert len(deliveries(api)) == 2
