"""The form of messages: every endpoint keeps the one that it was made with, until its owner moves it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it brings no types.

from helpdesk_api.kit.schema import Output
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.payload_versions import Message, PayloadVersion, PayloadVersions
from tests.jobs.webhooks import an_endpoint, create, in_state
from tests.receivers import WebhookReceiver
from tests.stage import Client

FIRST, NEWEST = "2026-11-01", "2026-11-22"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def flat(message: dict[str, Any]) -> dict[str, Any]:
    """Say in the first form what a message of the newest says."""
    data = dict(message["data"])
    told = data.pop("object")
    data |= {"object_type": told["type"], "object_id": told["id"], "object_version": told["version"]}
    return {"type": message["type"], "timestamp": message["timestamp"], "data": data}


def test_an_endpoint_is_sent_its_own_version_and_a_new_one_the_newest(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    with WebhookReceiver() as other:
        pinned = an_endpoint(api, other, payload_version=FIRST, payload="full")

        team = create(api, "teams", name="Night shift")
        (new,), (old,) = receiver.wait_for(1), other.wait_for(1)

    assert (endpoint["payload_version"], pinned["payload_version"]) == (NEWEST, FIRST)
    assert [request.headers["webhook-payload-version"] for request in (new, old)] == [NEWEST, FIRST]
    old.verify(pinned["secret"])
    values = {"changes": {"name": [None, "Night shift"]}, "details": {}}
    assert old.message == flat({**new.message, "data": new.message["data"] | values})
    assert list(old.message["data"])[:4] == ["id", "object_type", "object_id", "object_version"]
    assert (old.message["data"]["object_id"], old.id) == (team["id"], new.id)


def test_moving_an_endpoint_holds_for_what_is_sent_from_then_on_also_again(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver, payload_version=FIRST, format="cloudevents")
    create(api, "teams", name="Night shift")
    delivery = in_state(api, "delivered")

    moved = api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"payload_version": NEWEST}).json()
    again = api.post(f"/v1/webhook-deliveries/{delivery['id']}/redeliver")
    before, after = receiver.wait_for(2)

    assert (moved["payload_version"], moved["verified_at"] is None, again.status_code) == (NEWEST, False, 202)
    assert [request.message["payloadversion"] for request in (before, after)] == [FIRST, NEWEST]
    assert before.id == after.id
    assert before.message["subject"] == after.message["subject"]
    assert flat({"type": "", "timestamp": "", "data": after.message["data"]})["data"] == before.message["data"]


def test_a_test_is_given_in_the_newest_form_and_sent_in_that_of_the_endpoint(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver, payload_version=FIRST)
    body = {"type": "ticket.created", "data": {"object": {"version": 7}}}

    event_id = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/test", json=body).json()["event_id"]

    (request,) = receiver.wait_for(1)
    example = flat(dict(EVENT_TYPES["ticket.created"].example))
    assert request.message["data"] == example["data"] | {"id": event_id, "object_version": 7}
    assert "payload_version" not in request.message


@pytest.mark.parametrize("version", ["2026-11-02", "newest", "", None, 20261122])
def test_a_version_that_there_is_not_is_refused(api: Client, version: object) -> None:
    body = {"url": "https://hooks.client.example/", "event_types": ["*"], "payload_version": version}

    answer = api.post("/v1/webhook-endpoints", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/payload_version")


def test_the_catalogue_shows_every_version_with_schemas_that_its_examples_meet_and_no_other(api: Client) -> None:
    newest = api.get("/v1/event-types").json()
    first = api.get("/v1/event-types", params={"payload_version": FIRST}).json()
    unknown = api.get("/v1/event-types", params={"payload_version": "2025-01-01"})

    assert [known["version"] for known in newest["payload_versions"]] == [NEWEST, FIRST]
    assert first["payload_versions"] == newest["payload_versions"]
    assert (newest["payload_version"], first["payload_version"], unknown.status_code) == (NEWEST, FIRST, 422)
    for new, old in zip(newest["data"], first["data"], strict=True):
        assert old["example"] == flat(new["example"])
        assert Draft202012Validator(old["data_schema"]).is_valid(old["example"])
        assert not Draft202012Validator(new["data_schema"]).is_valid(old["example"])
        other = flat({**new["example"], "data": {**new["example"]["data"], "object": {**_STRANGER}}})
        assert not Draft202012Validator(old["data_schema"]).is_valid(other)


_STRANGER = {"type": "stranger", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40", "version": 1, "path": None}


def test_a_message_names_where_its_object_is_read_if_there_is_such_a_place(api: Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    readable = {path for path, methods in paths.items() if "get" in methods}
    told = {event_type.example["data"]["object"]["path"] for event_type in EVENT_TYPES.values()} - {None}
    silent = {kind.object_type for kind in EVENT_TYPES.values() if kind.example["data"]["object"]["path"] is None}

    assert {path.rpartition("/")[0] + "/{id}" for path in told} <= readable
    assert [name for name in silent if any(path.startswith(f"/v1/{name}s/{{id}}") for path in readable)] == []


def later(name: str, renamed: tuple[str, str]) -> PayloadVersion:
    """Make a version that calls something else than the one before it did."""
    new, old = renamed

    def to_former(message: Message) -> Message:
        return {"data": {old if name == new else name: value for name, value in message["data"].items()}}

    return PayloadVersion(name, "", Output, ("", ""), to_former)


def test_a_message_goes_back_through_all_versions_between_and_stays_what_it_was() -> None:
    chain = PayloadVersions(
        (later("c", ("third", "second")), later("b", ("second", "first")), PayloadVersion("a", "", Output, ("", "")))
    )
    message = {"data": {"third": 1, "other": 2}}
    before = json.dumps(message)

    shown = {name: chain.taken_back(message, name)["data"] for name in chain.names}

    assert shown == {
        "c": {"third": 1, "other": 2},
        "b": {"second": 1, "other": 2},
        "a": {"first": 1, "other": 2},
    }
    # What was stored in the form of its day begins there; nothing is made newer.
    stored = {"data": {"second": 1}}
    assert chain.taken_back(stored, "a", since="b")["data"] == {"first": 1}
    assert chain.taken_back(stored, "c", since="b") == stored
    assert json.dumps(message) == before


@pytest.mark.parametrize(
    "versions",
    [
        (PayloadVersion("a", "", Output, ("", "")), later("b", ("x", "y"))),
        (later("b", ("x", "y")), later("b", ("x", "y"))),
        (PayloadVersion("b", "", Output, ("", "")), PayloadVersion("a", "", Output, ("", ""))),
    ],
    ids=["order", "twice", "gap"],
)
def test_a_chain_with_a_gap_cannot_be_made(versions: tuple[PayloadVersion, ...]) -> None:
    with pytest.raises(ValueError, match="version"):
        PayloadVersions(versions)
