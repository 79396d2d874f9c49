"""What an endpoint sends along so that its receiver lets it in: headers of its own, and basic or bearer credentials.

Secret values are taken, sealed and sent, and never shown again: reading gives null in their place, and null in a change
keeps what is stored.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from helpdesk_api.domain.errors import InvalidError
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
    title = "There is no stored secret to keep"


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


class Authentication(Input):
    """How messages prove to the receiver that they may come in."""

    type: Literal["basic", "bearer"]
    username: Annotated[
        HeaderValue | None, Field(description="For `basic` only, without a colon.", examples=["helpdesk"])
    ] = None
    secret: Annotated[
        HeaderValue | None,
        Field(description="The password or the bearer token; sealed and never shown again. Null keeps the stored one."),
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> "Authentication":
        if (self.type == "basic") != (self.username is not None) or ":" in (self.username or ""):
            message = "`basic` needs a user name without a colon, `bearer` has none"
            raise ValueError(message)
        return self


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


def unique_headers(headers: list[CustomHeader]) -> list[CustomHeader]:
    """Refuse two headers of one name."""
    if len({header.name.lower() for header in headers}) < len(headers):
        message = "must not name a header twice"
        raise ValueError(message)
    return headers


def shown_headers(headers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give headers as they are stored for reading, without secret values."""
    return [dict(header) | ({"value": None} if header["is_secret"] else {}) for header in headers]


def shown_authentication(authentication: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give credentials as they are stored for reading, without the secret."""
    return None if authentication is None else dict(authentication) | {"secret": None}


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


def secret_of(authentication: Mapping[str, Any] | None, stored: str | None) -> str | None:
    """Give the secret of credentials; one left out is the one stored."""
    if authentication is None:
        return None
    secret: str | None = authentication["secret"] or stored
    if secret is None:
        message = "The credentials have no secret."
        raise MissingSecretError(message, pointer="/authentication/secret")
    return secret


def dumps(headers: Mapping[str, str], secret: str | None) -> bytes | None:
    """Write secrets down, to be sealed; None when there are none."""
    return to_json({"headers": headers, "secret": secret}) if headers or secret is not None else None


def loads(written: bytes | None) -> tuple[dict[str, str], str | None]:
    """Read what `dumps` wrote."""
    if written is None:
        return {}, None
    read = from_json(written)
    return read["headers"], read["secret"]


def sent_headers(
    headers: Sequence[Mapping[str, Any]], authentication: Mapping[str, Any] | None, written: bytes | None
) -> dict[str, str]:
    """Give the headers that go with a message, secrets and all."""
    secrets, secret = loads(written)
    sent = {
        header["name"]: secrets[header["name"].lower()] if header["is_secret"] else header["value"]
        for header in headers
    }
    if authentication is not None and secret is not None:
        if authentication["type"] == "basic":
            pair = base64.b64encode(f"{authentication['username']}:{secret}".encode()).decode()
            sent["authorization"] = f"Basic {pair}"
        else:
            sent["authorization"] = f"Bearer {secret}"
    return sent
