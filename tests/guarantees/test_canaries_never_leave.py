"""What nobody may see leaves by no side door: not by logs, however talkative, not by metrics, not by webhooks."""

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID, uuid4

import httpx2
import pyotp
import pytest
from argon2 import PasswordHasher

from tests.factories import Json, a_company, a_contact, a_note, a_ticket, a_user, create, patch
from tests.guarantees.plant import API, Plant, Worker, until
from tests.guarantees.report import tell
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client

# Of people: what is in notes, cards and tickets, and of whom somebody asks.
CONFIDENTIAL = {
    "a note": "canary-of-a-note",
    "a card": "canary-of-the-card",
    "an address": "canary.address@client.example",
    "a colleague": "canary.colleague@service.example",
    "a telephone": "+390699887711",
    "a tag": "canary-tag",
    "a subject": "canary-of-the-subject",
    "a search": "canary.search@client.example",
    "a refused body": "canary-of-a-refused-body",
    "a reason": "canary-of-a-reason",
}
# Of the tenant and its people: what opens something.
PASSWORD = "canary geese over Trieste"
WRONG_PASSWORD = "canary that is no password"
CREDENTIAL = "canary-of-a-receiver-password"
TALKATIVE = {"HELPDESK_LOG_LEVEL": "debug", "HELPDESK_USAGE_SECONDS": "0.2"}
SENT_ALL = """
SELECT count(*) AS n FROM jobs WHERE tenant_id = $1 AND kind IN ('webhooks.deliver', 'events.dispatch', 'emails.send')
"""


def live_through(plant: Plant, client: Client, receiver: WebhookReceiver) -> dict[str, str]:
    """Do all that tells something; gives the secrets that came up meanwhile."""
    endpoint = create(
        client,
        "webhook-endpoints",
        url=receiver.url,
        event_types=["*"],
        authentication={"type": "basic", "username": "desk", "secret": CREDENTIAL},
    )
    company = a_company(client, notes=CONFIDENTIAL["a card"])
    contact = a_contact(
        client,
        company_id=company["id"],
        emails=[CONFIDENTIAL["an address"]],
        phones=[CONFIDENTIAL["a telephone"]],
        notes=CONFIDENTIAL["a card"],
    )
    role = create(client, "roles", name=f"Own {uuid4()}", permissions=["*:read", "*:write"], reach="all")
    user = a_user(client, email=CONFIDENTIAL["a colleague"], role_id=role["id"])
    ticket = a_ticket(client, subject=CONFIDENTIAL["a subject"], contact_id=contact["id"])
    patch(client, f"tickets/{ticket['id']}", tags=[CONFIDENTIAL["a tag"]], assignee_id=user["id"])
    create(
        client, f"tickets/{ticket['id']}/comments", kind="note", body=CONFIDENTIAL["a note"], author_user_id=user["id"]
    )
    a_note(client, ticket, author_user_id=user["id"])
    secrets = {"an endpoint's secret": str(endpoint["secret"]), **signed_in(plant, client, user)}
    key = create(client, "api-keys", name="Canary", scopes=["tickets:read"])["key"]
    refused(client, str(key))
    asked = client.post(f"/v1/contacts/{contact['id']}/erase", json={"reason": CONFIDENTIAL["a reason"]})
    assert asked.status_code == 202, asked.text
    return secrets | {"an API key": str(key)}


