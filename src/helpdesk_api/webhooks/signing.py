"""Signatures of outgoing messages by Standard Webhooks 1.0, symmetric (`v1`) and asymmetric (`v1a`) side by side.

HMAC-SHA256 needs a secret that the receiver shares; ed25519 lets it verify without being able to sign. Every message
carries both, and libraries pick the one they know. Owns the form of keys and of the three headers. Which keys are valid
at a time, where they are kept and who sends the message is decided elsewhere.
"""

import base64
import binascii
import hmac
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_core import from_json, to_json

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix that lets scanners find leaked secrets.
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """What signs the messages to one endpoint, in the written form that receivers' libraries read."""

    secret: str = field(repr=False)
    private_key: str | None = field(default=None, repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a secret of 32 random bytes and a pair of keys."""
        return cls(new_secret(), PRIVATE_PREFIX + _base64(Ed25519PrivateKey.generate().private_bytes_raw()))

    @classmethod
    def loads(cls, written: bytes) -> Self:
        """Read what `dumps` wrote."""
        return cls(**from_json(written))

    def dumps(self) -> bytes:
        """Write the keys down, to be sealed."""
        return to_json({"secret": self.secret, "private_key": self.private_key})

    @property
    def public_key(self) -> str:
        """Give what receivers verify `v1a` with; raises ValueError without a private key."""
        return PUBLIC_PREFIX + _base64(_private_key(self.private_key or "").public_key().public_bytes_raw())


def new_secret() -> str:
    """Make a secret: 32 random bytes in the written form that receivers' libraries read."""
    return SECRET_PREFIX + _base64(random.token_bytes(_SECRET_BYTES))


def sign(keys: Sequence[SigningKeys], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers that prove where `body` comes from; `timestamp` is the time of the attempt in whole seconds.

    While keys are being replaced both are passed, and the receiver may verify with either. The body must be sent
    exactly as it was signed, byte for byte. Raises ValueError for input that no receiver could verify.
    """
    if not keys:
        raise ValueError("a message cannot be signed without a key")
    if not message_id or "." in message_id or not (message_id.isascii() and message_id.isprintable()):
        message = f"a message id is printable ASCII without a full stop, not {message_id!r}"
        raise ValueError(message)
    if timestamp < 0:
        message = f"a timestamp counts seconds since 1970, so it cannot be {timestamp}"
        raise ValueError(message)
    signed = b"%b.%d.%b" % (message_id.encode("ascii"), timestamp, body)
    symmetric = [f"v1,{_base64(hmac.digest(_key(each.secret), signed, 'sha256'))}" for each in keys]
    asymmetric = [
        f"v1a,{_base64(_private_key(each.private_key).sign(signed))}" for each in keys if each.private_key is not None
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(symmetric + asymmetric),
    }


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _private_key(written: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(written.removeprefix(PRIVATE_PREFIX)))


def _key(secret: str) -> bytes:
    # Secrets brought along from other systems are often written without padding; their verifiers accept that, so do we.
    encoded = secret.removeprefix(SECRET_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        # The secret itself stays out of the message, which may reach a log.
        raise ValueError("a secret must be base64 after its prefix") from error
    if not key:
        raise ValueError("a secret must not be empty")
    return key
