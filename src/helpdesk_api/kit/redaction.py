"""What may stand in a log line: values become plain JSON types, and secrets and personal data become `[redacted]`.

Two nets. By name: a field whose name holds a word such as `token` or `email` never shows its value. By value: what is
like one of our keys, a credential in a URL, a mail address or a row of the database is cut out of any text, exception
texts included. Every pattern runs in linear time, because strangers choose the text. Writing the line is the concern
of `kit.logs`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite

from helpdesk_api.kit.strict_json import JSONValue

REDACTED = "[redacted]"

_DEEPEST = 6
_LONGEST = 20_000
_WORD = re.compile(r"[A-Z]*[a-z]+|[A-Z]+")
# Words of a name, without the plural.
_HIDDEN = frozenset(
    {
        "apikey",
        "authorization",
        "body",
        "comment",
        "cookie",
        "credential",
        "description",
        "dsn",
        "email",
        "key",
        "passwd",
    }
    | {"password", "payload", "phone", "pwd", "secret", "signature", "subject", "token"}
)
# A name that ends so tells something about the value, not the value: `token_id`, `body_bytes`, `key_count`.
_HARMLESS_ENDINGS = frozenset({"byte", "count", "id", "kind", "second", "type"})

_TRIGGER = re.compile(r"hd_|whsec_|@|://|DETAIL:|input_value=|[Bb][Ee][Aa][Rr][Ee][Rr] |[Bb][Aa][Ss][Ii][Cc] ")
_KEYS = re.compile(r"(?:hd_[\w-]|whsec_[\w+/=-])[\w+/=-]{6,}")
_AUTHORIZATION = re.compile(r"\b(bearer|basic) +[\w.~+/=-]{8,}", re.IGNORECASE)
_URL = re.compile(r"://([^\s\"'<>]++)")
_MAIL_ADDRESS = re.compile(r"(?<![\w.%+-])[\w.%+-]++@[\w-]+(?:\.[\w-]+)+")
# PostgreSQL repeats the offending row after DETAIL, Pydantic the offending input.
_ROW = re.compile(r"DETAIL:.*?(?=\nHINT:|\n\n(?:The above|During handling)|\Z)", re.DOTALL)
_INPUT = re.compile(r"input_value=.*?(?=, input_type=|\Z)", re.DOTALL)


def redact(name: str, value: object) -> JSONValue:
    """Make one named value fit for a log line. Never raises."""
    if value is not None and _is_hidden(name):
        return REDACTED
    return _plain(value, 0)


def redact_text(text: str) -> str:
    """Cut what must not be logged out of a text."""
    # Four looks for one character acquit ids, methods and most routes for a tenth of what the search costs.
    if ("_" in text or "@" in text or ":" in text or " " in text) and _TRIGGER.search(text):
        text = _ROW.sub(f"DETAIL: {REDACTED}", text)
        text = _INPUT.sub(f"input_value={REDACTED}", text)
        text = _URL.sub(_redact_url, text)
        text = _KEYS.sub(REDACTED, text)
        text = _AUTHORIZATION.sub(rf"\1 {REDACTED}", text)
        text = _MAIL_ADDRESS.sub(REDACTED, text)
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]} [{len(text) - 2 * half} characters left out] {text[-half:]}"
    return text


@lru_cache(maxsize=2048)
def _is_hidden(name: str) -> bool:
    words = [word.lower().removesuffix("s") for word in _WORD.findall(name)]
    return not _HIDDEN.isdisjoint(words) and words[-1] not in _HARMLESS_ENDINGS


def _plain(value: object, depth: int) -> JSONValue:
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                redact_text(key): REDACTED if _is_hidden(key) else _plain(item, depth + 1)
                for key, item in ((str(key), item) for key, item in value.items())
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in value]
    return redact_text(_described(value))


def _described(value: object) -> str:
    try:
        return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
    except Exception:  # noqa: BLE001 - any __str__ may fail in any way, and a log line must not break its caller.
        return f"[{type(value).__name__} without a text]"


def _redact_url(match: re.Match[str]) -> str:
    rest = match[1]
    authority = rest.partition("/")[0]
    if "@" in authority:
        rest = f"{REDACTED}@{rest[authority.rindex('@') + 1 :]}"
    address, mark, _ = rest.partition("?")
    return f"://{address}?{REDACTED}" if mark else f"://{address}"