def signed_in(plant: Plant, client: Client, user: Json) -> dict[str, str]:
    """Sign in, wrongly and rightly, and add a second factor; gives what opens something."""
    plant.sql(
        "INSERT INTO passwords (tenant_id, id, user_id, hash, changed_at) VALUES ($1, $2, $3, $4, now())",
        client.tenant.id,
        uuid4(),
        UUID(user["id"]),
        PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD),
    )
    nobody = {"authorization": ""}
    person = {"tenant_id": str(client.tenant.id), "email": user["email"]}
    wrong = client.post("/v1/sign-in/password", json=person | {"password": WRONG_PASSWORD}, headers=nobody)
    tokens = client.post("/v1/sign-in/password", json=person | {"password": PASSWORD}, headers=nobody).json()
    own = {"authorization": f"Bearer {tokens['access_token']}"}
    begun = client.post("/v1/me/second-factor", json={"current_password": PASSWORD}, headers=own)
    code = pyotp.TOTP(begun.json()["secret"]).now()
    codes = client.post("/v1/me/second-factor/confirm", json={"code": code}, headers=own).json()["recovery_codes"]
    client.post("/v1/sign-in/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=nobody)
    client.post("/v1/sign-in/password-reset", json=person, headers=nobody)
    assert wrong.status_code == 401
    return {
        "an access token": tokens["access_token"],
        "a refresh token": tokens["refresh_token"],
        "a secret of a second factor": begun.json()["secret"],
        "a recovery code": codes[0],
    }


def refused(client: Client, key: str) -> None:
    """Send what is refused, with a canary wherever a log line could pick it up."""
    body = CONFIDENTIAL["a refused body"]
    answers = [
        client.post("/v1/tickets", json={"subject": body, "colour": body}),
        client.post("/v1/tickets", json={"subject": body, "contact_id": body}),
        client.post(
            "/v1/tickets", content=f'{{"subject": "{body}'.encode(), headers={"content-type": "application/json"}
        ),
        client.patch(f"/v1/tickets/{uuid4()}", json={"subject": body}),
        client.get("/v1/contacts", params={"email": CONFIDENTIAL["a search"], "colour": "x"}),
        client.get(f"/v1/nothing/{body}"),
        client.get("/v1/teams", headers={"authorization": f"Bearer {key[:-1]}"}),
        client.get("/v1/teams", headers={"authorization": f"Basic {key}"}),
        client.get("/v1/companies", headers={"authorization": f"Bearer {key}"}),
    ]
    assert {answer.status_code for answer in answers} == {400, 401, 403, 404, 422}
    found = client.get("/v1/contacts", params={"email": CONFIDENTIAL["a search"]})
    assert found.json()["data"] == []


def told(api: API, worker: Worker, receiver: WebhookReceiver) -> dict[str, str]:
    """Give all that leaves by a side door."""
    return {
        "the log of the API": api.output,
        "the log of the worker": worker.output,
        "the metrics": httpx2.get(f"{api.url}/metrics", trust_env=False).text,
        "webhooks": "\n".join(each.body.decode() for each in receiver.received),
    }


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def test_no_canary_and_no_secret_is_in_a_log_a_metric_or_a_webhook(plant: Plant, receiver: WebhookReceiver) -> None:
    with ExitStack() as parts:
        api = parts.enter_context(plant.api(**TALKATIVE))
        worker = parts.enter_context(plant.worker(**TALKATIVE))
        client = parts.enter_context(plant.client(api))
        # A receiver that fails shows what is logged of a failure; one that echoes tries to get back what it was sent.
        receiver.answer_next(Answer(), Answer(500, body=CONFIDENTIAL["a card"].encode()))
        secrets = live_through(plant, client, receiver)
        until(lambda: plant.sql(SENT_ALL, client.tenant.id)[0]["n"] == 0, "everything is sent", seconds=60)

        canaries = CONFIDENTIAL | {
            "a password": PASSWORD,
            "a wrong password": WRONG_PASSWORD,
            "a receiver's password": CREDENTIAL,
            "the key of the client": client.key,
            **secrets,
        }
        left = {
            (what, where)
            for where, text in told(api, worker, receiver).items()
            for what, canary in canaries.items()
            if canary in text
        }
        tell("canaries_never_leave", n=len(canaries), faults=0, lost=0, dup=0, left=len(left))
        assert left == set()
        # The doors were open: each of them told something.
        assert "/v1/tickets" in api.output
        assert "email.not_sent" in worker.output
        assert len(receiver.received) > len(CONFIDENTIAL)
        assert (api.defects, worker.defects) == ([], [])
