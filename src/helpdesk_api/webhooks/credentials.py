"""What an endpoint sends along so that its receiver lets it in: headers of its own, credentials, and a certificate.

Credentials are a password, a token, or what an access token is asked for with (OAuth 2.0). Secret values are taken,
sealed and sent, and never shown again: reading gives null in their place, and null in a change keeps what is stored, as
long as it goes to where it went before.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.outbound import ClientIdentity, UnusableIdentityError
from helpdesk_api.kit.schema import Flag, Input

MOST_HEADERS: Final = 20
# These say how a message travels or what it is; they are set here.
_TAKEN: Final = frozenset({
    "accept-encoding", "authorization", "connection", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip
_VISIBLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class MissingSecretError(InvalidError):
    """A secret value was left out although none is stored."""

    code = "secret_missing"
    title = "A secret is missing"


class InvalidCertificateError(InvalidError):
    """A client certificate and its key cannot be used for mutual TLS."""

    code = "invalid_client_certificate"
    title = "The client certificate cannot be used"


def _free(name: str) -> str:
    if name.lower() in _TAKEN or name.lower().startswith("webhook-"):
        message = f"{name} is set by the sender itself"
        raise ValueError(message)
    return name


def _visible(value: str) -> str:
    if not _VISIBLE.fullmatch(value):
        message = "must be visible ASCII characters, with single lines and no space at either end"
        raise ValueError(message)
    return value


HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_visible)]


class CustomHeader(Input):
    """A header that every message carries."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"), AfterValidator(_free)]
    value: Annotated[
        HeaderValue | None, Field(description="Null keeps the stored value of a secret header of this name.")
    ]
    is_secret: Annotated[Flag, Field(description="Its value is sealed and never shown again.")] = False


_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": ("username",),
    "bearer": (),
    "oauth2": ("token_url", "client_id"),
}


class Authentication(Input):
    """How messages prove to the receiver that they may come in."""

    type: Annotated[
        Literal["basic", "bearer", "oauth2"],
        Field(description="`oauth2`: an access token by the client credentials grant, fetched and renewed by us."),
    ]
    username: Annotated[
        HeaderValue | None, Field(description="For `basic` only, without a colon.", examples=["helpdesk"])
    ] = None
    secret: Annotated[
        HeaderValue | None,
        Field(
            description="The password, the bearer token or the client secret; sealed and never shown again. Null keeps "
            "the stored one."
        ),
    ] = None
    token_url: Annotated[
        str | None,
        StringConstraints(max_length=2_048),
        Field(description="For `oauth2` only: the token endpoint, under the same rules as `url`."),
    ] = None
    client_id: Annotated[HeaderValue | None, Field(description="For `oauth2` only.")] = None
    scope: Annotated[HeaderValue | None, Field(description="For `oauth2` only; null asks for none.")] = None

    @model_validator(mode="after")
    def _fits(self) -> "Authentication":
        given = {name for name in ("username", "token_url", "client_id") if getattr(self, name) is not None}
        if given != set(_FIELDS[self.type]) or ":" in (self.username or "") or (self.scope and self.type != "oauth2"):
            message = (
                "`basic` needs a user name without a colon, `oauth2` a token URL and a client id, and `bearer` neither"
            )
            raise ValueError(message)
        return self


class ClientCertificate(Input):
    """What we show to a receiver that asks for a certificate (mutual TLS)."""

    certificate: Annotated[
        str,
        StringConstraints(min_length=1, max_length=32_768),
        Field(description="PEM: our certificate first, then those that lead up to its authority, five at most."),
    ]
    private_key: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=16_384),
        Field(
            description="PEM, not encrypted: RSA of 2048 bits or more, an elliptic curve or Ed25519. Sealed and never "
            "shown again; null keeps the stored one."
        ),
    ] = None


class WebhookHeader(TypedDict):
    """A header that every message carries."""

    name: str
    value: Annotated[str | None, Field(description="Null for a secret one.")]
    is_secret: bool


class WebhookAuthentication(TypedDict):
    """How messages prove to the receiver that they may come in."""

    type: str
    username: str | None
    secret: Annotated[None, Field(description="Always null: it is not shown.")]
    token_url: str | None
    client_id: str | None
    scope: str | None


