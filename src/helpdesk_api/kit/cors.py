"""Which web pages may call the API from a browser, and which headers they may send and read.

Without configured origins nothing is answered and browsers refuse. There are no cookies, so credentials are never
allowed: a page can only use a token that it was given. Writing these headers into answers is the concern of `kit.http`.
"""

import re
from collections.abc import Collection, Mapping

Headers = tuple[tuple[bytes, bytes], ...]

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_EXPOSED = (
    b"ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Idempotency-Replayed, Deprecation,"
    b" Sunset"
)
_ALLOWED = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, X-View-As"
)
_PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        _ALLOWED,
    ),
    (b"access-control-max-age", b"600"),
)


class CORS:
    """The rules of the CORS protocol (Fetch standard) for a fixed set of origins."""

    def __init__(self, origins: Collection[str]) -> None:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin in lower case, such as https://app.example.com")
        self._origins = frozenset(origin.encode() for origin in origins)
        # As soon as one origin is allowed, answers differ by origin, and caches must know.
        self._vary: Headers = ((b"vary", b"Origin"),) if origins else ()

    def answer(self, request: Mapping[bytes, bytes]) -> Headers:
        """Give what lets the calling page read the answer."""
        origin = request.get(b"origin")
        if origin is None or origin not in self._origins:
            return self._vary
        return *self._vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)

    def preflight(self, method: str, request: Mapping[bytes, bytes]) -> Headers | None:
        """Give what a browser asks before the real request; None if nobody asks, or the page may not call."""
        is_asked = method == "OPTIONS" and b"access-control-request-method" in request
        return _PREFLIGHT if is_asked and request.get(b"origin") in self._origins else None
