"""What a URL must look like before anybody connects to it: the checks that need no network.

They run when a URL is stored, when it is changed and before every attempt. They cannot say where a name leads; that is
judged by the dialer each time it connects.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import httpcore2
import httpx2

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.outbound.addresses import Network, is_inside, read_address

PUBLIC_PORTS: Final = frozenset({443, 8443})

_LONGEST_URL: Final = 2048
_LONGEST_NAME: Final = 253
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PORTS: Final = range(1, 65536)
_AUTHORITY: Final = re.compile(r"https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
# Resolvers read names that end in a number as IPv4 addresses: 127.1, 2130706433, 0x7f.1, 0177.0.0.1.
_NUMBER_AT_THE_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LOCAL_NAME: Final = re.compile(r"[^.]+|.*\.(?:localhost|local|internal|intranet|lan|home\.arpa)")


class UnsafeURLError(InvalidError):
    """The service does not call this URL; `params.reason` says which rule stands against it."""

    code = "unsafe_url"
    title = "The URL is not one that this service calls"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed the checks, in the parts that a request is made of."""

    url: httpcore2.URL
    host_header: bytes


def check_url(url: str, *, allow: tuple[Network, ...] = (), pointer: str = "/url") -> None:
    """Refuse a URL that would never be called, at the place in the request that `pointer` names.

    Raises UnsafeURLError. `allow` lists networks that may be called although they are private, for development: while
    there are any, a name may turn out to lead there, so plain http, local names and other ports pass this check.
    """
    try:
        read_target(url, allow)
    except UnsafeURLError as error:
        raise UnsafeURLError(error.detail, pointer=pointer, params=error.params) from None


@lru_cache(maxsize=1024)
def read_target(url: str, allow: tuple[Network, ...]) -> Target:
    """Check a URL and take it apart; the result is remembered, since the same few are called over and over."""
    _check_text(url)
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise _refusal("form", "the URL is not well formed") from error
    port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    _check_host(parsed.raw_host.decode("ascii"), allow)
    _check_service(parsed.scheme, port, allow)
    return Target(
        url=httpcore2.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=port, target=parsed.raw_path),
        host_header=parsed.netloc,
    )


def _check_text(url: str) -> None:
    if len(url) > _LONGEST_URL:
        raise _refusal("length", f"a URL may have {_LONGEST_URL} characters, not {len(url)}")
    authority = _AUTHORITY.match(url)
    if authority is None:
        raise _refusal("scheme", "a URL starts with https://")
    if "@" in authority["authority"]:
        raise _refusal("credentials", "a URL may not contain a user name or password")
    if "#" in url:
        raise _refusal("fragment", "a URL may not contain a fragment, because it would never be sent")


def _check_host(host: str, allow: tuple[Network, ...]) -> None:
    address = read_address(host)
    if address is not None:
        if not is_inside(address, allow):
            raise _refusal("host", f"the host must be a name, not the address {address}")
        return
    if len(host) > _LONGEST_NAME or not _NAME.fullmatch(host):
        raise _refusal("host", f"{host[:_LONGEST_NAME]!r} is not a host name")
    if _NUMBER_AT_THE_END.fullmatch(host):
        raise _refusal("host", f"the host must be a name, and {host!r} would be read as an address")
    if not allow and _LOCAL_NAME.fullmatch(host):
        raise _refusal("host", f"the name {host!r} does not belong to the internet")


def _check_service(scheme: str, port: int, allow: tuple[Network, ...]) -> None:
    if port not in _PORTS:
        raise _refusal("port", f"{port} is not a port")
    if allow:
        return
    if scheme != "https":
        raise _refusal("scheme", "a URL starts with https://")
    if port not in PUBLIC_PORTS:
        called = " and ".join(map(str, sorted(PUBLIC_PORTS)))
        raise _refusal("port", f"port {port} is not called, only {called}")


def _refusal(reason: str, detail: str) -> UnsafeURLError:
    return UnsafeURLError(detail, params={"reason": reason})
