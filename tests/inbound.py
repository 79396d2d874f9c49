"""Hooks under test and messages to them: what every test of inbound messages begins with."""

import json
from pathlib import Path
from typing import Any

from tests.factories import Json, create, get
from tests.stage import Client

DATA = Path(__file__).parent / "data" / "inbound"
MAPPING = {"dedupe_key": "body.id", "subject": "body.text", "state": "body.state"}


def sample(name: str) -> bytes:
    """Give the message of a monitoring system, as it would come."""
    return (DATA / f"{name}.json").read_bytes()


def a_hook(api: Client, **values: object) -> Json:
    """Make a hook that takes `id`, `text` and `state`, and is shown with its token."""
    given: dict[str, object] = {"name": "Watcher"} | values
    if "preset" not in given:
        given = {"mapping": MAPPING} | given
    return create(api, "inbound-hooks", **given)


def send(api: Client, hook: Json, body: bytes | Json, **headers: str) -> Json:
    """Send a message as a stranger would, who has nothing but the address; gives what became of it."""
    answer = post(api, hook, body, **headers)
    assert answer.status_code == 202, answer.text
    receipt: Json = answer.json()
    return receipt


def post(api: Client, hook: Json, body: bytes | Json, **headers: str) -> Any:  # noqa: ANN401 - an answer.
    """Send a message without a key; gives the answer, whatever it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.post(
        f"/v1/inbound/{hook['token']}",
        content=content,
        headers={"authorization": "", "content-type": "application/json"} | named,
    )


def outcomes(receipt: Json) -> list[str]:
    """Give what became of each alert."""
    return [result["outcome"] for result in receipt["results"]]


def notes(api: Client, ticket_id: str) -> list[str]:
    """Give the texts of the notes on a ticket."""
    return [comment["body"] for comment in get(api, f"tickets/{ticket_id}/comments")["data"]]
