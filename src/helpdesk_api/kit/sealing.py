"""Sealing: what must be stored and read again, but never by whoever only reads the database.

AES-256-GCM under a key derived from HELPDESK_SECRET_KEY. A sealed value is bound to what it belongs to (tenant, purpose
and id), so that it cannot be moved to another row. What need not be read again is hashed instead, by its owner.
"""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_PURPOSE = b"helpdesk sealing v1"


class SealBrokenError(Exception):
    """The value was sealed under another secret key, for something else, or was changed since."""


class Sealer:
    """Seal values for the database and open them again."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret))

    def seal(self, plain: bytes, *, tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
        """Give the sealed value."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, _belonging(tenant_id, purpose, object_id))

    def open(self, sealed: bytes, *, tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
        """Give the plain value; raises SealBrokenError."""
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, _belonging(tenant_id, purpose, object_id))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(purpose) from error


def _belonging(tenant_id: UUID, purpose: str, object_id: UUID) -> bytes:
    return tenant_id.bytes + object_id.bytes + purpose.encode()
