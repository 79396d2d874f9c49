"""The life of an endpoint: verified by a ping, paused and resumed, found failing, given up, and never in plain text."""

import base64
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.conftest import MakeSandbox
from tests.jobs.webhooks import (
    after_attempts,
    an_endpoint,
    create,
    deliveries,
    events,
    in_state,
    make_due,
    until,
    verified,
)
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def path_of(endpoint: dict[str, Any], action: str = "") -> str:
    return f"/v1/webhook-endpoints/{endpoint['id']}{action}"


def events_of(stage: Stage, api: Client, endpoint: dict[str, Any]) -> list[str]:
    return [event["type"].partition(".")[2] for event in events(stage, api, object_id=endpoint["id"])]


def test_a_signed_ping_that_gets_2xx_verifies_a_new_endpoint(
    stage: Stage, sandbox: MakeSandbox, receiver: WebhookReceiver
) -> None:
    api = sandbox()
    created = create(api, "webhook-endpoints", url=receiver.url)

    found = verified(api, created["id"])

    (ping,) = receiver.pings
    ping.verify(created["secret"])
    assert (created["verified_at"], ping.message["data"]["object"]["id"]) == (None, created["id"])
    assert events_of(stage, api, created)[:3] == ["created", "ping", "verified"]
    (event,) = events(stage, api, type="webhook_endpoint.verified")
    assert event["changes"] == {"verified_at": [None, found["verified_at"]]}
    assert event["occurred_at"] == "2026-03-02T08:00:00Z"


