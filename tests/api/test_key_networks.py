"""Where an API key may be used from, over HTTP: behind a proxy that is trusted, and beside one that is forged."""

from collections.abc import Iterator

import pytest

from tests.factories import create, get
from tests.stage import Client, Services, Stage

INSIDE, OUTSIDE = "203.0.113.9", "198.51.100.7"


@pytest.fixture(scope="module")
def behind_proxy(services: Services) -> Iterator[Stage]:
    """Start an API that believes a proxy on this machine."""
    with Stage(services, HELPDESK_TRUSTED_PROXIES="127.0.0.1/32") as running:
        yield running


def bound_key(api: Client, *networks: str) -> str:
    """Make a key that may be used from some networks only."""
    key: str = create(api, "api-keys", name="Bound", scopes=["teams:read"], allowed_networks=list(networks))["key"]
    return key


def status(stage: Stage, api: Client, key: str, forwarded: str | None) -> tuple[int, str | None]:
    """Call as a proxy that passes on what it was told."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    with stage.client(api.tenant, key) as client:
        answer = client.get("/v1/teams", headers=headers)
    return answer.status_code, answer.json().get("code")


ALLOWED = (200, None)
REFUSED = (403, "address_not_allowed")


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (INSIDE, ALLOWED),
        (OUTSIDE, REFUSED),
        # Whoever calls from outside may write what he likes: the proxy adds his address behind it.
        (f"{INSIDE}, {OUTSIDE}", REFUSED),
        (f"127.0.0.1, {INSIDE}, {OUTSIDE}", REFUSED),
        (f"{INSIDE}, unknown", REFUSED),
        (f"{OUTSIDE}, {INSIDE}", ALLOWED),
        (f"{INSIDE}, 127.0.0.1", ALLOWED),
        ("nonsense", REFUSED),
        (None, REFUSED),
    ],
)
def test_behind_a_trusted_proxy_the_address_is_the_one_it_saw(
    behind_proxy: Stage, forwarded: str | None, expected: tuple[int, str | None]
) -> None:
    with behind_proxy.tenant() as api:
        key = bound_key(api, "203.0.113.0/24", "2001:db8::/32")

        assert status(behind_proxy, api, key, forwarded) == expected


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"])
def test_without_trusted_proxies_no_header_makes_an_address(api: Client, stage: Stage, header: str) -> None:
    outside, here = bound_key(api, "203.0.113.0/24"), bound_key(api, "127.0.0.0/8")

    with stage.client(api.tenant, outside) as forging, stage.client(api.tenant, here) as local:
        forged = forging.get("/v1/teams", headers={header: INSIDE if header != "forwarded" else f"for={INSIDE}"})
        allowed = local.get("/v1/teams", headers={header: OUTSIDE})

    assert (forged.status_code, forged.json()["code"]) == REFUSED
    assert forged.json()["params"] == {"address": "127.0.0.1"}
    assert allowed.status_code == 200


def test_a_believed_key_is_checked_with_every_request(behind_proxy: Stage) -> None:
    with behind_proxy.tenant() as api:
        key = bound_key(api, "203.0.113.0/24")

        seen = [status(behind_proxy, api, key, address) for address in (INSIDE, OUTSIDE, INSIDE)]

    assert seen == [ALLOWED, REFUSED, ALLOWED]


def test_networks_are_shown_in_one_form_and_can_be_changed(api: Client) -> None:
    made = create(
        api,
        "api-keys",
        name="Bound",
        scopes=["teams:read"],
        allowed_networks=["2001:DB8:0::/32", "10.0.0.1", "10.0.0.1"],
    )

    changed = api.patch(f"/v1/api-keys/{made['id']}", json={"allowed_networks": []})

    assert made["allowed_networks"] == ["10.0.0.1/32", "2001:db8::/32"]
    assert (changed.status_code, changed.json()["allowed_networks"]) == (200, [])
    assert get(api, f"api-keys/{made['id']}")["name"] == "Bound"


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "example.com", "", "10.0.0.0/8 ", "*", "1" * 60])
def test_what_is_no_network_is_refused(api: Client, network: str) -> None:
    body = {"name": "x", "scopes": ["teams:read"], "allowed_networks": ["10.0.0.0/8", network]}

    answer = api.post("/v1/api-keys", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"].startswith("#/allowed_networks")
