"""From where an API key may be used: networks that its owner names, checked with every request.

The address is the peer's, or what a trusted proxy says of it (`kit.client_address`); a header that the caller wrote
itself changes nothing. A key without networks may be used from anywhere.
"""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit.client_address import Address, Network, within

_MOST = 50


class AddressNotAllowedError(ForbiddenError):
    """The key is good, but not for the address that the request comes from."""

    code = "address_not_allowed"
    title = "The key may not be used from this address"


def _canonical(networks: list[str]) -> list[str]:
    return sorted({str(ip_network(network)) for network in networks})


NetworkList = Annotated[
    list[Annotated[str, Field(max_length=50)]],
    Field(
        max_length=_MOST,
        description="Networks (CIDR) that the key may be used from, such as `203.0.113.0/24`; empty for anywhere.",
        json_schema_extra={"items": {"type": "string", "maxLength": 50}},
    ),
    AfterValidator(_canonical),
]


def parsed_networks(networks: Sequence[str]) -> tuple[Network, ...]:
    """Give the networks of a key as values."""
    return tuple(map(ip_network, networks))


def check_address(networks: Sequence[Network], address: Address | None) -> None:
    """Raise AddressNotAllowedError unless the key may be used from there."""
    if networks and (address is None or not within(address, networks)):
        message = f"This key may not be used from {address or 'an unknown address'}."
        raise AddressNotAllowedError(message, params={"address": str(address) if address else None})
