"""Access tokens by the client credentials grant (RFC 6749 section 4.4), fetched through the guarded client and kept.

A token is believed as long as its issuer says, less a margin for the way. Whoever is refused with one says so
(`forget`), and the next asks for another. An issuer that is away or refuses costs one attempt per few seconds, however
many wait for it. Whom a token is for, and what goes with it, is decided by the callers.
"""

import asyncio
import base64
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from urllib.parse import quote_plus, urlencode

import structlog
from pydantic import BaseModel, Field, ValidationError

from helpdesk_api.kit.outbound import OutboundClient, OutboundError, TokenNotObtainedError

log = structlog.get_logger()

_MARGIN_SECONDS: Final = 30.0
# For an issuer that does not say how long; a day at most for one that says too much.
_LIFE_SECONDS: Final = 300.0
_LONGEST_LIFE_SECONDS: Final = 86_400.0
_PAUSE_AFTER_FAILURE_SECONDS: Final = 5.0
_MOST_BYTES: Final = 32 * 1024
_MOST_REMEMBERED: Final = 1_000
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who asks for a token, where, and what for."""

    token_url: str
    client_id: str
    secret: str = field(repr=False)
    scope: str | None = None


class _Token(BaseModel):
    """What a token endpoint answers (RFC 6749 section 5.1), as far as it matters."""

    access_token: str = Field(pattern=r"^[\x21-\x7e]{1,8192}$")
    token_type: str = Field(pattern=r"^(?i:bearer)$")
    expires_in: float = Field(default=_LIFE_SECONDS, gt=0)


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str | None = None
    ends_at: float = float("-inf")
    failed_at: float = float("-inf")


class AccessTokens:
    """The tokens of all credentials this process has met; whoever has the same credentials may have the same token."""

    def __init__(self, outbound: OutboundClient) -> None:
        self._outbound = outbound
        self._kept: dict[ClientCredentials, _Kept] = {}

    async def find(self, credentials: ClientCredentials) -> str:
        """Give a token that is good by all that is known. Raises TokenNotObtainedError."""
        if credentials not in self._kept and len(self._kept) >= _MOST_REMEMBERED:
            self._kept.clear()
        kept = self._kept.setdefault(credentials, _Kept())
        # One fetch for everybody who waits for the same token.
        async with kept.lock:
            if kept.token is None or monotonic() >= kept.ends_at:
                await self._fetch(credentials, kept)
            return kept.token or ""

    def forget(self, credentials: ClientCredentials, token: str) -> None:
        """Drop a token that was refused, unless there is another one already."""
        kept = self._kept.get(credentials)
        if kept is not None and kept.token == token:
            kept.token = None

    async def _fetch(self, credentials: ClientCredentials, kept: _Kept) -> None:
        kept.token = None
        if monotonic() - kept.failed_at < _PAUSE_AFTER_FAILURE_SECONDS:
            raise _refused()
        try:
            answer = await self._answer(credentials)
        except (OutboundError, ValidationError) as error:
            kept.failed_at = monotonic()
            log.warning("access_token.not_obtained", error=type(error).__name__)
            raise _refused() from error
        life = min(answer.expires_in, _LONGEST_LIFE_SECONDS)
        kept.token = answer.access_token
        # Of a short life half is left; of a long one the margin is enough.
        kept.ends_at = monotonic() + max(life - _MARGIN_SECONDS, life / 2)

    async def _answer(self, credentials: ClientCredentials) -> _Token:
        wanted = {"grant_type": "client_credentials"} | ({"scope": credentials.scope} if credentials.scope else {})
        # Both halves are form-encoded before they are put together (RFC 6749 section 2.3.1).
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.secret)}".encode()
        response = await self._outbound.ask(
            credentials.token_url,
            content=urlencode(wanted).encode(),
            headers={
                "authorization": f"Basic {base64.b64encode(pair).decode()}",
                "content-type": "application/x-www-form-urlencoded",
                "accept": "application/json",
            },
            most_bytes=_MOST_BYTES,
        )
        if response.status != _OK:
            raise _refused()
        return _Token.model_validate_json(response.body_excerpt)


def _refused() -> TokenNotObtainedError:
    return TokenNotObtainedError("the token endpoint gave no token")
