"""Strict JSON: the bytes of a request body become plain values, or a refusal that says precisely why not.

Refused here is what would only fail later and worse: text that is not UTF-8, keys given twice, numbers that no column
holds, nesting that exhausts the stack, and characters that PostgreSQL cannot store. Which type stands at the top, and
every rule about fields, is left to the schemas; how many bytes may arrive is the concern of `kit.http`.
"""

import json
import math
import re
from typing import NoReturn, TypeAlias

from helpdesk_api.domain.errors import MalformedError

JSONValue: TypeAlias = "dict[str, JSONValue] | list[JSONValue] | str | int | float | bool | None"

MAX_DEPTH = 32
_INT64 = range(-(2**63), 2**63)
# The sign and nineteen digits; anything longer is out of range, and int() need not be asked to read a million digits.
_LONGEST_INT64 = 20
_SHOWN = 40

# Possessive, and the closing quote may be missing: the pattern cannot fail, so a hostile body cannot make it try again.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_A_BRACKET = bytes(byte for byte in range(256) if byte not in _STEP)
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class EmptyBodyError(MalformedError):
    """A body was expected and nothing, or only white space, came."""

    code = "empty_body"
    title = "The body is empty"


class InvalidEncodingError(MalformedError):
    """The body is not UTF-8 (RFC 8259 section 8.1), or begins with a byte order mark."""

    code = "invalid_encoding"
    title = "The body is not UTF-8"


class InvalidJSONError(MalformedError):
    """The body does not follow the grammar of JSON; `params` hold the line and the column."""

    code = "invalid_json"
    title = "The body is not JSON"


class NestedTooDeepError(MalformedError):
    """Arrays and objects stand inside each other more than 32 deep."""

    code = "nested_too_deep"
    title = "The body is nested too deep"


class DuplicateKeyError(MalformedError):
    """An object names a key twice, so readers would disagree about its value."""

    code = "duplicate_key"
    title = "An object has the same key twice"


class NumberOutOfRangeError(MalformedError):
    """A number is not finite, or is an integer of more than 64 bits."""

    code = "number_out_of_range"
    title = "A number is out of range"


class UnstorableCharacterError(MalformedError):
    """A text holds NUL or half of a surrogate pair, which no text in the database can hold."""

    code = "unstorable_character"
    title = "A text holds a character that cannot be stored"


def loads(raw: bytes) -> JSONValue:
    """Read one JSON value. Raises a subclass of MalformedError for anything that is not plainly JSON."""
    _check_depth(raw)
    try:
        value: JSONValue = _DECODER.decode(_text(raw))
    except json.JSONDecodeError as error:
        message = f"The body is not JSON at line {error.lineno}, column {error.colno}: {error.msg}."
        raise InvalidJSONError(message, params={"line": error.lineno, "column": error.colno}) from None
    if _SUSPECT_ESCAPE.search(raw):
        _check_characters(value, "")
    return value


def _text(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise InvalidEncodingError("The body begins with a byte order mark; send UTF-8 without one.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 at byte {error.start}."
        raise InvalidEncodingError(message, params={"byte": error.start}) from None
    if "\0" in text:
        # NUL bytes are valid UTF-8, but no JSON; in practice they are every second byte of UTF-16.
        message = f"The body holds a NUL byte at byte {raw.index(0)}; send UTF-8."
        raise InvalidEncodingError(message, params={"byte": raw.index(0)})
    if not text.strip(" \t\r\n"):
        raise EmptyBodyError("The body is empty; a JSON value is expected.")
    return text


def _check_depth(raw: bytes) -> None:
    """Count brackets outside strings before parsing, because the parser would recurse once per level."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for byte in _STRING.sub(b"", raw).translate(None, delete=_NOT_A_BRACKET):
        depth += _STEP[byte]
        if depth > MAX_DEPTH:
            message = f"The body is nested deeper than {MAX_DEPTH} levels."
            raise NestedTooDeepError(message, params={"max_depth": MAX_DEPTH})


def _check_characters(value: JSONValue, pointer: str) -> None:
    if isinstance(value, str):
        found = _UNSTORABLE.search(value)
        if found:
            message = f"The text holds U+{ord(found[0]):04X} at index {found.start()}, which cannot be stored."
            raise UnstorableCharacterError(message, pointer=pointer)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_characters(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if _UNSTORABLE.search(key):
                message = f"The key {_shown(key)} holds a character that cannot be stored."
                raise UnstorableCharacterError(message, pointer=pointer)
            _check_characters(item, f"{pointer}/{key[:_SHOWN].replace('~', '~0').replace('/', '~1')}")


def _object(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                message = f"The key {_shown(key)} stands twice in one object."
                raise DuplicateKeyError(message, params={"key": _shown(key)})
            seen.add(key)
    return result


def _integer(digits: str) -> int:
    if len(digits) <= _LONGEST_INT64 and (number := int(digits)) in _INT64:
        return number
    raise NumberOutOfRangeError(f"The integer {_shown(digits)} does not fit into 64 bits.")


def _real(digits: str) -> float:
    number = float(digits)
    if math.isfinite(number):
        return number
    raise NumberOutOfRangeError(f"The number {_shown(digits)} is too large.")


def _constant(name: str) -> NoReturn:
    raise NumberOutOfRangeError(f"{name} is not a JSON number.")


def _shown(text: str) -> str:
    """Show the beginning of a text in ASCII, so that nothing hostile travels into logs or answers."""
    return ascii(text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant)
