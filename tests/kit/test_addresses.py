"""Which addresses and URLs may be called on behalf of a tenant; nothing here needs the network."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_api.kit.outbound import Network, UnsafeURLError, check_url
from helpdesk_api.kit.outbound.addresses import is_inside, is_public, read_address
from tests.kit.hostile_addresses import DENIED_ADDRESSES, PUBLIC_ADDRESSES

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _address(text: str) -> IPv4Address | IPv6Address:
    address = read_address(text)
    assert address is not None
    return address


OUTSIDE_LOOPBACK = [text for text in DENIED_ADDRESSES if not is_inside(_address(text), LOOPBACK)]


@pytest.mark.parametrize("text", DENIED_ADDRESSES)
def test_a_denied_address_is_not_public(text: str) -> None:
    assert not is_public(_address(text))


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_an_address_of_the_internet_is_public_up_to_the_edges_of_the_denied_networks(text: str) -> None:
    assert is_public(_address(text))


@given(st.ip_addresses())
@settings(derandomize=True)
def test_nothing_is_public_that_python_itself_calls_local(address: IPv4Address | IPv6Address) -> None:
    if is_public(_address(str(address))):
        assert address.is_global or address in ip_network("64:ff9b::/96")
        assert not address.is_multicast
        assert not address.is_private


def test_an_ipv4_address_mapped_into_ipv6_is_read_as_the_address_it_leads_to() -> None:
    assert read_address("::ffff:127.0.0.1") == IPv4Address("127.0.0.1")


@pytest.mark.parametrize(
    "text", ["fe80::1%eth0", "2606:4700:4700::1111%eth0", "2130706433", "0x7f.1", "127.1", "", "a"]
)
def test_only_the_usual_form_of_an_address_without_a_zone_is_read(text: str) -> None:
    assert read_address(text) is None


def _literal_forms(text: str) -> list[str]:
    address = IPv4Address(text) if "." in text and ":" not in text else IPv6Address(text)
    if isinstance(address, IPv6Address):
        return [f"[{text}]", f"[{address.exploded}]", f"[{str(address).upper()}]", f"[{address}%25eth0]"]
    octets = [int(octet) for octet in text.split(".")]
    wide = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
    circled = {ord("0"): 0x24EA} | {ord("0") + digit: 0x2460 + digit - 1 for digit in range(1, 10)}
    return [
        text,
        text + ".",
        str(int(address)),
        hex(int(address)),
        f"0{int(address):o}",
        ".".join(f"0{octet:o}" for octet in octets),
        ".".join(hex(octet) for octet in octets),
        ".".join(f"{octet:03d}" for octet in octets),
        f"{octets[0]}.{int(address) & 0xFFFFFF}",
        f"{octets[0]}.{octets[1]}.{int(address) & 0xFFFF}",
        text.translate(wide),
        text.translate(circled),
        text.replace(".", "\u3002"),
        text.replace(".", "\uff0e"),
        text.replace(".", "%2e"),
        "".join(f"%{ord(character):02x}" for character in text),
        f"[::ffff:{text}]",
    ]


@pytest.mark.parametrize("text", [*DENIED_ADDRESSES, *PUBLIC_ADDRESSES])
def test_no_way_of_writing_an_address_passes_for_the_name_of_a_host(text: str) -> None:
    for host in _literal_forms(text):
        with pytest.raises(UnsafeURLError):
            check_url(f"https://{host}/hook")


@pytest.mark.parametrize("text", OUTSIDE_LOOPBACK)
def test_allowing_loopback_allows_no_other_address(text: str) -> None:
    for host in _literal_forms(text):
        with pytest.raises(UnsafeURLError):
            check_url(f"http://{host}/hook", allow=LOOPBACK)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "https://hooks.example.com/in/42?token=abc&x=%20",
        "HTTPS://Hooks.Example.COM/In",
        "https://hooks.example.com:443/",
        "https://hooks.example.com:8443/",
        "https://b\u00fccher.example/",
        "https://xn--bcher-kva.example/",
        "https://my_service.example.com/",
        "https://1and1.example/",
        "https://127.0.0.1.nip.io/",
        "https://10.example/",
        "https://example.com/p\u00e4th?q=\u00fc",
        "https://example.com/" + "a" * 2028,
    ],
)
def test_a_url_of_the_internet_passes(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "scheme"),
        ("hooks.example.com", "scheme"),
        ("//hooks.example.com/", "scheme"),
        ("https:hooks.example.com", "scheme"),
        (" https://hooks.example.com/", "scheme"),
        ("http://hooks.example.com/", "scheme"),
        ("ftp://hooks.example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://hooks.example.com/", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("unix:///var/run/docker.sock", "scheme"),
        ("https://user@hooks.example.com/", "credentials"),
        ("https://user:secret@hooks.example.com/", "credentials"),
        ("https://@hooks.example.com/", "credentials"),
        ("https://hooks.example.com\\@127.0.0.1/", "credentials"),
        ("https://hooks.example.com/#part", "fragment"),
        ("https://hooks.example.com#@127.0.0.1/", "fragment"),
        ("https://hooks.example.com/\nx", "form"),
        ("https://hooks.example.com/\r\nHost: x", "form"),
        ("https://hooks.example.com\t/", "form"),
        ("https://hooks.example.com/\x00", "form"),
        ("https://hooks.example.com/\ud800", "form"),
        ("https://\ud800.example/", "form"),
        ("https://exa\u00admple.com/", "form"),
        ("https://hooks.example.com:x/", "form"),
        ("https://hooks.example.com:443:80/", "form"),
        ("https://[::1/", "form"),
        ("https:///hook", "host"),
        ("https://", "host"),
        ("https://?", "host"),
        ("https://hooks.example.com./", "host"),
        ("https://.example.com/", "host"),
        ("https://hooks..example.com/", "host"),
        ("https://-hooks.example.com/", "host"),
        ("https://*.example.com/", "host"),
        ("https://hooks example.com/", "host"),
        ("https://hooks.example.com\\evil/", "host"),
        ("https://hooks%2eexample.com/", "host"),
        ("https://" + "a" * 64 + ".example.com/", "host"),
        ("https://" + "a.b." * 63 + "example/", "host"),
        ("https://localhost/", "host"),
        ("https://redis/", "host"),
        ("https://hooks.localhost/", "host"),
        ("https://printer.local/", "host"),
        ("https://metadata.google.internal/", "host"),
        ("https://router.home.arpa/", "host"),
        ("https://hooks.example.com:80/", "port"),
        ("https://hooks.example.com:22/", "port"),
        ("https://hooks.example.com:6379/", "port"),
        ("https://hooks.example.com:0/", "port"),
        ("https://hooks.example.com:-1/", "port"),
        ("https://hooks.example.com:65979/", "port"),
        ("https://example.com/" + "a" * 2029, "length"),
    ],
)
def test_a_url_that_would_never_be_called_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(UnsafeURLError) as refused:
        check_url(url, pointer="/endpoint/url")

    assert refused.value.code == "unsafe_url"
    assert refused.value.params == {"reason": reason}
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/endpoint/url", "unsafe_url")]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/hook",
        "http://127.9.9.9/hook",
        "http://[::1]:8000/hook",
        "http://[::ffff:127.0.0.1]:8000/hook",
        "http://localhost:8000/hook",
        "http://receiver:65535/",
        "https://hooks.example.com/",
    ],
)
def test_while_networks_are_allowed_their_addresses_and_any_name_pass(url: str) -> None:
    check_url(url, allow=LOOPBACK)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.1/",
        "http://2130706433/",
        "http://192.168.0.1/",
        "https://8.8.8.8/",
    ],
)
def test_allowing_networks_keeps_every_other_rule(url: str) -> None:
    with pytest.raises(UnsafeURLError):
        check_url(url, allow=LOOPBACK)


@given(st.text(max_size=80).map("https://".__add__) | st.text(max_size=80))
@settings(derandomize=True)
def test_whatever_is_given_as_a_url_either_passes_or_is_refused(url: str) -> None:
    with suppress(UnsafeURLError):
        check_url(url)
