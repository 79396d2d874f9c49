"""Recurrence rules (RFC 5545, section 3.3.10) over local dates: what is taken of them, and which dates they give.

The `dateutil` package computes the dates; it takes more than the RFC does, and hardly ends for a rule that gives none.
Here a rule is checked part by part before, and what it gives is looked for within `FURTHEST`. Where a rule begins and
ends, and at what time of day, is for its owner to say.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from itertools import takewhile
from typing import Final

from dateutil.rrule import rrule, rrulestr

LONGEST: Final = 200
# In years; the 29th of February is eight years away at most.
FURTHEST: Final = 12
_LAST_YEAR: Final = 2098
# The package searches up to the year 9999 for a rule that gives no date. Each 400 years the calendar is the same again,
# weekdays and all, so rules are worked out that much later: what is left to search takes no time.
_LATER: Final = 19 * 400

_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAYS: Final = "MO|TU|WE|TH|FR|SA|SU"


def _one_of(pattern: str) -> re.Pattern[str]:
    return re.compile(f"({pattern})", re.ASCII)


def _list_of(pattern: str) -> re.Pattern[str]:
    return re.compile(f"({pattern})(,({pattern})){{0,30}}", re.ASCII)


_PARTS: Final[Mapping[str, re.Pattern[str]]] = {
    "FREQ": _one_of("|".join(_FREQUENCIES)),
    "INTERVAL": _one_of("[1-9][0-9]{0,2}"),
    "COUNT": _one_of("[1-9][0-9]{0,3}"),
    "WKST": _one_of(_DAYS),
    "BYMONTH": _list_of("1[0-2]|[1-9]"),
    "BYMONTHDAY": _list_of("-?(3[01]|[12][0-9]|[1-9])"),
    "BYYEARDAY": _list_of("-?(36[0-6]|3[0-5][0-9]|[12][0-9]{2}|[1-9][0-9]?)"),
    "BYWEEKNO": _list_of("-?(5[0-3]|[1-4][0-9]|[1-9])"),
    "BYDAY": _list_of(f"([+-]?(5[0-3]|[1-4][0-9]|[1-9]))?({_DAYS})"),
    "BYSETPOS": _list_of("-?(36[0-6]|3[0-5][0-9]|[12][0-9]{2}|[1-9][0-9]?)"),
}
# Of these frequencies the RFC says that the part must not stand beside them.
_NOT_WITH: Final[Mapping[str, frozenset[str]]] = {
    "BYMONTHDAY": frozenset({"WEEKLY"}),
    "BYYEARDAY": frozenset({"DAILY", "WEEKLY", "MONTHLY"}),
    "BYWEEKNO": frozenset({"DAILY", "WEEKLY", "MONTHLY"}),
}


def check_rule(text: str) -> str:
    """Give a rule back in capitals if it can be used; raises ValueError."""
    if len(text) > LONGEST:
        message = f"is longer than {LONGEST} characters"
        raise ValueError(message)
    stated: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            message = f"has the part {name!r}, and knows {', '.join(_PARTS)}"
            raise ValueError(message)
        if name in stated:
            message = f"states {name} twice"
            raise ValueError(message)
        if not _PARTS[name].fullmatch(value):
            message = f"has no {name} that can be used"
            raise ValueError(message)
        stated[name] = value
    _check_together(stated)
    return text.upper()


def _check_together(stated: Mapping[str, str]) -> None:
    frequency = stated.get("FREQ")
    if frequency is None:
        message = "has no FREQ"
        raise ValueError(message)
    for name, frequencies in _NOT_WITH.items():
        if name in stated and frequency in frequencies:
            message = f"has {name}, which does not go with {frequency}"
            raise ValueError(message)
    is_numbered = any(character.isdigit() for character in stated.get("BYDAY", ""))
    if is_numbered and (frequency in {"DAILY", "WEEKLY"} or "BYWEEKNO" in stated):
        message = "counts days within something that they are not counted within"
        raise ValueError(message)
    if "BYSETPOS" in stated and not any(name.startswith("BY") and name != "BYSETPOS" for name in stated):
        message = "has BYSETPOS, but no days to choose among"
        raise ValueError(message)


def is_counted(text: str) -> bool:
    """Tell whether a rule ends by itself after a number of dates."""
    return "COUNT=" in text


def dates_of(text: str, begins_on: date, *, not_before: date) -> Iterator[date]:
    """Give the dates of a rule that begins on a date, in order: from another date on, for `FURTHEST` years.

    A date that the rule does not give is none, also when the rule begins on it.
    """
    until = date(min(max(begins_on, not_before).year + FURTHEST, _LAST_YEAR), 12, 31)
    rule: rrule = rrulestr(text, dtstart=datetime.combine(_late(begins_on), time()))
    found = (_early(at.date()) for at in rule)
    return takewhile(lambda on: on <= until, (on for on in found if on >= not_before))


def _late(on: date) -> date:
    return on.replace(year=on.year + _LATER)


def _early(on: date) -> date:
    return on.replace(year=on.year - _LATER)
