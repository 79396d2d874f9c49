"""The keys of identity providers: fetched when needed, not more often, and only from where the configuration says."""

from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import pytest
from joserfc.jwk import RSAKey

from helpdesk_api.kit.key_sets import KeySets, KeySource, KeysUnavailableError
from helpdesk_api.kit.outbound import OutboundClient
from tests.identity_provider import IdentityProvider

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


@pytest.fixture
async def key_sets() -> AsyncIterator[KeySets]:
    async with OutboundClient(allow=(ip_network("127.0.0.0/8"),)) as outbound:
        yield KeySets(outbound)


def grow_old(key_sets: KeySets, source: KeySource, seconds: float) -> None:
    """Let time pass for what is remembered of a provider."""
    kept = key_sets._kept[source]
    kept.fetched_at -= seconds
    kept.failed_at -= seconds


async def ids(key_sets: KeySets, source: KeySource, key_id: str | None) -> list[str]:
    return [key["kid"] for key in await key_sets.find(source, key_id)]


async def test_keys_are_fetched_once_for_ten_minutes(key_sets: KeySets, provider: IdentityProvider) -> None:
    source = KeySource(provider.issuer, None)

    found = [await ids(key_sets, source, "first") for _ in range(5)]
    grow_old(key_sets, source, 601)
    await key_sets.find(source, "first")

    assert found == [["first"]] * 5
    assert provider.requests == [DISCOVERY, "/keys"] * 2


async def test_a_rotated_key_is_found_a_minute_later_and_invented_ids_cost_nothing(
    key_sets: KeySets, provider: IdentityProvider
) -> None:
    source = KeySource(provider.issuer, f"{provider.issuer}/keys")
    await key_sets.find(source, "first")
    provider.keys = [RSAKey.generate_key(2048, {"kid": "second"})]

    at_once = [await ids(key_sets, source, key_id) for key_id in ("second", "third", "fourth")]
    grow_old(key_sets, source, 61)
    later = [await ids(key_sets, source, key_id) for key_id in ("second", "third", "fourth", "first")]

    assert at_once == [[], [], []]
    assert later == [["second"], [], [], []]
    assert provider.requests == ["/keys"] * 2


async def test_a_provider_that_fails_is_asked_again_after_half_a_minute(
    key_sets: KeySets, provider: IdentityProvider
) -> None:
    provider.discovery = {"issuer": "https://login.evil.example"}
    source = KeySource(provider.issuer, None)

    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await key_sets.find(source, "first")
    asked = len(provider.requests)
    provider.discovery = {}
    grow_old(key_sets, source, 31)

    assert asked == 1
    assert await ids(key_sets, source, "first") == ["first"]


@pytest.mark.parametrize("url", ["http://169.254.169.254/keys", "http://10.0.0.1/keys", "file:///etc/passwd"])
async def test_keys_that_a_discovery_document_places_inside_are_not_fetched(
    key_sets: KeySets, provider: IdentityProvider, url: str
) -> None:
    provider.discovery = {"jwks_uri": url}

    with pytest.raises(KeysUnavailableError):
        await key_sets.find(KeySource(provider.issuer, None), "first")

    assert provider.requests == [DISCOVERY]


async def test_a_document_that_is_too_large_is_refused(key_sets: KeySets, provider: IdentityProvider) -> None:
    provider.discovery = {"padding": "x" * 50_000}

    with pytest.raises(KeysUnavailableError):
        await key_sets.find(KeySource(provider.issuer, None), "first")
