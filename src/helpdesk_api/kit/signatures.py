"""Signatures that others can check: Ed25519, by a key derived from the secret of the installation.

Whoever has the public key can tell that a document is ours, without being able to make one. What only we must recognise
is signed by `kit.tokens` instead.
"""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE = b"helpdesk signatures v1"


class Notary:
    """Sign documents."""

    def __init__(self, secret: bytes) -> None:
        seed = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        """Give the key by which others check what was signed here."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, document: Mapping[str, Any]) -> bytes:
        """Give the signature of a document of plain JSON values."""
        return self._key.sign(canonical(document))


def is_signed(document: Mapping[str, Any], signature: bytes, public_key: bytes) -> bool:
    """Tell whether the owner of a key signed this document as it is."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, canonical(document))
    except (InvalidSignature, ValueError):
        return False
    return True


def canonical(document: Mapping[str, Any]) -> bytes:
    """Write a document in the one way that is signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
