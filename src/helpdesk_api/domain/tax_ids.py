"""Tax numbers in one spelling, so that the same number written in two ways is one number.

What sets groups of digits apart is left out, letters are capitals, and a VAT number of the European Union begins with
its country as VIES knows it. Whether a number was ever given to anybody is for the tax office to say.
"""

import re
from typing import Final

VAT: Final = "vat"

_SEPARATORS: Final = re.compile(r"[^0-9A-Za-z]+")
_EUROPEAN_UNION: Final = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU"),
        *("LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
# The prefix of a VAT number is the country's code, but for Greece.
_PREFIXES: Final = {"GR": "EL"}


def compact(number: str) -> str:
    """Leave the letters and digits of a number: `it 0123.456-7` is `IT01234567`."""
    return _SEPARATORS.sub("", number).upper()


def normalised(number: str, *, kind: str, country: str) -> str:
    """Give a number of a kind, issued in a country (ISO 3166-1 alpha-2), as it is kept."""
    plain = compact(number)
    if kind != VAT or country not in _EUROPEAN_UNION:
        return plain
    prefix = _PREFIXES.get(country, country)
    return plain if plain.startswith(prefix) else f"{prefix}{plain}"