class WebhookCertificate(TypedDict):
    """What we show to a receiver that asks for a certificate."""

    certificate: str
    private_key: Annotated[None, Field(description="Always null: it is not shown.")]


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret values of an endpoint: of its headers by lower-case name, of its credentials, of its certificate."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)

    @classmethod
    def loads(cls, written: bytes | None) -> Self:
        """Read what `dumps` wrote."""
        return cls() if written is None else cls(**from_json(written))

    def dumps(self) -> bytes | None:
        """Write secrets down, to be sealed; None when there are none."""
        if not self.headers and self.secret is None and self.private_key is None:
            return None
        return to_json({"headers": self.headers, "secret": self.secret, "private_key": self.private_key})


def unique_headers(headers: list[CustomHeader]) -> list[CustomHeader]:
    """Refuse two headers of one name."""
    if len({header.name.lower() for header in headers}) < len(headers):
        message = "must not name a header twice"
        raise ValueError(message)
    return headers


def shown_headers(headers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give headers as they are stored for reading, without secret values."""
    return [dict(header) | ({"value": None} if header["is_secret"] else {}) for header in headers]


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give what lets an endpoint in as it is stored for reading, without secret values."""
    authentication, certificate = values["authentication"], values["client_certificate"]
    return {
        "headers": shown_headers(values["headers"] or []),
        "authentication": None if authentication is None else dict(authentication) | {"secret": None},
        "client_certificate": None if certificate is None else dict(certificate) | {"private_key": None},
    }


def secrets_of(values: Mapping[str, Any], stored: Secrets, before: Mapping[str, Any]) -> Secrets:
    """Give the secret values; one left out is the one stored, if it goes where it went before.

    Raises MissingSecretError, and InvalidCertificateError for a certificate and a key that do not fit.
    """
    return Secrets(
        headers=secret_headers(values["headers"] or [], stored.headers),
        secret=_secret(values["authentication"], stored.secret, before.get("authentication")),
        private_key=_private_key(values["client_certificate"], stored.private_key),
    )


def secret_headers(headers: Sequence[Mapping[str, Any]], stored: Mapping[str, str]) -> dict[str, str]:
    """Give the secret values of headers by lower-case name; one left out is taken from those stored."""
    values: dict[str, str] = {}
    for position, header in enumerate(headers):
        name = header["name"].lower()
        value = header["value"]
        if value is None and header["is_secret"]:
            value = stored.get(name)
        if value is None:
            message = f"The header {header['name']} has no value."
            raise MissingSecretError(message, pointer=f"/headers/{position}/value")
        if header["is_secret"]:
            values[name] = value
    return values


def _secret(
    authentication: Mapping[str, Any] | None, stored: str | None, before: Mapping[str, Any] | None
) -> str | None:
    if authentication is None:
        return None
    goes_there_already = before is not None and all(
        before[name] == authentication[name] for name in ("type", "token_url")
    )
    secret: str | None = authentication["secret"] or (stored if goes_there_already else None)
    if secret is None:
        message = "The credentials have no secret."
        raise MissingSecretError(message, pointer="/authentication/secret")
    return secret


def _private_key(certificate: Mapping[str, Any] | None, stored: str | None) -> str | None:
    if certificate is None:
        return None
    private_key = certificate["private_key"] or stored
    if private_key is None:
        message = "The certificate has no private key."
        raise MissingSecretError(message, pointer="/client_certificate/private_key")
    try:
        return ClientIdentity.read(certificate["certificate"], private_key).private_key
    except UnusableIdentityError as error:
        message = f"The client certificate cannot be used: {error}."
        raise InvalidCertificateError(message, pointer="/client_certificate") from error


def sent_headers(
    headers: Sequence[Mapping[str, Any]], authentication: Mapping[str, Any] | None, secrets: Secrets
) -> dict[str, str]:
    """Give the headers that go with a message, secrets and all, but for an access token, which is to be fetched."""
    sent = {
        header["name"]: secrets.headers[header["name"].lower()] if header["is_secret"] else header["value"]
        for header in headers
    }
    if authentication is not None and authentication["type"] == "basic":
        pair = base64.b64encode(f"{authentication['username']}:{secrets.secret}".encode()).decode()
        sent["authorization"] = f"Basic {pair}"
    elif authentication is not None and authentication["type"] == "bearer":
        sent["authorization"] = f"Bearer {secrets.secret}"
    return sent
