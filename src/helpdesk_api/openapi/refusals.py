"""Which problems an operation may answer with, and how each looks.

Most follow from the shape of the operation; what a single one refuses is `openapi.refused`. A test finds
codes that no operation names.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from helpdesk_api.domain.errors import (
    FieldError,
    InvalidError,
    NotFoundError,
    Refusal,
    UnauthenticatedError,
    UnsupportedMediaError,
)
from helpdesk_api.domain.workflow import InvalidTransitionError
from helpdesk_api.identity.key_networks import AddressNotAllowedError
from helpdesk_api.identity.view_as import ViewAsExceedsOwnError, ViewAsMalformedError
from helpdesk_api.kit.caller import ViewAsReadOnlyError
from helpdesk_api.kit.conditional import InvalidIfMatchError, StaleVersionError
from helpdesk_api.kit.context import MissingPermissionError
from helpdesk_api.kit.crud import NotNullableError
from helpdesk_api.kit.cursors import CursorExpiredError, CursorMismatchError
from helpdesk_api.kit.db import CommitLostError
from helpdesk_api.kit.exchange import BodyTooLargeError, BodyTooSlowError
from helpdesk_api.kit.http import ShuttingDownError
from helpdesk_api.kit.idempotency import (
    AnswerWithheldError,
    IdempotencyKeyReusedError,
    InvalidIdempotencyKeyError,
    RequestInProgressError,
)
from helpdesk_api.kit.listing import UnknownSortError
from helpdesk_api.kit.problems import InternalError, render
from helpdesk_api.kit.quotas import QuotaExceededError
from helpdesk_api.kit.rate_limits import RateLimitedError
from helpdesk_api.kit.sqlstate import (
    AlreadyExistsError,
    DatabaseUnavailableError,
    StillReferencedError,
    UnknownReferenceError,
    UnstorableValueError,
    ValueTooLargeError,
    WriteConflictError,
)
from helpdesk_api.kit.standing import TenantSuspendedError
from helpdesk_api.kit.strict_json import (
    DuplicateKeyError,
    EmptyBodyError,
    InvalidEncodingError,
    InvalidJSONError,
    NestedTooDeepError,
    NumberOutOfRangeError,
    UnstorableCharacterError,
)
from helpdesk_api.kit.visibility import FieldNotAllowedError
from helpdesk_api.openapi.refused import OF_OPERATION, Refusals
from helpdesk_api.openapi.refused.custom_fields import OF_CUSTOM_FIELDS
from helpdesk_api.openapi.shapes import Shape

UNREADABLE: Refusals = (
    EmptyBodyError,
    InvalidEncodingError,
    InvalidJSONError,
    NestedTooDeepError,
    DuplicateKeyError,
    NumberOutOfRangeError,
    UnstorableCharacterError,
)
# Operations that answer without the database.
_NEEDS_NOTHING = frozenset({"service_livez", "problems_list", "problems_get"})

_ID = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"
_REQUEST_ID = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"
_SHORT = "String should have at least 1 character"
_WORDED: Mapping[type[Refusal], Refusal] = {
    type(refusal): refusal
    for refusal in (
        InvalidError(
            f"The request is wrong in 1 place; the first: /subject: {_SHORT}",
            errors=(FieldError("/subject", "string_too_short", _SHORT),),
        ),
        MissingPermissionError(
            "This operation needs the permission tickets:write.", params={"permission": "tickets:write"}
        ),
        RateLimitedError(
            "The credential has used up its 6000 requests in 60 seconds.",
            params={"policy": "credential", "quota": 6_000, "window_seconds": 60},
        ),
        NotFoundError(f"There is no ticket {_ID}.", params={"id": _ID}),
        StaleVersionError(
            "The object is at version 8, not 7; read it again.", params={"current_version": 8, "expected_version": 7}
        ),
        AlreadyExistsError("Another object already has this name.", pointer="/name"),
        UnknownReferenceError("There is no object with the id given as company_id.", pointer="/company_id"),
        StillReferencedError("Objects in tickets still refer to it.", params={"referenced_by": "tickets"}),
        NotNullableError("subject always has a value and cannot be set to null.", pointer="/subject"),
        UnknownSortError(
            "Sort by one or more of created_at, updated_at, each once; not by 'color'.",
            pointer="/sort",
            location="query",
        ),
        CursorMismatchError(
            "The cursor was made for another list, sort or filter, or is damaged; start from the first page.",
            pointer="/cursor",
            location="query",
        ),
        IdempotencyKeyReusedError(
            "This key was used for a request with other content; use a new key.",
            pointer="/Idempotency-Key",
            location="header",
        ),
        InvalidTransitionError("a ticket that is open cannot become new", params={"from": "open", "to": "new"}),
        BodyTooLargeError("The body has more than 1,048,576 bytes.", params={"max_bytes": 1_048_576}),
    )
}


# What a shape lets happen, in the order in which a request meets it.
_OF_SHAPE: tuple[tuple[Callable[[Shape], object], Refusals], ...] = (
    (lambda shape: shape.is_known, (UnauthenticatedError, AddressNotAllowedError)),
    (lambda shape: shape.is_known or shape.signs_in, (TenantSuspendedError,)),
    (lambda shape: shape.is_of_operator, (UnauthenticatedError,)),
    (lambda shape: shape.is_counted, (RateLimitedError,)),
    (lambda shape: shape.scopes, (MissingPermissionError,)),
    (lambda shape: shape.may_be_viewed_as, (ViewAsMalformedError, ViewAsExceedsOwnError)),
    (lambda shape: shape.is_known and not shape.may_be_viewed_as, (ViewAsReadOnlyError,)),
    (lambda shape: shape.guards_fields, (FieldNotAllowedError,)),
    (lambda shape: shape.parameters or shape.has_body or shape.is_known, (InvalidError,)),
    (lambda shape: shape.names_object and (shape.is_known or shape.is_of_operator), (NotFoundError,)),
    (lambda shape: shape.has_body, (*UNREADABLE, BodyTooSlowError, UnsupportedMediaError)),
    (lambda shape: shape.has_bytes, (BodyTooSlowError,)),
    (lambda shape: shape.has_body, (ValueTooLargeError, UnstorableValueError)),
    (lambda shape: shape.takes_key, (InvalidIdempotencyKeyError, IdempotencyKeyReusedError, RequestInProgressError)),
    (lambda shape: shape.takes_key, (AnswerWithheldError,)),
    (lambda shape: shape.writes, (WriteConflictError, CommitLostError)),
    (lambda shape: shape.takes_version, (InvalidIfMatchError, StaleVersionError)),
    (lambda shape: shape.pages, (CursorMismatchError, CursorExpiredError, UnknownSortError)),
    (lambda shape: shape.follows, (CursorMismatchError,)),
    (lambda shape: shape.is_bounded, (QuotaExceededError,)),
    (lambda shape: shape.may_collide, (AlreadyExistsError,)),
    (lambda shape: shape.refers, (UnknownReferenceError,)),
    (lambda shape: shape.method == "patch", (NotNullableError,)),
    (lambda shape: shape.is_held, (StillReferencedError,)),
    (lambda shape: shape.id not in _NEEDS_NOTHING, (DatabaseUnavailableError, ShuttingDownError)),
    # The edge of the process refuses these whatever is asked.
    (lambda _: True, (BodyTooLargeError, InternalError)),
)


def possible(shape: Shape) -> list[type[Refusal]]:
    """List what an operation may refuse, in a stable order."""
    general = (refused for applies, several in _OF_SHAPE if applies(shape) for refused in several)
    return list(dict.fromkeys([*general, *OF_OPERATION.get(shape.id, ()), *OF_CUSTOM_FIELDS.get(shape.id, ())]))


def example_of(refused: type[Refusal]) -> dict[str, Any]:
    """Give the problem document of a refusal, written by the code that writes them all."""
    said = _WORDED.get(refused) or refused((refused.__doc__ or f"{refused.title}.").partition("\n")[0])
    _, _, body = render(said, request_id=_REQUEST_ID, instance=f"/v1/tickets/{_ID}")
    example: dict[str, Any] = from_json(body)
    return example
