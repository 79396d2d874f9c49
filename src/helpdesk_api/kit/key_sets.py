"""The public keys of identity providers (JWKS, RFC 7517), fetched through the guarded client and kept for a while.

Where keys are fetched from is decided by the stored configuration, never by a token. Keys are believed for ten minutes.
A key id that is not among them makes one new fetch, because providers rotate keys; after that nobody can make us fetch
again for a minute, whatever ids they invent. A provider that is away costs one attempt per half minute.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import structlog
from pydantic_core import from_json

from helpdesk_api.domain.errors import UnavailableError
from helpdesk_api.kit.outbound import OutboundClient, OutboundError

log = structlog.get_logger()

_BELIEVED_SECONDS: Final = 600.0
_COOLDOWN_SECONDS: Final = 60.0
_PAUSE_AFTER_FAILURE_SECONDS: Final = 30.0
_MOST_BYTES: Final = 48 * 1024
_MOST_KEYS: Final = 50
_MOST_REMEMBERED: Final = 1_000
_DISCOVERY: Final = "/.well-known/openid-configuration"
_OK: Final = 200

Key = dict[str, Any]


class KeysUnavailableError(UnavailableError):
    """The keys of the identity provider cannot be had just now."""

    code = "identity_provider_unavailable"
    title = "The identity provider cannot be reached"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys of an issuer are: at a given address, or where its discovery document says."""

    issuer: str
    jwks_url: str | None


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    keys: tuple[Key, ...] | None = None
    fetched_at: float = float("-inf")
    failed_at: float = float("-inf")


class KeySets:
    """The keys of every provider this process has met; they belong to the address they came from, not to a tenant."""

    def __init__(self, outbound: OutboundClient) -> None:
        self._outbound = outbound
        self._kept: dict[KeySource, _Kept] = {}

    async def find(self, source: KeySource, key_id: str | None) -> tuple[Key, ...]:
        """Give the keys with this id, or all of them without one. Raises KeysUnavailableError."""
        if source not in self._kept and len(self._kept) >= _MOST_REMEMBERED:
            self._kept.clear()
        kept = self._kept.setdefault(source, _Kept())
        if kept.keys is not None and monotonic() - kept.fetched_at < _BELIEVED_SECONDS:
            found = _with_id(kept.keys, key_id)
            if found or monotonic() - kept.fetched_at < _COOLDOWN_SECONDS:
                return found
        # One fetch for everybody who waits for the same keys.
        before = kept.fetched_at
        async with kept.lock:
            if kept.fetched_at == before:
                await self._fetch(source, kept)
        return _with_id(kept.keys or (), key_id)

    async def _fetch(self, source: KeySource, kept: _Kept) -> None:
        if monotonic() - kept.failed_at < _PAUSE_AFTER_FAILURE_SECONDS:
            raise _unavailable()
        try:
            url = source.jwks_url or await self._discovered(source.issuer)
            keys = _keys_in(await self._document(url))
        except (OutboundError, ValueError) as error:
            kept.failed_at = monotonic()
            log.warning("key_set.not_fetched", error=type(error).__name__)
            raise _unavailable() from error
        kept.keys = keys
        kept.fetched_at = monotonic()

    async def _discovered(self, issuer: str) -> str:
        document = await self._document(issuer.rstrip("/") + _DISCOVERY)
        url = document.get("jwks_uri")
        # OpenID Connect Discovery 1.0 section 4.3: a document that names another issuer is not this one's.
        if document.get("issuer") != issuer or not isinstance(url, str):
            message = "the discovery document is not that of the issuer"
            raise ValueError(message)
        return url

    async def _document(self, url: str) -> dict[str, Any]:
        response = await self._outbound.get(url, headers={"accept": "application/json"}, most_bytes=_MOST_BYTES)
        document = from_json(response.body_excerpt)
        if response.status != _OK or not isinstance(document, dict):
            message = "no JSON object"
            raise ValueError(message)
        return document


def _keys_in(document: dict[str, Any]) -> tuple[Key, ...]:
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        message = "no list of keys"
        raise ValueError(message)
    return tuple(key for key in keys if isinstance(key, dict))


def _with_id(keys: tuple[Key, ...], key_id: str | None) -> tuple[Key, ...]:
    return keys if key_id is None else tuple(key for key in keys if key.get("kid") == key_id)


def _unavailable() -> KeysUnavailableError:
    return KeysUnavailableError("The keys of the identity provider cannot be had just now.")
