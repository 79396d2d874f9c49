"""Problem documents (RFC 9457): how every refusal looks on the wire, and the registry served at `/problems/{code}`.

The registry is `domain.errors.REGISTRY`: a refusal class registers itself by being defined, so the catalogue is
complete by construction. This module maps kinds to statuses and renders; it does not decide what is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from helpdesk_api.domain.errors import REGISTRY, Kind, Refusal

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[Kind, int] = {
    Kind.MOVED: 308,
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.NOT_ACCEPTABLE: 406,
    Kind.TIMEOUT: 408,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_MEDIA: 415,
    Kind.INVALID: 422,
    Kind.TOO_MANY: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}


class MethodNotAllowedError(Refusal):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    title = "The resource does not support this method"
    kind = Kind.METHOD_NOT_ALLOWED


class InternalError(Refusal):
    """Something broke on our side; the request id finds it in the log."""

    code = "internal_error"
    title = "Something went wrong on the server"
    kind = Kind.INTERNAL


class ProblemField(BaseModel):
    """One place in the request that was refused."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    pointer: Annotated[str, Field(description="JSON Pointer as a URI fragment (RFC 6901 section 6).")]
    location: Annotated[
        Literal["body", "query", "path", "header"], Field(serialization_alias="in", validation_alias="in")
    ]
    code: Annotated[str, Field(description="Stable code of this error.")]
    detail: str


class Problem(BaseModel):
    """A refusal as RFC 9457 describes it, with a stable `code` to switch on."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: Annotated[str, Field(description="Address of the description of this problem, served by this API.")]
    title: str
    status: int
    detail: Annotated[str, Field(description="What was wrong this time, in a sentence for people.")]
    instance: Annotated[str, Field(description="Path of the request that was refused.")]
    code: Annotated[str, Field(description="Stable name of the problem; programs switch on this.")]
    request_id: str
    params: Annotated[
        dict[str, str | int | bool | None],
        Field(description="The values used in `detail`, so that a front end can word the message itself."),
    ]
    errors: Annotated[list[ProblemField], Field(description="Places in the request that were refused; may be empty.")]


def status_of(refusal: Refusal | type[Refusal]) -> int:
    """Give the HTTP status of a refusal."""
    return STATUS[refusal.kind]


def problem_of(refusal: Refusal, *, request_id: str, instance: str = "") -> Problem:
    """Describe a refusal, alone or as the result for one of several things that were asked for at once."""
    return Problem(
        type=f"/problems/{refusal.code}",
        title=refusal.title,
        status=status_of(refusal),
        detail=refusal.detail,
        instance=instance,
        code=refusal.code,
        request_id=request_id,
        params=refusal.params,
        errors=[
            ProblemField.model_validate(
                {"pointer": "#" + error.pointer, "in": error.location, "code": error.code, "detail": error.detail}
            )
            for error in refusal.errors
        ],
    )


def render(refusal: Refusal, *, request_id: str, instance: str = "") -> tuple[int, dict[str, str], bytes]:
    """Turn a refusal into status, headers and body bytes."""
    headers = {"content-type": MEDIA_TYPE}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(max(1, round(refusal.retry_after.total_seconds())))
    if refusal.location is not None:
        headers["location"] = refusal.location
    if refusal.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    problem = problem_of(refusal, request_id=request_id, instance=instance)
    return problem.status, headers, to_json(problem, by_alias=True)


class ProblemType(BaseModel):
    """What one `code` means, for people who met it."""

    code: str
    status: int
    title: str
    description: str


def catalogue() -> dict[str, ProblemType]:
    """List every problem this API can answer with, by code."""
    return {
        code: ProblemType(code=code, status=status_of(cls), title=cls.title, description=(cls.__doc__ or "").strip())
        for code, cls in sorted(REGISTRY.items())
    }
