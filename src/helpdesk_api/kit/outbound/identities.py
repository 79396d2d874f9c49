"""Who we are towards a receiver that asks for a certificate (mutual TLS): reading, judging and presenting one.

Python's TLS reads keys from files only. A key is therefore encrypted under a password made up for the moment before it
touches a file, and the file is gone when the context has been made.
"""

import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import Certificate, load_pem_x509_certificates

_MOST_CERTIFICATES: Final = 5
_SHORTEST_RSA: Final = 2_048

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class UnusableIdentityError(ValueError):
    """A certificate or its key cannot be used; the message says why and quotes neither."""


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """A certificate with what leads up to its authority, and its key; both PEM."""

    certificate: str
    private_key: str = field(repr=False)

    @classmethod
    def read(cls, certificate: str, private_key: str) -> Self:
        """Judge a certificate and its key and give both as they are to be stored; raises UnusableIdentityError."""
        chain, key = _certificates(certificate), _key(private_key)
        if _public_bytes(chain[0]) != key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
            raise UnusableIdentityError("the private key is not that of the certificate")
        written = "".join(each.public_bytes(Encoding.PEM).decode() for each in chain)
        return cls(written, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def expiry_of(certificate: str) -> datetime:
    """Say until when a certificate is good; raises UnusableIdentityError for what is none."""
    return _certificates(certificate)[0].not_valid_after_utc


def check_current(certificate: str, *, now: datetime) -> None:
    """Refuse a certificate that is good no more; raises UnusableIdentityError."""
    expired_at = expiry_of(certificate)
    if expired_at <= now:
        message = f"the certificate expired at {expired_at.astimezone(UTC).isoformat()}"
        raise UnusableIdentityError(message)


def _certificates(text: str) -> list[Certificate]:
    try:
        found = load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise UnusableIdentityError("this is no certificate in PEM") from error
    if len(found) > _MOST_CERTIFICATES:
        message = f"there may be {_MOST_CERTIFICATES} certificates: one's own first, then those that lead up from it"
        raise UnusableIdentityError(message)
    return found


def _key(text: str) -> _Key:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableIdentityError("this is no private key in PEM, or it is encrypted") from error
    if not isinstance(key, _Key):
        raise UnusableIdentityError("the key must be of RSA, an elliptic curve or Ed25519")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SHORTEST_RSA:
        message = f"an RSA key must have at least {_SHORTEST_RSA} bits"
        raise UnusableIdentityError(message)
    return key


def _public_bytes(certificate: Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def present(context: ssl.SSLContext, identity: ClientIdentity) -> ssl.SSLContext:
    """Let a context present a certificate to whoever asks for one."""
    password = secrets.token_bytes(32)
    encrypted = load_pem_private_key(identity.private_key.encode(), password=None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)
    )
    with tempfile.TemporaryDirectory(prefix="helpdesk-") as directory:
        path = Path(directory) / "identity.pem"
        path.write_bytes(identity.certificate.encode() + encrypted)
        context.load_cert_chain(path, password=password)
    return context
