"""Conditional requests (RFC 9110 section 13): versions as entity tags, 304 for the known, 412 for the changed."""

import re
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.domain.errors import MalformedError, PreconditionFailedError

_TAG = re.compile(r'(?:W/)?"v([1-9][0-9]{0,9})"')


class InvalidIfMatchError(MalformedError):
    """If-Match holds something other than `*` or one entity tag of ours."""

    code = "invalid_if_match"
    title = "The If-Match header cannot be read"


class StaleVersionError(PreconditionFailedError):
    """The object has another version than the one the caller read."""

    code = "stale_version"
    title = "The object has changed since it was read"


def entity_tag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"v{version}"'


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            description='The entity tag that was read, such as `"v7"`; refused with 412 when the object has changed.'
        ),
    ] = None,
) -> int | None:
    # It waits for nothing, but a dependency that is no coroutine is sent to a thread, and that takes longer than it.
    if if_match is None or if_match.strip() == "*":
        return None
    # Weak tags are accepted: proxies that compress weaken the tag of the very same version.
    match = _TAG.fullmatch(if_match.strip())
    if match is None:
        message = 'If-Match must be an entity tag such as "v7".'
        raise InvalidIfMatchError(message, pointer="/If-Match", location="header")
    return int(match[1])


IfMatch = Annotated[int | None, Depends(_if_match)]


def check_version(current: int, expected: int | None) -> None:
    """Raise StaleVersionError when the caller expected another version than the current one."""
    if expected is not None and expected != current:
        message = f"The object is at version {current}, not {expected}; read it again."
        raise StaleVersionError(message, params={"current_version": current, "expected_version": expected})


def not_modified(request: Request, response: Response) -> Response:
    """Answer 304 instead when the client already holds this version.

    Related objects that are sent along have versions of their own, which the tag does not tell.
    """
    known = request.headers.get("if-none-match")
    tag = response.headers.get("etag")
    if known is None or tag is None or "include" in request.query_params:
        return response
    if any(candidate.strip().removeprefix("W/") in {tag, "*"} for candidate in known.split(",")):
        return Response(status_code=304, headers={"etag": tag})
    return response
