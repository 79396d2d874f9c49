"""Signatures of outgoing messages by Standard Webhooks 1.0: HMAC-SHA256 under a secret shared with the receiver.

Owns the form of secrets and of the three headers. Which secrets are valid at a time, where they are kept and who sends
the message is decided elsewhere.
"""

import base64
import binascii
import hmac
import secrets as random
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix that lets scanners find leaked secrets.
_SECRET_BYTES = 32


def new_secret() -> str:
    """Make a secret: 32 random bytes in the written form that receivers' libraries read."""
    return SECRET_PREFIX + base64.b64encode(random.token_bytes(_SECRET_BYTES)).decode("ascii")


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers that prove where `body` comes from; `timestamp` is the time of the attempt in whole seconds.

    While a secret is being replaced both are passed, and the receiver may verify with either. The body must be sent
    exactly as it was signed, byte for byte. Raises ValueError for input that no receiver could verify.
    """
    if not secrets:
        raise ValueError("a message cannot be signed without a secret")
    if not message_id or "." in message_id or not (message_id.isascii() and message_id.isprintable()):
        message = f"a message id is printable ASCII without a full stop, not {message_id!r}"
        raise ValueError(message)
    if timestamp < 0:
        message = f"a timestamp counts seconds since 1970, so it cannot be {timestamp}"
        raise ValueError(message)
    signed = b"%b.%d.%b" % (message_id.encode("ascii"), timestamp, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.digest(_key(secret), signed, "sha256")
    return base64.b64encode(digest).decode("ascii")


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
