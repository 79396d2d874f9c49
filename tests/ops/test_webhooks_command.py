"""`helpdesk webhooks listen`: a tenant's events on a developer's machine, as the webhooks that they will be."""

import base64
import json
import re
import secrets
from collections.abc import Iterator

import pytest

from tests.jobs.webhooks import create, settle
from tests.ops.commands import Outcome, environment, helpdesk
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage

SECRET = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def end_of_feed(stage: Stage, api: Client) -> str:
    settle(stage, api)
    cursor: str = api.get("/v1/events", params={"after": "end"}).json()["page"]["next_cursor"]
    return cursor


def listen(api: Client, forward: str, *more: str, key: str = "") -> Outcome:
    env = environment(None, HELPDESK_URL=str(api.base_url), HELPDESK_KEY=key or api.key)
    return helpdesk("webhooks", "listen", "--forward", forward, *more, env=env)


def test_events_are_forwarded_signed_and_shown_and_a_later_run_goes_on(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    cursor = end_of_feed(stage, api)
    teams = [create(api, "teams", name=name)["id"] for name in ("one", "two")]
    receiver.answer_next(Answer(200), Answer(500))

    outcome = listen(api, receiver.url, "--after", cursor, "--limit", "2", "--json", "--secret", SECRET)

    received = receiver.wait_for(2)
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == 0, outcome.said
    assert [(line["type"], line["object_id"], line["status"]) for line in told] == [
        ("team.created", teams[0], 200),
        ("team.created", teams[1], 500),
    ]
    for request, line in zip(received, told, strict=True):
        request.verify(SECRET)
        assert request.id == request.message["data"]["id"] == line["id"]
        assert (request.message["data"]["changes"], "authorization" in request.headers) == (None, False)
    # The second was tried once; what comes next is news.
    third = create(api, "teams", name="three")["id"]
    (goes_on,) = re.findall(r"--after (\S+)", outcome.said)
    listen(api, receiver.url, "--after", goes_on, "--limit", "1", "--json")
    assert [request.message["data"]["object"]["id"] for request in receiver.received] == [*teams, third]


def test_what_is_forwarded_is_what_an_endpoint_is_sent(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    cursor = end_of_feed(stage, api)
    create(api, "webhook-endpoints", url=receiver.url, event_types=["team.*"])
    create(api, "teams", name="one")
    (sent,) = receiver.wait_for(1)

    listen(api, receiver.url, "--after", cursor, "--limit", "1", "--type", "team.*")

    forwarded = receiver.wait_for(2)[1]
    assert (forwarded.id, forwarded.message) == (sent.id, sent.message)


def test_a_person_is_shown_a_line_for_each_event_and_the_secret_that_was_made(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    cursor = end_of_feed(stage, api)
    team = create(api, "teams", name="one")["id"]
    create(api, "users", name="Ada", email="ada@service.example")

    outcome = listen(api, receiver.url, "--after", cursor, "--limit", "1", "--type", "team.*")

    (request,) = receiver.wait_for(1)
    lines = " ".join(outcome.out.split())
    request.verify(re.findall(r"Signed with (whsec_\S+)", lines)[0])
    assert re.search(rf"team.created team {team} 200 \d+ ms", lines), lines
    assert "team.*" in lines


def test_a_receiver_that_is_not_there_is_shown_and_holds_up_nothing(stage: Stage, api: Client) -> None:
    cursor = end_of_feed(stage, api)
    create(api, "teams", name="one")
    create(api, "teams", name="two")

    outcome = listen(api, "http://127.0.0.1:9/", "--after", cursor, "--limit", "2", "--json")

    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(line["status"], line["error"]) for line in told] == [(None, "ConnectError")] * 2


@pytest.mark.parametrize(
    ("arguments", "key", "code", "said"),
    [
        (("--after", "nothing"), "", 1, "cursor_mismatch"),
        (("--type", "nothing.*", "--after", "end"), "", 1, "unknown_event_type"),
        ((), "hd_live_wrong", 1, "401 unauthenticated"),
        (("--secret", "no base64 !"), "", 2, "base64"),
    ],
    ids=["cursor", "type", "key", "secret"],
)
def test_what_the_server_or_the_signature_does_not_take_ends_it(
    api: Client, arguments: tuple[str, ...], key: str, code: int, said: str
) -> None:
    outcome = listen(api, "http://127.0.0.1:9/", *arguments, key=key)

    assert outcome.code == code
    assert said in outcome.said
