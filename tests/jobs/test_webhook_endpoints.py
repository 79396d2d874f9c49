"""Webhook endpoints over HTTP: what they accept, what they never show, and how many there may be."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from helpdesk_api.main import create_app
from tests.jobs.webhooks import create, events, settle
from tests.stage import Client, Stage, an_id

URL = "http://127.0.0.1:9/hook"


def an_endpoint(api: Client, **values: object) -> dict[str, Any]:
    return create(api, "webhook-endpoints", **{"url": URL, **values})


def test_a_new_endpoint_wants_every_event_and_shows_its_secret_once(api: Client) -> None:
    created = an_endpoint(api)

    secret = created.pop("secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert created["event_types"] == ["*"]
    assert (created["is_enabled"], created["disabled_reason"], created["disabled_at"]) == (True, None, None)
    assert api.get(f"/v1/webhook-endpoints/{created['id']}").json() == created


def test_secrets_are_shown_by_nothing_but_their_making(stage: Stage, api: Client) -> None:
    created = an_endpoint(api)
    rotated = api.post(f"/v1/webhook-endpoints/{created['id']}/rotate-secret").json()
    api.patch(f"/v1/webhook-endpoints/{created['id']}", json={"description": "ERP"})

    settle(stage, api)
    shown = "".join(
        api.get(path).text
        for path in (
            "/v1/webhook-endpoints",
            f"/v1/webhook-endpoints/{created['id']}",
            "/v1/events?limit=200",
            "/v1/webhook-deliveries",
        )
    )

    assert created["secret"] != rotated["secret"]
    for secret in (created["secret"], rotated["secret"], "whsec_"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://user:secret@hooks.example.com/", "credentials"),
        ("https://hooks.example.com/#part", "fragment"),
        ("ftp://hooks.example.com/", "scheme"),
        ("https://10.0.0.1/", "host"),
        ("https://2130706433/", "host"),
        ("", "scheme"),
    ],
)
def test_a_url_that_would_never_be_called_is_refused_before_it_is_stored(api: Client, url: str, reason: str) -> None:
    endpoint = an_endpoint(api)

    created = api.post("/v1/webhook-endpoints", json={"url": url})
    changed = api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"url": url})

    for answer in (created, changed):
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["params"]) == (422, "unsafe_url", {"reason": reason})
        assert problem["errors"][0]["pointer"] == "#/url"
    assert len(api.get("/v1/webhook-endpoints").json()["data"]) == 1
    assert api.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["version"] == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://hooks.example.com/", "https://hooks.local/"])
def test_private_places_are_refused_unless_the_operator_allows_them(stage: Stage, api: Client, url: str) -> None:
    answer = stage.run(create_where_nothing_private_is_allowed(stage, api, url))

    assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_url")
    assert api.get("/v1/webhook-endpoints").json()["data"] == []


async def create_where_nothing_private_is_allowed(stage: Stage, api: Client, url: str) -> httpx2.Response:
    app = create_app(stage.services.settings(HELPDESK_OUTBOUND_ALLOW=""))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://api", headers=api.headers) as client,
    ):
        return await client.post("/v1/webhook-endpoints", json={"url": url})


@pytest.mark.parametrize(
    ("patterns", "pointer"),
    [
        (["ticket.*", "tickets.*"], "#/event_types/1"),
        (["ticket"], "#/event_types/0"),
        ([], "#/event_types"),
        (None, "#/event_types"),
    ],
)
def test_only_events_that_exist_can_be_wanted(api: Client, patterns: list[str] | None, pointer: str) -> None:
    answer = api.post("/v1/webhook-endpoints", json={"url": URL, "event_types": patterns})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_switching_off_and_on_sets_and_clears_the_reason(stage: Stage, api: Client) -> None:
    endpoint = an_endpoint(api)
    path = f"/v1/webhook-endpoints/{endpoint['id']}"

    off = api.patch(path, json={"is_enabled": False}).json()
    still_off = api.patch(path, json={"is_enabled": False}).json()
    on = api.patch(path, json={"is_enabled": True}).json()

    assert (off["is_enabled"], off["disabled_reason"], off["version"]) == (False, "requested", 2)
    assert datetime.now(UTC) - datetime.fromisoformat(off["disabled_at"]) < timedelta(minutes=1)
    assert still_off == off
    assert (on["is_enabled"], on["disabled_reason"], on["disabled_at"], on["version"]) == (True, None, None, 3)
    assert [event["type"] for event in events(stage, api, object_id=endpoint["id"])] == [
        "webhook_endpoint.created",
        "webhook_endpoint.ping",
        "webhook_endpoint.updated",
        "webhook_endpoint.updated",
        "webhook_endpoint.ping",
    ]


def test_an_endpoint_may_start_switched_off(api: Client) -> None:
    assert an_endpoint(api, is_enabled=False)["disabled_reason"] == "requested"


@pytest.mark.parametrize("field", ["secret", "previous_secret", "disabled_reason", "since_xid", "tenant_id", "id"])
def test_what_is_not_for_clients_to_set_is_refused(api: Client, field: str) -> None:
    endpoint = an_endpoint(api)

    created = api.post("/v1/webhook-endpoints", json={"url": URL, field: "x"})
    changed = api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={field: "x"})

    assert [created.status_code, changed.status_code] == [422, 422]


def test_a_secret_is_not_replaced_twice_within_a_day_unless_forced(stage: Stage, api: Client) -> None:
    endpoint = an_endpoint(api)
    path = f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret"
    first = api.post(path).json()

    refused = api.post(path)
    forced = api.post(path, json={"force": True}).json()

    overlap = datetime.fromisoformat(first["previous_secret_expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < overlap <= timedelta(hours=24)
    assert (refused.status_code, refused.json()["code"]) == (409, "secret_rotating")
    assert len({endpoint["secret"], first["secret"], forced["secret"]}) == 3
    assert forced["version"] == 3
    expiries = [endpoint["previous_secret_expires_at"], *(one["previous_secret_expires_at"] for one in (first, forced))]
    keys = [one["public_key"] for one in (endpoint, first, forced)]
    assert [event["changes"] for event in events(stage, api, type="webhook_endpoint.secret_rotated")] == [
        {"previous_secret_expires_at": expiries[n : n + 2], "public_key": keys[n : n + 2]} for n in (0, 1)
    ]


def test_a_rotation_of_a_stale_version_is_refused(api: Client) -> None:
    endpoint = an_endpoint(api)

    answer = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret", headers={"if-match": '"v7"'})

    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")


def test_an_endpoint_that_is_off_is_not_tested(stage: Stage, api: Client) -> None:
    endpoint = an_endpoint(api, is_enabled=False)

    answer = api.post(f"/v1/webhook-endpoints/{endpoint['id']}/test")

    assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert [event["type"] for event in events(stage, api, object_id=endpoint["id"])] == ["webhook_endpoint.created"]


def test_a_tenant_may_have_twenty_endpoints_also_when_made_at_once(api: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("/v1/webhook-endpoints", json={"url": URL}), range(22)))

    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 2
    assert {answer.json().get("code") for answer in answers} == {None, "too_many_endpoints"}


@pytest.mark.parametrize("action", ["rotate-secret", "test"])
def test_an_endpoint_of_another_tenant_is_not_there(stage: Stage, api: Client, action: str) -> None:
    endpoint = an_endpoint(api)

    with stage.tenant() as other:
        foreign = other.post(f"/v1/webhook-endpoints/{endpoint['id']}/{action}")
        missing = other.post(f"/v1/webhook-endpoints/{an_id()}/{action}")

    assert (foreign.status_code, foreign.json()["code"]) == (missing.status_code, missing.json()["code"])
    assert foreign.status_code == 404
    assert api.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["version"] == 1


def test_integrators_are_told_where_messages_come_from(stage: Stage, api: Client) -> None:
    assert api.get("/v1/webhook-egress").json() == {"networks": []}
    told = stage.run(egress_of(stage, api, HELPDESK_EGRESS_NETWORKS="198.51.100.0/28, 2001:db8::/64"))

    assert told.json() == {"networks": ["198.51.100.0/28", "2001:db8::/64"]}


async def egress_of(stage: Stage, api: Client, **settings: str) -> httpx2.Response:
    app = create_app(stage.services.settings(**settings))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://api", headers=api.headers) as client,
    ):
        return await client.get("/v1/webhook-egress")
