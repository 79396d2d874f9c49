"""Making what an expression found fit the field that it is for.

What is too long is cut where nothing is lost that matters, and refused where guessing would be worse.
"""

import re
from typing import Any, Final
from uuid import UUID

LONGEST_SUBJECT: Final = 200
LONGEST_TEXT: Final = 65_536
LONGEST_KEY: Final = 1_000
_LONGEST_TAG: Final = 60
_MOST_TAGS: Final = 50
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_ENDS: Final = re.compile(r"\r\n?|\u2028|\u2029")


class MisfitError(Exception):
    """What was found does not fit a field of the mapping, which is named."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field} {detail}")
        self.field = field


def as_text(field: str, found: object) -> str:
    """Give a text without what cannot be printed; nothing is an empty one."""
    match found:
        case None:
            return ""
        case bool():
            return "true" if found else "false"
        case str() | int() | float():
            return _UNPRINTABLE.sub("", _LINE_ENDS.sub("\n", str(found))).strip()
        case _:
            raise MisfitError(field, f"must find a text, not {'a list' if isinstance(found, list) else 'an object'}")


def as_values(found: object) -> dict[str, Any]:
    """Give the values that are told, by key."""
    if not isinstance(found, dict | None):
        raise MisfitError("custom_fields", "must find an object")
    # What a message does not tell is not set.
    return {key: value for key, value in (found or {}).items() if value is not None}


def needed(field: str, text: str) -> str:
    """Give a text that there has to be."""
    if not text:
        raise MisfitError(field, "found nothing")
    return text


def as_key(text: str) -> str:
    """Give a key, which is never cut: two that differ at their ends are two."""
    if len(needed("dedupe_key", text)) > LONGEST_KEY:
        raise MisfitError("dedupe_key", f"found more than {LONGEST_KEY} characters")
    return text


def one_of(field: str, text: str, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a member of what is known.
    """Give the one of these that a text names."""
    for value in known:
        if value == text:
            return value
    raise MisfitError(field, f"found {cut(text, 60)!r}, which is none of {', '.join(known)}")


def as_id(field: str, text: str) -> UUID | None:
    """Give an id, if there is one."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise MisfitError(field, f"found {cut(text, 60)!r}, which is no id") from None


def as_reference(source: str, external_id: str) -> tuple[str, str] | None:
    """Give the system that an id is of, and the id; without one there is nothing to look for, whatever the system."""
    return (needed("company_source", source), external_id) if external_id else None


def as_tags(found: object) -> list[str]:
    """Give tags, of one text or of a list of them."""
    parts = found if isinstance(found, list) else [found]
    words = (" ".join(as_text("tags", part).lower().split()) for part in parts)
    return sorted({cut(word, _LONGEST_TAG) for word in words if word})[:_MOST_TAGS]


def cut(text: str, most: int) -> str:
    """Give a text that is not too long."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
