"""Checking a token of an identity provider (OpenID Connect Core 1.0 section 3.1.3.7, RFC 9068, RFC 8725).

Nothing in a token decides how it is checked. Algorithms, issuer, audiences and the place of the keys come from the
stored configuration; `jku`, `x5u`, `jwk` and `x5c` in a header are never looked at. What is wrong with a token is told
to nobody: the answer is the same for all of them.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from helpdesk_api.domain.errors import MalformedError
from helpdesk_api.kit.strict_json import loads

LONGEST: Final = 8_192
LEEWAY_SECONDS: Final = 60
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# Without a type it is an ID token of an older provider; other types were made for other ends and must not pass here.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_LONGEST_KEY_ID: Final = 200
_LONGEST_SUBJECT: Final = 255
_SMALLEST_RSA_BYTES: Final = 256
_KEY_TYPES: Final = {"R": "RSA", "P": "RSA", "E": "EC"}
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}


class TokenRefusedError(Exception):
    """The token is not to be believed; the message says why, to ourselves only."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What a token says of itself before any of it is believed: enough to know whose keys to fetch."""

    text: str
    algorithm: str
    key_id: str | None
    issuer: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must be like, from the stored configuration."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]


def read_token(text: str) -> Unchecked:
    """Take a token apart; raises TokenRefusedError for what is none of ours at first sight."""
    if len(text) > LONGEST or not _SHAPE.fullmatch(text):
        raise TokenRefusedError("not three parts of base64url")
    header, payload = (_object(part) for part in text.split(".")[:2])
    algorithm, key_id, issuer = header.get("alg"), header.get("kid"), payload.get("iss")
    if not isinstance(algorithm, str) or not isinstance(issuer, str):
        raise TokenRefusedError("no algorithm or no issuer")
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID):
        raise TokenRefusedError("a key id that is no text")
    if "crit" in header or "b64" in header or "zip" in header:
        raise TokenRefusedError("extensions that nobody here understands")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenRefusedError("a token of another type")
    return Unchecked(text, algorithm, key_id, issuer)


def check_token(
    token: Unchecked, expected: Expected, keys: Sequence[Mapping[str, Any]], *, now: datetime
) -> dict[str, Any]:
    """Give the claims of a token that one of the keys has signed and that is meant for us now.

    Raises TokenRefusedError.
    """
    if token.algorithm not in expected.algorithms:
        raise TokenRefusedError("an algorithm that the provider does not use")
    fitting = [key for key in keys if _fits(key, token.algorithm)]
    if len(fitting) != 1:
        raise TokenRefusedError("not exactly one key that fits")
    try:
        signed = jws.deserialize_compact(token.text, import_key(dict(fitting[0])), algorithms=[token.algorithm])
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenRefusedError("not signed by this key") from error
    claims = _read(signed.payload or b"")
    _check_claims(claims, expected, now.timestamp())
    return claims


def _check_claims(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefusedError("another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(item, str) for item in audiences):
        raise TokenRefusedError("no audience")
    if expected.audiences.isdisjoint(audiences):
        raise TokenRefusedError("for somebody else")
    party = claims.get("azp")
    if party is not None and party not in expected.audiences:
        raise TokenRefusedError("given to somebody else")
    if _instant(claims, "exp") <= now - LEEWAY_SECONDS:
        raise TokenRefusedError("over")
    for name in ("nbf", "iat"):
        if name in claims and _instant(claims, name) > now + LEEWAY_SECONDS:
            raise TokenRefusedError("not yet")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "\0" in subject:
        raise TokenRefusedError("no subject")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TokenRefusedError(f"no instant as {name}")
    return float(value)


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Tell whether a public key may have signed with an algorithm: RFC 8725 section 3.1, a key is for one algorithm."""
    if key.get("kty") != _KEY_TYPES.get(algorithm[0] if algorithm != "Ed25519" else "", "OKP"):
        return False
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    operations = key.get("key_ops")
    if operations is not None and "verify" not in operations:
        return False
    if algorithm in _CURVES and key.get("crv") != _CURVES[algorithm]:
        return False
    return key.get("kty") != "RSA" or len(_bytes(str(key.get("n", "")))) >= _SMALLEST_RSA_BYTES


def _object(part: str) -> dict[str, Any]:
    return _read(_bytes(part))


def _bytes(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenRefusedError("not base64url") from error


def _read(raw: bytes) -> dict[str, Any]:
    # Keys given twice are refused: two readers could take a different one for true.
    try:
        value = loads(raw)
    except MalformedError as error:
        raise TokenRefusedError("not JSON") from error
    if not isinstance(value, dict):
        raise TokenRefusedError("no object")
    return dict(value)