def test_what_happens_before_the_ping_gets_through_waits_and_is_then_sent(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    receiver.answer_pings(Answer(500))
    endpoint = create(api, "webhook-endpoints", url=receiver.url, event_types=["team.*"])
    create(api, "teams", name="Night shift")
    ping = until(lambda: next(iter(pings(api)), None))
    (waiting,) = until(lambda: deliveries(api) or None)
    assert (waiting["state"], waiting["attempt_count"], receiver.received) == ("pending", 0, [])

    answer = api.post(path_of(endpoint, "/ping"))

    assert (answer.status_code, ping["state"]) == (202, "pending")
    assert receiver.wait_for(1)[0].id == waiting["event_id"]
    assert verified(api, endpoint["id"])["version"] == 2
    assert {delivery["event_id"] for delivery in pings(api)} == {ping["event_id"], answer.json()["event_id"]}


def pings(api: Client) -> list[dict[str, Any]]:
    """Give the deliveries of pings that were tried."""
    found = api.get("/v1/webhook-deliveries", params={"event_type": "webhook_endpoint.ping"}).json()["data"]
    return [delivery for delivery in found if delivery["attempt_count"]]


def test_an_endpoint_whose_ping_never_gets_through_is_switched_off(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    receiver.answer_pings(Answer(400, headers={"webhook-delivery": "abort-message"}))
    endpoint = create(api, "webhook-endpoints", url=receiver.url, event_types=["team.*"])

    found = until(lambda: switched_off(api, endpoint))

    assert (found["disabled_reason"], found["verified_at"]) == ("unverified", None)
    assert events_of(stage, api, endpoint) == ["created", "ping", "disabled"]


def switched_off(api: Client, endpoint: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = api.get(path_of(endpoint)).json()
    return None if found["is_enabled"] else found


def test_an_endpoint_that_moves_is_verified_again_and_gets_nothing_before(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    with WebhookReceiver() as elsewhere:
        elsewhere.answer_pings(Answer(500))

        moved = api.patch(path_of(endpoint), json={"url": elsewhere.url}).json()
        create(api, "teams", name="Night shift")

        until(lambda: True if len(pings(api)) == 2 else None)
        assert (moved["verified_at"], receiver.received, elsewhere.received) == (None, [], [])
        api.post(path_of(endpoint, "/ping"))
        assert len(elsewhere.wait_for(1)) == 1
        assert receiver.received == []


def test_while_an_endpoint_is_paused_events_wait_and_use_up_no_attempts(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)

    paused = api.post(path_of(endpoint, "/pause")).json()
    create(api, "teams", name="Night shift")
    shut = "SELECT 1 FROM job_lanes WHERE id = $1 AND lease_token IS NULL AND due_at = 'infinity'"
    until(lambda: stage.sql(shut, endpoint["id"]) or None)
    (waiting,) = deliveries(api)
    again = api.post(path_of(endpoint, "/pause")).json()
    resumed = api.post(path_of(endpoint, "/resume")).json()

    receiver.wait_for(1)
    assert (waiting["state"], waiting["attempt_count"]) == ("pending", 0)
    assert again == paused
    assert (bool(paused["paused_at"]), resumed["paused_at"]) == (True, None)
    assert (paused["version"], resumed["version"]) == (3, 4)
    assert in_state(api, "delivered")["attempt_count"] == 1


def test_an_endpoint_is_switched_off_after_five_days_of_failures_only(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(*[Answer(500)] * 4)
    create(api, "teams", name="Night shift")
    for attempt in (1, 2):
        make_due(stage, after_attempts(api, attempt))
    delivery = after_attempts(api, 3)
    assert events_of(stage, api, endpoint)[-1] == "failing"
    # So much time passes.
    stage.sql(
        "UPDATE webhook_endpoint_health SET failing_since = failing_since - $2::interval WHERE id = $1",
        endpoint["id"],
        timedelta(days=5),
    )

    make_due(stage, delivery)

    found = until(lambda: switched_off(api, endpoint))
    assert found["disabled_reason"] == "failing"
    assert events_of(stage, api, endpoint)[-2:] == ["failing", "disabled"]
    make_due(stage, delivery)
    assert in_state(api, "cancelled")["attempt_count"] == 4


def test_who_may_change_endpoints_is_written_to_when_one_fails_and_when_it_is_given_up(
    stage: Stage, sandbox: MakeSandbox, receiver: WebhookReceiver
) -> None:
    api = sandbox()
    roles = {role["slug"]: role["id"] for role in api.get("/v1/roles").json()["data"]}
    for name, role, is_active in (("ada", "admin", True), ("bob", "agent", True), ("eve", "admin", False)):
        create(api, "users", name=name, email=f"{name}@desk.example", role_id=roles[role], is_active=is_active)
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(*[Answer(500)] * 3, Answer(410))
    create(api, "teams", name="Night shift")
    for attempt in (1, 2, 3):
        make_due(stage, after_attempts(api, attempt))

    written = until(lambda: mails_if(api, 2))

    until(lambda: switched_off(api, endpoint))
    assert [(mail["to_address"], mail["subject"]) for mail in written] == [
        ("ada@desk.example", "A webhook endpoint is failing: 127.0.0.1"),
        ("ada@desk.example", "A webhook endpoint was switched off: 127.0.0.1"),
    ]
    text = api.get(f"/v1/outbound-emails/{written[1]['id']}").json()["text"]
    assert text.startswith("The receiver at 127.0.0.1 answered 410: it wants no more messages.\n\nIts attempts: ")
    assert f"PATCH /v1/webhook-endpoints/{endpoint['id']}" in text


def mails_if(api: Client, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/outbound-emails", params={"sort": "created_at"}).json()["data"]
    return found if len(found) == number else []


def test_one_success_makes_a_failing_endpoint_well_again(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    receiver.answer_next(*[Answer(500)] * 3)
    create(api, "teams", name="Night shift")
    for attempt in (1, 2, 3):
        make_due(stage, after_attempts(api, attempt))

    after_attempts(api, 4)

    (health,) = stage.sql("SELECT * FROM webhook_endpoint_health WHERE id = $1", endpoint["id"])
    assert (health["failure_count"], health["first_failed_at"], health["failing_since"]) == (0, None, None)


def test_a_receiver_that_does_not_answer_is_left_alone_for_longer_and_longer(stage: Stage, api: Client) -> None:
    with WebhookReceiver() as receiver:
        endpoint = an_endpoint(api, receiver)
    create(api, "teams", name="Night shift")
    pauses = []

    for attempt in (1, 2, 3):
        delivery = after_attempts(api, attempt)
        (lane,) = stage.sql("SELECT not_before FROM job_lanes WHERE id = $1", endpoint["id"])
        (row,) = stage.sql("SELECT updated_at FROM webhook_deliveries WHERE id = $1", delivery["id"])
        pauses.append(lane["not_before"] - row["updated_at"])
        make_due(stage, delivery)

    assert pauses == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]


def test_headers_and_credentials_go_with_every_message_and_are_not_shown(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(
        api,
        receiver,
        headers=[
            {"name": "X-Environment", "value": "production"},
            {"name": "X-Api-Key", "value": "canary-key", "is_secret": True},
        ],
        authentication={"type": "basic", "username": "helpdesk", "secret": "canary-password"},
    )
    api.patch(path_of(endpoint), json={"description": "ERP"})
    create(api, "teams", name="Night shift")

    (request,) = receiver.wait_for(1)

    pair = base64.b64encode(b"helpdesk:canary-password").decode()
    sent = {name: request.headers[name] for name in ("x-environment", "x-api-key", "authorization")}
    assert sent == {"x-environment": "production", "x-api-key": "canary-key", "authorization": f"Basic {pair}"}
    assert endpoint["headers"] == [
        {"name": "X-Environment", "value": "production", "is_secret": False},
        {"name": "X-Api-Key", "value": None, "is_secret": True},
    ]
    unused = dict.fromkeys(("token_url", "client_id", "scope"))
    assert endpoint["authentication"] == {"type": "basic", "username": "helpdesk", "secret": None, **unused}
    shown = api.get(path_of(endpoint)).text + api.get("/v1/events?limit=200").text
    assert "canary" not in shown
    assert stored_with(stage, api, "canary-key", "canary-password", endpoint["secret"], "whsk_") == []


def stored_with(stage: Stage, api: Client, *secrets: str) -> list[str]:
    """Name the tables in which a row of the tenant holds one of these, as text or as bytes."""
    tables = stage.sql("SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'")
    held = []
    for (name,) in tables:
        rows = stage.sql(f"SELECT t.*::text AS row FROM {name} AS t WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - one of our tables.
        whole = "".join(str(row["row"]) for row in rows)
        if any(secret in whole or secret.encode().hex() in whole for secret in secrets):
            held.append(name)
    return held


def test_a_bearer_token_is_replaced_and_kept_by_null(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver, authentication={"type": "bearer", "secret": "first"})

    api.patch(path_of(endpoint), json={"authentication": {"type": "bearer", "secret": None}})
    create(api, "teams", name="one")
    (kept,) = receiver.wait_for(1)
    changed = api.patch(path_of(endpoint), json={"authentication": {"type": "bearer", "secret": "second"}}).json()
    create(api, "teams", name="two")
    replaced = receiver.wait_for(2)[1]
    api.patch(path_of(endpoint), json={"authentication": None})
    create(api, "teams", name="three")
    without = receiver.wait_for(3)[2]

    assert [request.headers.get("authorization") for request in (kept, replaced, without)] == [
        "Bearer first",
        "Bearer second",
        None,
    ]
    assert changed["version"] == 3


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"headers": [{"name": "Authorization", "value": "x"}]}, "#/headers/0/name", "validation_failed"),
        ({"headers": [{"name": "webhook-id", "value": "x"}]}, "#/headers/0/name", "validation_failed"),
        ({"headers": [{"name": "a b", "value": "x"}]}, "#/headers/0/name", "validation_failed"),
        ({"headers": [{"name": "X", "value": "a\r\nb: c"}]}, "#/headers/0/value", "validation_failed"),
        ({"headers": [{"name": "X", "value": "1"}, {"name": "x", "value": "2"}]}, "#/headers", "validation_failed"),
        ({"headers": [{"name": "X", "value": None}]}, "#/headers/0/value", "secret_missing"),
        ({"headers": [{"name": "X", "value": None, "is_secret": True}]}, "#/headers/0/value", "secret_missing"),
        ({"authentication": {"type": "basic", "secret": "x"}}, "#/authentication", "validation_failed"),
        (
            {"authentication": {"type": "basic", "username": "a:b", "secret": "x"}},
            "#/authentication",
            "validation_failed",
        ),
        (
            {"authentication": {"type": "bearer", "username": "a", "secret": "x"}},
            "#/authentication",
            "validation_failed",
        ),
        ({"authentication": {"type": "bearer"}}, "#/authentication/secret", "secret_missing"),
    ],
)
def test_headers_and_credentials_that_cannot_be_sent_are_refused(
    api: Client, values: dict[str, Any], pointer: str, code: str
) -> None:
    answer = api.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/", **values})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == pointer
    assert api.get("/v1/webhook-endpoints").json()["data"] == []


def test_every_message_carries_an_asymmetric_signature_too_also_through_a_rotation(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    rotated = api.post(path_of(endpoint, "/rotate-secret")).json()
    create(api, "teams", name="Night shift")

    (request,) = receiver.wait_for(1)

    signed = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    given = [part for part in request.headers["webhook-signature"].split(" ") if part.startswith("v1a,")]
    assert len(given) == 2
    for written, signature in zip((rotated["public_key"], endpoint["public_key"]), given, strict=True):
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(written.removeprefix("whpk_")))
        public.verify(base64.b64decode(signature.removeprefix("v1a,")), signed)


def test_a_failing_endpoint_is_tried_with_one_message_at_a_time(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver, max_in_flight=8)
    receiver.answer_next(Answer(500))
    create(api, "teams", name="one")
    after_attempts(api, 1)
    released = threading.Event()
    api.post(path_of(endpoint, "/pause"))
    receiver.answer_next(Answer(held_until=released))
    for number in range(4):
        create(api, "companies", name=f"company {number}")
        create(api, "teams", name=f"team {number}")
    until(lambda: True if len(deliveries(api)) == 5 else None)

    api.post(path_of(endpoint, "/resume"))

    receiver.wait_for(2)
    assert receiver.most_at_once == 1
    released.set()
    receiver.wait_for(5)
