"""The tree of refusals: what the system says no to, and under which stable code.

A refusal is raised by the function that knows the rule and carries everything a client needs to act: a stable `code`,
a sentence that names the offending value, and where in the request it stood. Which HTTP status it becomes is decided by
its kind in `kit.problems`; this module knows nothing of HTTP.

    Refusal
    ├── MalformedError, InvalidError, TooLargeError, UnsupportedMediaError
    ├── UnauthenticatedError, ForbiddenError, NotFoundError, GoneError
    ├── ConflictError, PreconditionFailedError
    └── TooManyError, UnavailableError
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import ClassVar, Literal

REGISTRY: dict[str, type["Refusal"]] = {}

Location = Literal["body", "query", "path", "header"]
Param = str | int | bool | None


class Kind(Enum):
    """What sort of no it is; the edge maps each kind to one HTTP status."""

    MOVED = auto()
    MALFORMED = auto()
    UNAUTHENTICATED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    NOT_ACCEPTABLE = auto()
    TIMEOUT = auto()
    CONFLICT = auto()
    GONE = auto()
    PRECONDITION_FAILED = auto()
    TOO_LARGE = auto()
    UNSUPPORTED_MEDIA = auto()
    INVALID = auto()
    TOO_MANY = auto()
    INTERNAL = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one place of the request; `pointer` is a JSON Pointer such as `/items/0/email`."""

    pointer: str
    code: str
    detail: str
    location: Location = "body"


class Refusal(Exception):  # noqa: N818 - the base names the idea; every concrete class below ends in Error.
    """Say no for a reason that the caller can understand and act on."""

    code: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Kind]
    # Where what is looked for is now.
    location: str | None = None

    def __init__(
        self,
        detail: str,
        *,
        pointer: str | None = None,
        location: Location = "body",
        params: Mapping[str, Param] | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params = dict(params or {})
        self.retry_after = retry_after
        self.errors = errors
        if pointer is not None and not errors:
            self.errors = (FieldError(pointer=pointer, code=self.code, detail=detail, location=location),)

    def __init_subclass__(cls) -> None:
        """Enter every concrete refusal into the registry, and refuse two classes under one code."""
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            return
        other = REGISTRY.setdefault(cls.code, cls)
        if other.__qualname__ != cls.__qualname__:
            message = f"{cls.__qualname__} and {other.__qualname__} share the code {cls.code!r}"
            raise TypeError(message)


class MalformedError(Refusal):
    """The request cannot be read at all."""

    code = "malformed_request"
    title = "The request cannot be read"
    kind = Kind.MALFORMED


class UnauthenticatedError(Refusal):
    """The caller did not prove who they are."""

    code = "unauthenticated"
    title = "Valid credentials are required"
    kind = Kind.UNAUTHENTICATED


class ForbiddenError(Refusal):
    """The caller is known but may not do this."""

    code = "forbidden"
    title = "The credential does not permit this"
    kind = Kind.FORBIDDEN


class NotFoundError(Refusal):
    """There is no such thing, or the caller may not know of it; the two look the same on purpose."""

    code = "not_found"
    title = "There is no such thing"
    kind = Kind.NOT_FOUND


class ConflictError(Refusal):
    """The present state does not allow it."""

    code = "conflict"
    title = "The present state does not allow this"
    kind = Kind.CONFLICT


class GoneError(Refusal):
    """It existed once and is not coming back."""

    code = "gone"
    title = "This is no longer available"
    kind = Kind.GONE


class PreconditionFailedError(Refusal):
    """A condition that the caller set does not hold."""

    code = "precondition_failed"
    title = "The object has changed since it was read"
    kind = Kind.PRECONDITION_FAILED


class TooLargeError(Refusal):
    """More was sent than is accepted."""

    code = "too_large"
    title = "The request is too large"
    kind = Kind.TOO_LARGE


class UnsupportedMediaError(Refusal):
    """The body is of a media type that is not accepted here."""

    code = "unsupported_media_type"
    title = "The media type of the body is not supported"
    kind = Kind.UNSUPPORTED_MEDIA


class InvalidError(Refusal):
    """The request can be read, but a value in it is not acceptable."""

    code = "validation_failed"
    title = "The request does not satisfy the schema"
    kind = Kind.INVALID


class TooManyError(Refusal):
    """The caller should slow down."""

    code = "too_many_requests"
    title = "Too many requests"
    kind = Kind.TOO_MANY


class UnavailableError(Refusal):
    """It could work later without any change by the caller."""

    code = "temporarily_unavailable"
    title = "The service cannot answer just now"
    kind = Kind.UNAVAILABLE
