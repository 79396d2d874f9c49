"""From which address a request comes: that of the peer, or what a trusted proxy says of it.

`X-Forwarded-For` is believed only as far as it was written by proxies that the operator has named: it is read from its
end, and the first address that is no such proxy is the client. Whatever stands before it anybody may have written.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HEADER = b"x-forwarded-for"
# Whoever has one address of IPv6 has 2^64 of them.
_ONE_CLIENT_BITS = 64


class ClientAddresses:
    """Tell where requests come from."""

    def __init__(self, trusted_proxies: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted_proxies)

    def of(self, scope: Scope) -> Address | None:
        """Give the address of the client; None when the peer has none, as on a Unix socket."""
        client = scope.get("client")
        address = parsed(client[0]) if client else None
        if not self._trusted or address is None or not within(address, self._trusted):
            return address
        lines = [value for name, value in scope["headers"] if name == _HEADER]
        for text in reversed(b",".join(lines).decode("latin-1").split(",")):
            hop = parsed(text.strip())
            if hop is None:
                # What a proxy could not name is not guessed at: the request came from that proxy.
                return address
            address = hop
            if not within(address, self._trusted):
                return address
        return address


@lru_cache(maxsize=4_096)
def parsed(text: str) -> Address | None:
    """Read an address, with or without a port; None when it is none. An IPv4 address inside of IPv6 is that of IPv4.

    Remembered, because clients come again and reading one takes as long as a good part of the rest of a request.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    return any(address in network for network in networks)


def subject(address: Address | None) -> str:
    """Name what belongs to one client: an IPv4 address, or the network of an IPv6 address."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _ONE_CLIENT_BITS), strict=False))
    return str(address or "local")
