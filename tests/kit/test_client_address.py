"""Where a request comes from: only named proxies are believed, and only what they have written themselves."""

from ipaddress import ip_network

import pytest

from helpdesk_api.kit.client_address import ClientAddresses, parsed, subject

PROXIES = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def seen(addresses: ClientAddresses, peer: str, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return str(addresses.of({"client": (peer, 443), "headers": headers}))


def test_without_named_proxies_nothing_that_is_said_is_believed() -> None:
    assert seen(ClientAddresses(), "198.51.100.7", "203.0.113.9") == "198.51.100.7"


def test_a_peer_that_is_no_proxy_is_not_believed() -> None:
    assert seen(PROXIES, "198.51.100.7", "10.0.0.1, 203.0.113.9") == "198.51.100.7"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (("203.0.113.9",), "203.0.113.9"),
        (("203.0.113.9, 10.0.0.5",), "203.0.113.9"),
        (("203.0.113.9", "10.0.0.5"), "203.0.113.9"),
        # What the client wrote itself stands to the left of what the proxy added.
        (("10.1.2.3, 203.0.113.9",), "203.0.113.9"),
        (("127.0.0.1, 203.0.113.9",), "203.0.113.9"),
        (("192.0.2.1", "203.0.113.9, 10.0.0.5"), "203.0.113.9"),
        (("203.0.113.9:50123",), "203.0.113.9"),
        (("[2001:db8::7]:443",), "2001:db8::7"),
        (("2001:db8::7",), "2001:db8::7"),
        (("::ffff:203.0.113.9",), "203.0.113.9"),
        # Every hop is a proxy: the first of them asks for itself.
        (("10.0.0.9, 10.0.0.5",), "10.0.0.9"),
        # What cannot be read is not skipped: what stands before it was not written by a proxy that is known.
        (("203.0.113.9, unknown",), "10.0.0.1"),
        (("203.0.113.9, unknown, 10.0.0.5",), "10.0.0.5"),
        (("",), "10.0.0.1"),
        ((), "10.0.0.1"),
    ],
)
def test_a_named_proxy_is_believed_as_far_as_it_wrote_itself(forwarded: tuple[str, ...], client: str) -> None:
    assert seen(PROXIES, "10.0.0.1", *forwarded) == client


def test_a_peer_without_an_address_has_none() -> None:
    assert ClientAddresses().of({"client": None, "headers": []}) is None
    assert subject(None) == "local"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_all_addresses_that_one_client_has_are_one_subject(address: str, name: str) -> None:
    assert subject(parsed(address)) == name
