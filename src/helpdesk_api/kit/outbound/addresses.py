"""Which addresses belong to the public internet, and which are never called on behalf of a tenant.

Owns the list of denied networks. It is our own because `ipaddress.is_global` of Python 3.11 lets through NAT64, 6to4,
IPv4-compatible and site-local addresses, multicast and relays. Names, URLs and sockets are left to the modules around.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # This network; on Linux 0.0.0.0 reaches the machine itself.
            "10.0.0.0/8",  # Private.
            "100.64.0.0/10",  # Behind a carrier's NAT; also the metadata service of Alibaba Cloud.
            "127.0.0.0/8",  # Loopback.
            "168.63.129.16/32",  # Azure's host, which answers every virtual machine under this public address.
            "169.254.0.0/16",  # Link-local, with the metadata services of most clouds.
            "172.16.0.0/12",  # Private.
            "192.0.0.0/24",  # IETF protocol assignments; also the metadata service of Oracle Cloud.
            "192.0.2.0/24",  # Documentation.
            "192.31.196.0/24",  # AS112, answers to queries about private addresses.
            "192.52.193.0/24",  # Relays of automatic multicast tunnelling.
            "192.88.99.0/24",  # Relays of 6to4.
            "192.168.0.0/16",  # Private.
            "192.175.48.0/24",  # AS112.
            "198.18.0.0/15",  # Benchmarks between networks.
            "198.51.100.0/24",  # Documentation.
            "203.0.113.0/24",  # Documentation.
            "224.0.0.0/4",  # Multicast.
            "240.0.0.0/4",  # Reserved, and the broadcast address.
        ),
    )
)
# Of IPv6 only this part is given out for use on the internet. Everything else stays denied without being listed:
# loopback, IPv4-compatible, local NAT64, discard-only, unique local, link-local, site-local and multicast.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_DENIED_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, with Teredo, benchmarks and identifiers (ORCHID).
            "2001:db8::/32",  # Documentation.
            "2002::/16",  # 6to4: the IPv4 address inside may be private.
            "2620:4f:8000::/48",  # AS112.
            "3ffe::/16",  # The former test network.
            "3fff::/20",  # Documentation.
        ),
    )
)
# A host without IPv4 reaches public IPv4 receivers through this prefix, so the address inside decides.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def read_address(text: str) -> Address | None:
    """Read an address written in its usual form, or give None; an IPv4 address mapped into IPv6 is read as IPv4.

    An address with a zone belongs to one link of this machine and is therefore no address that others could mean.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None
    return address.ipv4_mapped or address


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the internet at large."""
    if isinstance(address, IPv4Address):
        return not is_inside(address, _DENIED_IPV4)
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_UNICAST and not is_inside(address, _DENIED_IPV6)


def is_inside(address: Address, networks: tuple[Network, ...]) -> bool:
    """Say whether an address lies in one of the networks."""
    return any(address in network for network in networks)
