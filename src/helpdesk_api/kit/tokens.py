"""Opaque tokens: signed values that come back to us, and the format of API keys and of the tokens of a sign-in.

A key reads `hd_<kind>_<tenant and own id>_<secret>_<checksum>`: `live` and `test` are API keys, `access` and `refresh`
belong to a session, `link` was sent by e-mail, `ticket` opens one event stream, `hook` stands in the address that
another system sends alerts to. The ids let it be found under row-level security without looking across tenants; the
prefix and the checksum let secret scanners recognise a leak without asking us. Only the SHA-256 of the secret is
stored: it has 256 random bits, so there is nothing for a slow hash to protect.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
_ID_BYTES = 32
_SECRET_BYTES = 32
_KEY = re.compile(
    r"hd_(live|test|access|refresh|link|ticket|hook)_([0-9A-Za-z]{43})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})"
)
_MAC_BYTES = 16

Kind = Literal["live", "test", "access", "refresh", "link", "ticket", "hook"]
LONGEST_KEY = len("hd_refresh_") + 43 + 1 + 43 + 1 + 6


@dataclass(frozen=True, slots=True)
class KeyToken:
    """What a key says of itself, before any of it is believed."""

    kind: Kind
    tenant_id: UUID
    key_id: UUID
    secret_hash: bytes


def new_key(tenant_id: UUID, key_id: UUID, kind: Kind) -> tuple[str, bytes]:
    """Make the text of a key, to be shown once, and the hash of its secret, to be stored."""
    secret = _base62(secrets.token_bytes(_SECRET_BYTES), 43)
    stem = f"hd_{kind}_{_base62(tenant_id.bytes + key_id.bytes, 43)}_{secret}"
    return f"{stem}_{_checksum(stem)}", hashlib.sha256(secret.encode()).digest()


def read_key(text: str) -> KeyToken | None:
    """Take a key apart; None when it is not one of ours or was mistyped."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text.rpartition("_")[0]) != match[4]:
        return None
    number = 0
    for letter in match[2]:
        number = number * 62 + _DIGITS[letter]
    if number >= 1 << (8 * _ID_BYTES):
        return None
    ids = number.to_bytes(_ID_BYTES)
    return KeyToken(
        kind=cast("Kind", match[1]),
        tenant_id=UUID(bytes=ids[:16]),
        key_id=UUID(bytes=ids[16:]),
        secret_hash=hashlib.sha256(match[3].encode()).digest(),
    )


def without_key(text: str) -> str:
    """Give a text, such as the path of a request, without the secrets of keys that stand in it."""
    return _KEY.sub(lambda match: f"hd_{match[1]}_…", text)


def _checksum(stem: str) -> str:
    return _base62(zlib.crc32(stem.encode()).to_bytes(4), 6)


def _base62(raw: bytes, width: int) -> str:
    number = int.from_bytes(raw)
    letters: list[str] = []
    while number:
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return "".join(reversed(letters)).rjust(width, "0")


class Signer:
    """Sign values that clients carry for us, such as page cursors, so that they come back unchanged."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, payload: bytes) -> str:
        """Give a URL-safe text of the payload and its signature; a token of one purpose is void for another."""
        return base64.urlsafe_b64encode(self._mac(purpose, payload) + payload).decode().rstrip("=")

    def verify(self, purpose: str, text: str) -> bytes | None:
        """Give the payload back, or None when the text was not signed here for this purpose."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        payload = raw[_MAC_BYTES:]
        return payload if hmac.compare_digest(raw[:_MAC_BYTES], self._mac(purpose, payload)) else None

    def _mac(self, purpose: str, payload: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + payload, "sha256")[:_MAC_BYTES]
