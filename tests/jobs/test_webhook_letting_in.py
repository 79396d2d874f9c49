"""What lets messages in at a receiver: access tokens that are fetched and renewed, and certificates of ours."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
import trustme

from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.outbound import OutboundClient
from helpdesk_api.webhooks.session import deliver
from tests.jobs.webhooks import after_attempts, an_endpoint, create, in_state, until
from tests.kit.receivers import OK, answering, receiving
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage, an_id

AUTHORITY = trustme.CA()
_issued = AUTHORITY.issue_cert("helpdesk@service.example")
CERTIFICATE = {
    "certificate": _issued.cert_chain_pems[0].bytes().decode(),
    "private_key": _issued.private_key_pem.bytes().decode(),
}


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[WebhookReceiver]:
    """Run a token endpoint, which gives another token each time: every worker that sends asks for its own."""
    with WebhookReceiver() as running:
        yield running


def gives_tokens(issuer: WebhookReceiver) -> None:
    issuer.answer_next(*(token(f"token{number}") for number in range(50)))


def token(text: str) -> Answer:
    return Answer(body=b'{"access_token": "%b", "token_type": "bearer", "expires_in": 3600}' % text.encode())


def oauth2(issuer: WebhookReceiver, **more: object) -> dict[str, object]:
    return {"type": "oauth2", "token_url": issuer.url, "client_id": "helpdesk", "secret": "canary-secret"} | more


def test_an_access_token_is_fetched_by_each_worker_once_and_goes_with_every_message(
    stage: Stage, api: Client, receiver: WebhookReceiver, issuer: WebhookReceiver
) -> None:
    gives_tokens(issuer)
    endpoint = an_endpoint(api, receiver, authentication=oauth2(issuer, scope="hooks.write"))
    create(api, "teams", name="one")
    create(api, "teams", name="two")

    messages = receiver.wait_for(2)

    for request in (*receiver.pings, *messages):
        request.verify(endpoint["secret"])
    sent = {request.headers["authorization"] for request in (*receiver.pings, *messages)}
    assert sent == {f"Bearer token{number}" for number in range(len(issuer.received))}
    asked = issuer.received[0]
    assert asked.headers["authorization"] == "Basic aGVscGRlc2s6Y2FuYXJ5LXNlY3JldA=="
    assert asked.body == b"grant_type=client_credentials&scope=hooks.write"
    shown = api.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["authentication"]
    assert shown == oauth2(issuer, scope="hooks.write", secret=None, username=None)
    stored = "".join(str(row[0]) for row in stage.sql("SELECT w::text FROM webhook_endpoints AS w"))
    assert "canary" not in stored + api.get("/v1/events?limit=200").text
    assert b"canary-secret".hex() not in stored


def test_a_token_that_is_refused_is_replaced_within_the_attempt(
    api: Client, receiver: WebhookReceiver, issuer: WebhookReceiver
) -> None:
    gives_tokens(issuer)
    an_endpoint(api, receiver, authentication=oauth2(issuer))
    receiver.answer_next(Answer(401))

    create(api, "teams", name="one")

    refused, taken = (request.headers["authorization"] for request in receiver.wait_for(2))
    assert refused != taken == f"Bearer token{len(issuer.received) - 1}"
    assert in_state(api, "delivered")["attempt_count"] == 1


def test_a_receiver_that_refuses_every_token_is_asked_twice_in_an_attempt(
    api: Client, receiver: WebhookReceiver, issuer: WebhookReceiver
) -> None:
    gives_tokens(issuer)
    an_endpoint(api, receiver, authentication=oauth2(issuer))
    receiver.answer_next(Answer(401), Answer(401))

    create(api, "teams", name="one")

    failed = after_attempts(api, 1)
    assert (failed["state"], failed["last_status"], len(receiver.received)) == ("pending", 401, 2)


def test_without_a_token_nothing_is_sent_and_the_attempt_says_why(
    api: Client, receiver: WebhookReceiver, issuer: WebhookReceiver
) -> None:
    issuer.answer_next(Answer(400, body=b'{"error": "invalid_client"}'))
    created = create(api, "webhook-endpoints", url=receiver.url, authentication=oauth2(issuer))

    def look() -> str | None:
        found = api.get("/v1/webhook-deliveries", params={"endpoint_id": created["id"]}).json()["data"]
        return next((each["last_error"] for each in found if each["attempt_count"]), None)

    assert until(look) == "token_not_obtained"
    assert (receiver.received, receiver.pings) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"authentication": {"type": "oauth2", "client_id": "helpdesk", "token_url": "http://127.0.0.1:9/mine"}},
        {"authentication": {"type": "bearer"}},
        {"url": "http://127.0.0.1:9/mine"},
    ],
    ids=["to another issuer", "as a token", "to another receiver"],
)
def test_a_stored_secret_is_not_sent_where_it_was_not_sent_before(
    api: Client, receiver: WebhookReceiver, issuer: WebhookReceiver, change: dict[str, Any]
) -> None:
    gives_tokens(issuer)
    path = f"/v1/webhook-endpoints/{an_endpoint(api, receiver, authentication=oauth2(issuer))['id']}"
    before = api.get(path).json()

    refused = api.patch(path, json=change)
    kept = api.patch(path, json={"authentication": oauth2(issuer, secret=None, scope="more")})
    moved = api.patch(path, json={"url": f"{receiver.url}/elsewhere"})

    assert (refused.status_code, refused.json()["code"]) == (422, "secret_missing")
    assert before["version"] + 2 == moved.json()["version"]
    assert (kept.status_code, moved.status_code) == (200, 200)


def test_a_secret_header_does_not_move_with_its_endpoint_unless_it_is_given_again(
    api: Client, receiver: WebhookReceiver
) -> None:
    header = {"name": "X-Key", "value": "canary", "is_secret": True}
    path = f"/v1/webhook-endpoints/{an_endpoint(api, receiver, headers=[header])['id']}"

    refused = api.patch(path, json={"url": "http://127.0.0.1:9/mine"})
    given = api.patch(path, json={"url": "http://127.0.0.1:9/mine", "headers": [header]})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/headers/0/value")
    assert given.status_code == 200


@pytest.mark.parametrize(
    ("authentication", "pointer", "code"),
    [
        ({"type": "oauth2", "client_id": "x", "secret": "x"}, "#/authentication", "validation_failed"),
        (
            {"type": "oauth2", "token_url": "http://127.0.0.1:9/", "secret": "x"},
            "#/authentication",
            "validation_failed",
        ),
        ({"type": "bearer", "secret": "x", "scope": "x"}, "#/authentication", "validation_failed"),
        (
            {"type": "oauth2", "token_url": "http://127.0.0.1:9/", "client_id": "x"},
            "#/authentication/secret",
            "secret_missing",
        ),
        (
            {"type": "oauth2", "token_url": "http://10.0.0.1/", "client_id": "x", "secret": "x"},
            "#/authentication/token_url",
            "unsafe_url",
        ),
    ],
    ids=["no address", "no id", "a scope for nothing", "no secret", "a private address"],
)
def test_what_no_token_can_be_asked_for_with_is_refused(
    api: Client, authentication: dict[str, str], pointer: str, code: str
) -> None:
    answer = api.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/", "authentication": authentication})

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, code, pointer)


def asking_for_a_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.mark.parametrize("shows_it", [True, False], ids=["with it", "without"])
def test_a_receiver_that_asks_for_a_certificate_gets_the_message_only_with_it(
    stage: Stage, api: Client, *, shows_it: bool
) -> None:
    certificate = CERTIFICATE if shows_it else None

    async def attempt() -> int:
        """Let a worker that trusts the receiver send the ping; the one of the stage does not."""
        async with (
            receiving(answering(OK), tls=asking_for_a_certificate()) as listening,
            OutboundClient(allow=(ip_network("127.0.0.0/8"),), make_tls=trusting) as outbound,
        ):
            url = f"https://127.0.0.1:{listening.port}/"
            await change_url(url)
            job = await claimed()
            await deliver(replace(stage.runtime, outbound=outbound), api.tenant.id, [job])
            return len(listening.requests)

    async def change_url(url: str) -> None:
        await stage._sql("UPDATE webhook_endpoints SET url = $2 WHERE id = $1", (UUID(created["id"]), url))

    async def claimed() -> Job:
        lease = an_id()
        (row,) = await stage._sql(
            """
            UPDATE jobs SET lease_token = $2, run_at = now() + interval '1 hour'
            WHERE tenant_id = $1 AND kind = 'webhooks.ping' RETURNING id, kind, payload::text, lane, run_at
            """,
            (api.tenant.id, lease),
        )
        payload = json.loads(row["payload"])
        return Job(api.tenant.id, row["id"], row["kind"], payload, row["lane"], lease, 0, row["run_at"])

    created = create(api, "webhook-endpoints", url="https://127.0.0.1:9/", client_certificate=certificate)
    until(lambda: stage.sql("SELECT 1 FROM webhook_attempts WHERE endpoint_id = $1", UUID(created["id"])) or None)

    arrived = stage.run(attempt())

    found = api.get(f"/v1/webhook-endpoints/{created['id']}").json()
    assert (arrived, found["verified_at"] is not None) == ((1, True) if shows_it else (0, False))
    if shows_it:
        assert found["client_certificate"] == {"certificate": CERTIFICATE["certificate"], "private_key": None}
    stored = stage.sql("SELECT w::text FROM webhook_endpoints AS w WHERE id = $1", UUID(created["id"]))
    assert "PRIVATE KEY" not in stored[0][0]
    assert b"PRIVATE KEY".hex() not in stored[0][0]


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"url": "http://127.0.0.1:9/"}, "#/client_certificate", "invalid_client_certificate"),
        (
            {"client_certificate": CERTIFICATE | {"private_key": None}},
            "#/client_certificate/private_key",
            "secret_missing",
        ),
        (
            {"client_certificate": CERTIFICATE | {"certificate": "none"}},
            "#/client_certificate/certificate",
            "invalid_client_certificate",
        ),
        (
            {"client_certificate": CERTIFICATE | {"private_key": "none"}},
            "#/client_certificate",
            "invalid_client_certificate",
        ),
    ],
    ids=["without TLS", "no key", "no certificate", "no readable key"],
)
def test_a_certificate_that_could_not_be_shown_is_refused(
    api: Client, values: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"url": "https://127.0.0.1:9/", "client_certificate": CERTIFICATE} | values

    answer = api.post("/v1/webhook-endpoints", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, code, pointer)
    assert api.get("/v1/webhook-endpoints").json()["data"] == []
