"""Cursors: where a page begins, as a signed text that a client carries for us.

A cursor is bound to the list, sort and filters it was made for, and lives for 90 days.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from helpdesk_api.domain.errors import GoneError, MalformedError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.listing import Listing, Sort
from helpdesk_api.kit.tokens import Signer

_CURSOR_LIFE = timedelta(days=90)
_CURSOR = "cursor"


def _as_it_is(key: Any) -> Any:
    return key


# How keys are read back that JSON writes as text.
_KEYS: Mapping[str, Callable[[Any], Any]] = {"instant": datetime.fromisoformat, "decimal": Decimal}


class CursorMismatchError(MalformedError):
    """The cursor belongs to a list with other filters or another sort, or is not one of ours."""

    code = "cursor_mismatch"
    title = "The cursor does not belong to this list"


class CursorExpiredError(GoneError):
    """The cursor is too old; start again from the first page."""

    code = "cursor_expired"
    title = "The cursor has expired"


@dataclass(frozen=True, slots=True)
class Start:
    """The keys of the row that a page lies beyond, and on which side of it."""

    keys: list[Any]
    backwards: bool


def binding_of(
    listing: Listing, order: Sequence[tuple[Sort, bool]], values: Mapping[str, Any], fixed: Mapping[str, Any]
) -> str:
    """Name the list, sort and filters that a cursor belongs to."""
    keys = [(sort.name, down) for sort, down in order]
    text = json.dumps([str(listing.key), keys, to_jsonable_python(values), to_jsonable_python(fixed)])
    return hashlib.blake2s(text.encode(), digest_size=9).hexdigest()


def read_cursor(signer: Signer, text: str, binding: str, order: Sequence[tuple[Sort, bool]]) -> Start:
    """Read a cursor; raises CursorMismatchError and CursorExpiredError."""
    payload = signer.verify(_CURSOR, text)
    found = None if payload is None else json.loads(payload)
    if found is None or found[0] != binding:
        message = "The cursor was made for another list, sort or filter, or is damaged; start from the first page."
        raise CursorMismatchError(message, pointer="/cursor", location="query")
    _, backwards, made, keys = found
    if datetime.now(UTC) - datetime.fromtimestamp(made, UTC) > _CURSOR_LIFE:
        message = "The cursor is older than 90 days; start from the first page."
        raise CursorExpiredError(message, pointer="/cursor", location="query")
    typed = [_KEYS.get(sort.type, _as_it_is)(value) for (sort, _), value in zip(order, keys[:-1], strict=True)]
    return Start(keys=[*typed, UUID(keys[-1])], backwards=backwards)


def write_cursor(signer: Signer, row: Record, binding: str, order: Sequence[tuple[Sort, bool]], *, back: bool) -> str:
    """Write the cursor for the page after a row, or before it."""
    keys = [to_jsonable_python(row[sort.column.name]) for sort, _ in order] + [str(row["id"])]
    made = int(datetime.now(UTC).timestamp())
    # Unescaped, so that the longest keys fit into the longest cursor that is taken back.
    text = json.dumps([binding, back, made, keys], separators=(",", ":"), ensure_ascii=False)
    return signer.sign(_CURSOR, text.encode())
