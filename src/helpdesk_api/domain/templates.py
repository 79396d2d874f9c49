"""Templates: text with the values of fields in it, `{{subject}}`, over the fields that conditions ask about.

There is no logic in them, and what a value says is never read as a template. The text that comes out is plain: nothing
is escaped, because nothing here is markup; whoever puts it into a page escapes it there, like all other text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from helpdesk_api.domain.conditions import Facts, Field
from helpdesk_api.domain.errors import InvalidError

MOST_VARIABLES: Final = 100
_CUT: Final = "…"
_OPENING: Final = "{{"
_VARIABLE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAMED: Final = re.compile(r"\s*([a-z0-9_]+(?:\.[a-z0-9_]+)*)\s*")


class InvalidTemplateError(InvalidError):
    """In a template, `{{` begins the path of a field and `}}` ends it; there are at most a hundred."""

    code = "invalid_template"
    title = "The text is not a template"


class UnknownTemplateFieldError(InvalidError):
    """There is no such field for templates; `GET /v1/condition-fields` lists them."""

    code = "unknown_template_field"
    title = "The template names a field that is not there"


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and paths of fields in turns, beginning and ending with a text."""

    texts: tuple[str, ...]
    paths: tuple[str, ...]


def read_template(given: str, fields: Mapping[str, Field], *, pointer: str) -> Template:
    """Read a template over these fields. Raises InvalidTemplateError and UnknownTemplateFieldError."""
    parts = _VARIABLE.split(given)
    texts, names = parts[::2], parts[1::2]
    if any(_OPENING in text for text in texts):
        message = "A {{ has no }}."
        raise InvalidTemplateError(message, pointer=pointer)
    if len(names) > MOST_VARIABLES:
        message = f"A template may name {MOST_VARIABLES} fields, not {len(names)}."
        raise InvalidTemplateError(message, pointer=pointer, params={"most": MOST_VARIABLES})
    return Template(tuple(texts), tuple(_path(name, fields, pointer) for name in names))


def rendered(template: Template, facts: Facts, *, longest: int) -> str:
    """Give the text with the values in it, cut where it would be too long; what has no value is left empty."""
    values = [*(_written(facts.get(path)) for path in template.paths), ""]
    whole = "".join(part for pair in zip(template.texts, values, strict=True) for part in pair)
    return whole if len(whole) <= longest else whole[: longest - len(_CUT)] + _CUT


def _path(name: str, fields: Mapping[str, Field], pointer: str) -> str:
    found = _NAMED.fullmatch(name)
    if found is None:
        message = f"{{{{{name[:100]}}}}} is not the path of a field."
        raise InvalidTemplateError(message, pointer=pointer)
    if found[1] not in fields:
        message = f"There is no field {found[1][:100]} for templates; GET /v1/condition-fields lists them."
        raise UnknownTemplateFieldError(message, pointer=pointer)
    return found[1]


def _written(value: Any) -> str:  # noqa: ANN401 - of whatever type the field is.
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case list() | tuple() | set() | frozenset():
            return ", ".join(map(str, value))
        case _:
            return str(value)
