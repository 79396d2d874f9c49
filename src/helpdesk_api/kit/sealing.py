"""Sealing: what must be stored and read again, but never by whoever only reads the database.

Every value has a data key of its own, which is itself encrypted under one of the operator's keys (AES-256-GCM both
times). The value names that key, so keys can be replaced: `rewrap` encrypts a data key anew without touching what it
protects. A sealed value is bound to what it belongs to (tenant, purpose and id), so that it cannot be moved to another
row. What need not be read again is hashed instead, by its owner.
"""

import base64
import binascii
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Column

DERIVED: Final = "derived"
_VERSION: Final = 1
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_PURPOSE: Final = b"helpdesk sealing v1"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class SealBrokenError(Exception):
    """The value was sealed under a key that is not here, for something else, or was changed since."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key of the operator: `id` stands in whatever it sealed."""

    id: str
    key: bytes = field(repr=False)

    @classmethod
    def derived(cls, secret: bytes) -> Self:
        """Make a key from the secret of the installation, for want of one of its own."""
        return cls(DERIVED, HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(secret))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `id:base64 of 32 bytes`; raises ValueError, which never quotes the key."""
        key_id, _, encoded = text.partition(":")
        if not _KEY_ID.fullmatch(key_id) or key_id == DERIVED:
            message = f"a key needs an id of letters, digits, - and _ that is not {DERIVED!r}, then a colon"
            raise ValueError(message)
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            message = f"the key {key_id!r} is not the base64 of {_KEY_BYTES} bytes"
            raise ValueError(message)
        return cls(key_id, key)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that holds sealed values of its own row, and the purpose they are bound to."""

    column: Column[bytes]
    purpose: str


class Sealer:
    """Seal values for the database under the first of some keys, and open what any of them has sealed."""

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        self._ciphers = {key.id.encode(): AESGCM(key.key) for key in keys}
        self._current = keys[0].id.encode()

    @classmethod
    def of_secret(cls, secret: bytes) -> Self:
        """Make a sealer whose only key is derived from a secret."""
        return cls([SealingKey.derived(secret)])

    def seal(self, plain: bytes, *, tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
        """Give the sealed value."""
        belonging = _belonging(tenant_id, purpose, object_id)
        data_key = AESGCM.generate_key(8 * _KEY_BYTES)
        return self._wrapped(data_key, belonging) + _encrypted(AESGCM(data_key), plain, belonging)

    def open(self, sealed: bytes, *, tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
        """Give the plain value; raises SealBrokenError."""
        belonging = _belonging(tenant_id, purpose, object_id)
        data_key, rest = self._unwrapped(sealed, belonging)
        return _decrypted(AESGCM(data_key), rest, belonging)

    def rewrap(self, sealed: bytes, *, tenant_id: UUID, purpose: str, object_id: UUID) -> bytes | None:
        """Give the value under the current key, or None if it is already; raises SealBrokenError."""
        if _key_id(sealed) == self._current:
            return None
        belonging = _belonging(tenant_id, purpose, object_id)
        data_key, rest = self._unwrapped(sealed, belonging)
        return self._wrapped(data_key, belonging) + rest

    def _wrapped(self, data_key: bytes, belonging: bytes) -> bytes:
        head = bytes((_VERSION, len(self._current))) + self._current
        return head + _encrypted(self._ciphers[self._current], data_key, head + belonging)

    def _unwrapped(self, sealed: bytes, belonging: bytes) -> tuple[bytes, bytes]:
        key_id = _key_id(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            message = "sealed under a key that is not among HELPDESK_SEALING_KEYS"
            raise SealBrokenError(message)
        end = 2 + len(key_id)
        head, wrapped, rest = sealed[:end], sealed[end : end + _WRAPPED_BYTES], sealed[end + _WRAPPED_BYTES :]
        return _decrypted(cipher, wrapped, head + belonging), rest


def _key_id(sealed: bytes) -> bytes:
    if len(sealed) < 2 + _WRAPPED_BYTES or sealed[0] != _VERSION:
        message = "not a sealed value"
        raise SealBrokenError(message)
    return sealed[2 : 2 + sealed[1]]


def _encrypted(cipher: AESGCM, plain: bytes, belonging: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, belonging)


def _decrypted(cipher: AESGCM, encrypted: bytes, belonging: bytes) -> bytes:
    try:
        return cipher.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], belonging)
    except (InvalidTag, ValueError) as error:
        message = "sealed for something else, or changed since"
        raise SealBrokenError(message) from error


def _belonging(tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
    return tenant_id.bytes + object_id.bytes + purpose.encode()
