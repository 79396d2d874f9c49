"""Taking what identifies a person out of texts: the values to look for, and what stands in their place afterwards.

A value is only found as a whole: an address is not taken out of a longer one, nor a name out of a longer word. Where a
text is JSON, only its strings change, so that numbers stay as they were written.
"""

import json
import re
from collections.abc import Iterable

ERASED = "[erased]"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# A single word is the name of too many.
_FEWEST_WORDS = 2
_FEWEST_DIGITS = 7


def is_telling(value: str) -> bool:
    """Tell whether a value identifies somebody by itself, wherever it stands."""
    if "@" in value:
        return True
    return len(value.split()) >= _FEWEST_WORDS or sum(character.isdigit() for character in value) >= _FEWEST_DIGITS


class Redactor:
    """Replace values in texts."""

    def __init__(self, values: Iterable[str]) -> None:
        # The longest first: a name may be part of an address.
        longest_first = sorted({value for value in values if value.strip()}, key=lambda value: (-len(value), value))
        alternatives = "|".join(map(_whole, longest_first))
        self._pattern = re.compile(alternatives or r"(?!)", re.IGNORECASE)

    def text(self, text: str) -> str:
        """Give a text without the values."""
        return self._pattern.sub(ERASED, text)

    def json(self, text: str) -> str:
        """Give a JSON text without the values in its strings."""
        return _STRING.sub(self._string, text)

    def _string(self, match: re.Match[str]) -> str:
        plain: str = json.loads(match[0])
        left = self.text(plain)
        return match[0] if left == plain else json.dumps(left, ensure_ascii=False)


def _whole(value: str) -> str:
    # What may stand beside an address without being part of it is less than what may stand beside a word.
    before, after = (r"(?<![\w.+%-])", r"(?![\w-]|\.\w)") if "@" in value else (r"(?<!\w)", r"(?!\w)")
    words = r"\s+".join(re.escape(word) for word in value.split())
    return f"{before}{words}{after}"
