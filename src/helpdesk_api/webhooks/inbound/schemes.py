"""How a message proves where it comes from: Standard Webhooks, GitHub's header, HubSpot's, any HMAC header, or nothing.

The signature is over the bytes that arrived. HubSpot's is over the address as well, which a proxy may have called by
another name on the way: any name that the request tells will do, because only who has the secret can sign it. Where the
signature covers a time, it may be five minutes off; what tells a repetition from a new message is only ever something
that the signature covers as well, so that nobody can have a recorded message taken for a new one.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.kit.schema import Input
from helpdesk_api.webhooks.credentials import HeaderValue
from helpdesk_api.webhooks.signing import SigningKeys, sign

TOLERANCE: Final = timedelta(minutes=5)
# Within this time the same unsigned bytes are one message that was sent again; later they are news.
REPEATED_WITHIN: Final = timedelta(minutes=10)
_FEWEST_LETTERS: Final = 8
_MOST_SIGNATURES: Final = 10
_ID_HEADERS: Final = ("webhook-id", "x-github-delivery", "idempotency-key")

Scheme = Literal["none", "standard_webhooks", "github", "hubspot", "hmac"]
_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


class InvalidSignatureError(UnauthenticatedError):
    """A message is not signed by who has the secret, or was changed on its way."""

    code = "invalid_signature"
    title = "The signature of the message is wrong"


class TimestampOutOfToleranceError(UnauthenticatedError):
    """A message was signed more than five minutes ago, or in the future: it may be a recorded one."""

    code = "timestamp_out_of_tolerance"
    title = "The message was not signed just now"


SigningSecret = Annotated[HeaderValue, StringConstraints(min_length=_FEWEST_LETTERS)]


class InboundSignature(Input):
    """How messages are signed by who sends them."""

    scheme: Annotated[
        Scheme,
        Field(
            description="`standard_webhooks`: webhook-id, webhook-timestamp and webhook-signature (v1). `github`: "
            "X-Hub-Signature-256. `hubspot`: X-HubSpot-Signature-v3, with the client secret of the app as `secret`. "
            "`hmac`: HMAC-SHA256 in a header of your choice. `none`: whoever knows the address."
        ),
    ] = "none"
    header: Annotated[_HeaderName | None, Field(description="For `hmac` only: where the signature stands.")] = None
    encoding: Annotated[Literal["hex", "base64"], Field(description="Of the signature, for `hmac`.")] = "hex"
    prefix: Annotated[
        str,
        StringConstraints(pattern=r"^[!-~]{0,20}$"),
        Field(description="What stands before the signature, for `hmac`, such as `sha256=`."),
    ] = ""
    timestamp_header: Annotated[
        _HeaderName | None,
        Field(
            description="For `hmac`: where the seconds since 1970 stand that are signed together with the body. "
            "Without them the same body is only ever taken once."
        ),
    ] = None
    timestamp_separator: Annotated[
        Literal[":", "."], Field(description="What stands between time and body where they are signed.")
    ] = ":"
    secret: Annotated[
        SigningSecret | None,
        Field(
            description="What the sender signs with; sealed and never shown again. Null keeps the stored one; a new "
            "hook gets one made, which is shown once, but for `hubspot`. For `standard_webhooks` as `whsec_…`."
        ),
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> "InboundSignature":
        if (self.header is not None) is not (self.scheme == "hmac"):
            message = "`hmac` needs a `header`, and the others have one of their own"
            raise ValueError(message)
        if self.scheme != "hmac" and (self.encoding, self.prefix, self.timestamp_header) != ("hex", "", None):
            message = "`encoding`, `prefix` and `timestamp_header` are for `hmac`"
            raise ValueError(message)
        if self.scheme == "none" and self.secret is not None:
            message = "`none` has no `secret`"
            raise ValueError(message)
        if self.secret is not None:
            check_written(self.scheme, self.secret)
        return self


class StoredSignature(TypedDict):
    """How messages are signed by who sends them."""

    scheme: Annotated[str, Field(examples=["none", "standard_webhooks", "github", "hubspot", "hmac"])]
    header: str | None
    encoding: Annotated[str, Field(examples=["hex", "base64"])]
    prefix: str
    timestamp_header: str | None
    timestamp_separator: str
    secret: Annotated[None, Field(description="Always null: it is not shown.")]


UNSIGNED: Final = StoredSignature(
    scheme="none",
    header=None,
    encoding="hex",
    prefix="",
    timestamp_header=None,
    timestamp_separator=":",
    secret=None,
)
_GITHUB: Final[StoredSignature] = {**UNSIGNED, "header": "X-Hub-Signature-256", "prefix": "sha256="}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it arrived: who sends it again sends the same `repetition_hash`, and when it counts as news."""

    repetition_hash: bytes
    repeated_within: timedelta | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was posted, to an address that may have had any of these names."""

    addresses: Sequence[str]
    headers: Mapping[str, str]
    body: bytes


def check_signature(
    signature: Mapping[str, Any], secrets: Sequence[str], message: Message, *, now: datetime
) -> Arrival:
    """Give by what a message is known again; raises InvalidSignatureError and TimestampOutOfToleranceError.

    It may be signed with any of the secrets: there are two while one is being replaced.
    """
    headers, body = message.headers, message.body
    scheme: Scheme = signature["scheme"]
    if scheme == "none":
        return _unsigned(headers, body)
    if not secrets:
        lacking = f"a hook with the scheme {scheme} has no secret"
        raise LookupError(lacking)
    if scheme == "standard_webhooks":
        return _standard(secrets, headers, body, now)
    if scheme == "hubspot":
        return _hubspot(secrets, message, now)
    return _by_header(_GITHUB if scheme == "github" else signature, secrets, headers, body, now)


def _unsigned(headers: Mapping[str, str], body: bytes) -> Arrival:
    for name in _ID_HEADERS:
        if (own_id := headers.get(name)) is not None:
            return Arrival(_hash(name.encode(), own_id.encode(errors="replace")), None)
    return Arrival(_hash(b"body", body), REPEATED_WITHIN)


def _standard(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Arrival:
    message_id, signatures = headers.get("webhook-id", ""), headers.get("webhook-signature", "")
    seconds = _seconds(headers.get("webhook-timestamp", ""))
    try:
        keys = [SigningKeys(secret) for secret in secrets]
        expected = sign(keys, message_id, seconds, body)["webhook-signature"].split(" ")
    except ValueError:
        raise _wrong() from None
    given = signatures.split(" ")[:_MOST_SIGNATURES]
    if not any(_is_same(each, one) for each in given for one in expected):
        raise _wrong()
    _check_time(seconds, now)
    return Arrival(_hash(b"webhook-id", message_id.encode()), None)


def _hubspot(secrets: Sequence[str], message: Message, now: datetime) -> Arrival:
    """Check what HubSpot signs: method, address, body and the milliseconds since 1970, with nothing between them."""
    written = message.headers.get("x-hubspot-request-timestamp", "")
    milliseconds = _number(written, digits=15)
    given = message.headers.get("x-hubspot-signature-v3", "").strip()
    signed = [b"POST" + address.encode() + message.body + written.encode() for address in message.addresses]
    digests = [hmac.digest(secret.encode(), each, "sha256") for secret in secrets for each in signed]
    if not any(_is_same(given, base64.b64encode(digest).decode()) for digest in digests):
        raise _wrong()
    _check_time(milliseconds // 1_000, now)
    return Arrival(_hash(b"signed", written.encode() + b" " + message.body), None)


def _by_header(
    signature: Mapping[str, Any], secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Arrival:
    signed, timestamp = body, signature["timestamp_header"]
    if timestamp is not None:
        written = headers.get(timestamp.lower(), "")
        signed = f"{_seconds(written)}{signature['timestamp_separator']}".encode() + body
    given = headers.get(signature["header"].lower(), "").strip()
    digests = [hmac.digest(secret.encode(), signed, "sha256") for secret in secrets]
    is_hex = signature["encoding"] == "hex"
    expected = [digest.hex() if is_hex else base64.b64encode(digest).decode() for digest in digests]
    if not any(_is_same(given, signature["prefix"] + one) for one in expected):
        raise _wrong()
    if timestamp is not None:
        _check_time(_seconds(headers.get(timestamp.lower(), "")), now)
    return Arrival(_hash(b"signed", signed), None)


def _seconds(written: str) -> int:
    return _number(written, digits=len("253402300799"))


def _number(written: str, *, digits: int) -> int:
    if not (written.isascii() and written.isdigit() and len(written) <= digits):
        raise _wrong()
    return int(written)


def _check_time(seconds: int, now: datetime) -> None:
    if abs(now.timestamp() - seconds) > TOLERANCE.total_seconds():
        message = f"The message was signed at {seconds}, more than five minutes from now."
        raise TimestampOutOfToleranceError(message, params={"timestamp": seconds})


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def check_written(scheme: str, secret: str) -> None:
    """Raise ValueError for a secret that nobody could sign with."""
    if scheme != "standard_webhooks":
        return
    try:
        sign([SigningKeys(secret)], "check", 0, b"")
    except (ValueError, binascii.Error):
        message = "a `standard_webhooks` secret is `whsec_` and base64"
        raise ValueError(message) from None


def _wrong() -> InvalidSignatureError:
    return InvalidSignatureError("The signature is missing, malformed or not of this message.")


def _hash(kind: bytes, what: bytes) -> bytes:
    return hashlib.sha256(kind + b"\0" + what).digest()
