"""Why a request did not get an answer: the reasons are stable words that delivery logs show and programs switch on.

Details are sentences for the owner of the endpoint. They never hold an address that a name resolved to, because that
would tell tenants how the network around this service is built.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """What stood in the way of an answer."""

    ADDRESS_DENIED = "address_denied"
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL_ERROR = "protocol_error"
    TOO_LARGE = "too_large"
    INVALID_REQUEST = "invalid_request"
    TOKEN_NOT_OBTAINED = "token_not_obtained"  # noqa: S105 - the name of a reason.


class OutboundError(Exception):
    """The attempt ended without an answer, after `duration`."""

    reason: ClassVar[Reason]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.duration = timedelta(0)


class AddressDeniedError(OutboundError):
    """The URL, or an address behind its name, is not one that may be called."""

    reason = Reason.ADDRESS_DENIED


class NameNotResolvedError(OutboundError):
    """The name has no address."""

    reason = Reason.NAME_NOT_RESOLVED


class ConnectFailedError(OutboundError):
    """None of the addresses accepted a connection."""

    reason = Reason.CONNECT_FAILED


class TLSFailedError(OutboundError):
    """The receiver could not prove that it is the host in the URL, or speaks no acceptable TLS."""

    reason = Reason.TLS_FAILED


class AttemptTimeoutError(OutboundError):
    """The attempt took longer than it may."""

    reason = Reason.TIMEOUT


class ConnectionLostError(OutboundError):
    """The connection broke before the answer was complete."""

    reason = Reason.CONNECTION_LOST


class ResponseProtocolError(OutboundError):
    """What came back is not HTTP."""

    reason = Reason.PROTOCOL_ERROR


class ResponseTooLargeError(OutboundError):
    """The answer did not begin within the number of bytes that are read."""

    reason = Reason.TOO_LARGE


class InvalidRequestError(OutboundError):
    """The request itself cannot be sent as HTTP."""

    reason = Reason.INVALID_REQUEST


class TokenNotObtainedError(OutboundError):
    """The receiver wants an access token, and whoever issues them gave none."""

    reason = Reason.TOKEN_NOT_OBTAINED
