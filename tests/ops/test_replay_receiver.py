"""The receiver of a replay accepts what the published library signs, and nothing else."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from helpdesk_api.ops.replay_receiver import Receiver, listening

SECRET = "whsec_" + base64.b64encode(b"a secret for tests, 32 bytes it is").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret for tests, as long").decode()
BODY = json.dumps({"type": "ticket.created"})


def signed(body: str = BODY, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """Sign a message as the published library does."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg-1", at, body),
    }


@pytest.fixture
def receiver() -> Receiver:
    receiver = Receiver()
    receiver.trust(SECRET)
    return receiver


def test_what_the_published_library_signs_is_accepted(receiver: Receiver) -> None:
    assert receiver.take(signed(), BODY.encode(), now=time.time())

    assert receiver.arrivals == {"msg-1": 1}
    assert (receiver.duplicate_count, receiver.unverified_count) == (0, 0)


def test_one_good_signature_of_several_is_enough(receiver: Receiver) -> None:
    headers = signed()
    headers["webhook-signature"] = signed(secret=OTHER)["webhook-signature"] + " " + headers["webhook-signature"]

    assert receiver.take(headers, BODY.encode(), now=time.time())


@pytest.mark.parametrize(
    "change",
    [
        signed(secret=OTHER),
        signed('{"type": "ticket.deleted"}'),
        signed(at=datetime.now(UTC) - timedelta(minutes=6)),
        # Signed when the tests are collected, so it must still lie ahead at the end of a long run.
        signed(at=datetime.now(UTC) + timedelta(days=1)),
        {"webhook-id": "msg-2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "now"},
        {"webhook-signature": "v1,"},
    ],
)
def test_anything_else_is_refused_and_counted(receiver: Receiver, change: dict[str, str]) -> None:
    assert not receiver.take(signed() | change, BODY.encode(), now=time.time())

    assert receiver.unverified_count == 1
    assert receiver.arrivals == {}


def test_a_message_that_comes_again_is_a_duplicate(receiver: Receiver) -> None:
    for _ in range(3):
        receiver.take(signed(), BODY.encode(), now=time.time())

    assert receiver.duplicate_count == 2
    assert receiver.conflicting_ids == set()


def test_a_message_that_comes_again_with_another_body_is_told(receiver: Receiver) -> None:
    other = '{"type": "ticket.updated"}'

    receiver.take(signed(), BODY.encode(), now=time.time())
    receiver.take(signed(other), other.encode(), now=time.time())

    assert receiver.conflicting_ids == {"msg-1"}


async def test_it_answers_over_http_and_keeps_the_connection(receiver: Receiver) -> None:
    async with listening(receiver), httpx2.AsyncClient(trust_env=False) as client:
        accepted = await client.post(receiver.url, content=BODY, headers=signed())
        refused = await client.post(receiver.url, content="{}", headers=signed())

    assert (accepted.status_code, refused.status_code) == (204, 400)
