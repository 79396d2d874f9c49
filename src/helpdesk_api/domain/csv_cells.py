"""Cells of CSV files that no spreadsheet takes for a formula, and that lose nothing on the way there and back.

A text that a spreadsheet would run, or an empty one, gets an apostrophe before it, and so does a text that begins with
an apostrophe already, so that taking it away again is exact. An empty cell is no value at all.
"""

import json
from typing import Any, Final

_ESCAPE: Final = "'"
# The last four are the same signs in full width, which some spreadsheets read as the signs themselves.
_BEGINS_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_ESCAPED: Final = _BEGINS_FORMULA | {_ESCAPE}
_SEPARATOR: Final = ";"
_LIST: Final = "["


def written_text(text: str) -> str:
    """Give the cell for a text."""
    return _ESCAPE + text if not text or text[0] in _ESCAPED else text


def read_text(cell: str) -> str | None:
    """Give the text of a cell, or None for one that holds no value."""
    if cell.startswith(_ESCAPE) and (len(cell) == 1 or cell[1] in _ESCAPED):
        return cell[1:]
    return cell or None


def written_value(value: Any) -> str:  # noqa: ANN401 - any JSON.
    """Give the cell for a value: texts as they are, several texts with semicolons between, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return written_text(value)
    if isinstance(value, list) and value and all(map(_is_plain, value)) and not value[0].startswith(_LIST):
        return written_text(_SEPARATOR.join(value))
    return written_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def read_texts(cell: str) -> Any:  # noqa: ANN401 - any JSON; what is no list of texts is told later, with its place.
    """Give the texts of a cell; none for an empty one. Raises ValueError for a list in JSON that is none."""
    text = read_text(cell)
    if text is None:
        return []
    if text.startswith(_LIST):
        return json.loads(text)
    return [part for each in text.split(_SEPARATOR) if (part := each.strip())]


def read_json(cell: str) -> Any:  # noqa: ANN401 - any JSON.
    """Give the value of a cell in JSON, truth in any case; None for an empty one. Raises ValueError."""
    text = read_text(cell)
    if text is None:
        return None
    lowered = text.strip().lower()
    return json.loads(lowered if lowered in {"true", "false"} else text)


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value != "" and value == value.strip() and _SEPARATOR not in value
