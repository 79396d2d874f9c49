"""Which web pages may call the API from a browser, and which headers they may send and read.

Without allowed origins nothing is answered and browsers refuse. There are no cookies, so credentials are never
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
    """The rules of the CORS protocol (Fetch standard): for origins of the installation, and for those of its tenants.

    A browser asks before the real request without saying for whom, so what any tenant lets in may ask. Once the tenant
    of a request is known, only its own pages may read the answer.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        for origin in origins:
            if not is_origin(origin):
                raise ValueError(f"{origin!r} is not an origin in lower case, such as https://app.example.com")
        self._of_everybody = frozenset(origin.encode() for origin in origins)
        self._of_tenants: frozenset[bytes] = frozenset()

    def let_in(self, origins: frozenset[bytes]) -> None:
        """Know the origins of all tenants, instead of those known before."""
        self._of_tenants = origins

    def answer(self, request: Mapping[bytes, bytes], of_tenant: Collection[bytes] | None = None) -> Headers:
        """Give what lets the calling page read the answer; `of_tenant` are the origins of the request's tenant."""
        # As soon as one origin is allowed, answers differ by origin, and caches must know.
        vary: Headers = ((b"vary", b"Origin"),) if self._of_everybody or self._of_tenants or of_tenant else ()
        origin = request.get(b"origin")
        if origin is None or not self._admits(origin, of_tenant):
            return vary
        return *vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)

    def preflight(self, method: str, request: Mapping[bytes, bytes]) -> Headers | None:
        """Give what a browser asks before the real request; None if nobody asks, or the page may not call."""
        is_asked = method == "OPTIONS" and b"access-control-request-method" in request
        return _PREFLIGHT if is_asked and self._admits(request.get(b"origin", b"")) else None

    def _admits(self, origin: bytes, of_tenant: Collection[bytes] | None = None) -> bool:
        return origin in self._of_everybody or origin in (self._of_tenants if of_tenant is None else of_tenant)


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin as browsers send it."""
    return _ORIGIN.fullmatch(text) is not None
