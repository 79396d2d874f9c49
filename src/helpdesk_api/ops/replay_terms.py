"""What the replayed tickets are promised: office hours in the log's zone with Italy's holidays, and one of three terms.

The log says nothing about agreements; the targets are made up so that each priority keeps some of its promises and
breaks others, and so that the three together use what promises can say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from helpdesk_api.ops.replay_log import ZONE_NAME

_HOUR: Final = 3_600
_WORKING_DAY: Final = 9 * _HOUR
_DAY: Final = 24 * _HOUR
_YEARS: Final = range(2010, 2015)
_FIXED: Final[Sequence[tuple[int, int, str]]] = (
    (1, 1, "Capodanno"),
    (1, 6, "Epifania"),
    (4, 25, "Festa della Liberazione"),
    (5, 1, "Festa del Lavoro"),
    (6, 2, "Festa della Repubblica"),
    (8, 15, "Ferragosto"),
    (11, 1, "Ognissanti"),
    (12, 8, "Immacolata Concezione"),
    (12, 25, "Natale"),
    (12, 26, "Santo Stefano"),
)
_EASTER_SUNDAYS: Final = (
    date(2010, 4, 4), date(2011, 4, 24), date(2012, 4, 8), date(2013, 3, 31), date(2014, 4, 20)
)  # fmt: skip
# Held once, for the 150 years of the kingdom.
_UNITY: Final = date(2011, 3, 17)
_ANEW: Final[Mapping[str, Any]] = {"on_reopen": "restart", "on_change": "restart"}
# First response and resolution, in seconds of office hours.
_TARGETS: Final[Mapping[str, tuple[int, int]]] = {
    "urgent": (_HOUR, _WORKING_DAY),
    "high": (4 * _HOUR, 10 * _WORKING_DAY),
    "normal": (_WORKING_DAY, 15 * _WORKING_DAY),
    "low": (2 * _WORKING_DAY, 30 * _WORKING_DAY),
}


def calendar() -> dict[str, Any]:
    """Describe the calendar: Monday to Friday, nine to six, closed on the holidays of 2010 to 2014."""
    office = [{"start": "09:00", "end": "18:00"}]
    days = ("monday", "tuesday", "wednesday", "thursday", "friday")
    return {
        "name": "Office hours of the log",
        "time_zone": ZONE_NAME,
        "weekly_hours": dict.fromkeys(days, office),
        "holidays": [{"on": day.isoformat(), "name": name} for day, name in sorted(holidays().items())],
    }


def holidays() -> dict[date, str]:
    """Name the public holidays of Italy, 2010 to 2014; where two fall on one day, the movable one names it."""
    found = {date(year, month, day): name for year in _YEARS for month, day, name in _FIXED}
    found[_UNITY] = "150 anni dell'Unità d'Italia"
    for sunday in _EASTER_SUNDAYS:
        found[sunday] = "Pasqua"
        found[sunday + timedelta(days=1)] = "Lunedì dell'Angelo"
    return found


class Terms(StrEnum):
    """Under which terms a log is replayed; what each means stands in `docs/replay.md`."""

    PRIORITIES = "priorities"
    AROUND_THE_CLOCK = "around-the-clock"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Promise:
    """How fast something must happen to tickets of a priority, or of all; one of seconds and days is given."""

    metric: str
    priority: str | None = None
    seconds: int | None = None
    days: int | None = None
    hours: str = "business"
    pauses_in: Sequence[str] = ("pending", "on_hold")
    on_reopen: str = "resume"
    on_change: str = "keep"


_AROUND_THE_CLOCK: Final = (
    *(
        Promise(metric, priority, seconds=factor * seconds, hours="calendar", pauses_in=(), **_ANEW)
        for priority, both in _TARGETS.items()
        for metric, seconds, factor in (("first_response", both[0], 2), ("resolution", both[1], 3))
        if priority != "low"
    ),
    # Where a priority has nothing of its own, what is said of all of them holds.
    Promise("first_response", seconds=7 * _DAY, hours="calendar", pauses_in=(), **_ANEW),
    Promise("resolution", seconds=60 * _DAY, hours="calendar", pauses_in=(), **_ANEW),
)
_DAYS: Final = (
    Promise("first_response", days=0, pauses_in=("on_hold",)),
    Promise("resolution", days=5, pauses_in=("pending",)),
)


def promises(terms: Terms) -> Sequence[Promise]:
    """Give what is promised under some terms."""
    if terms is Terms.AROUND_THE_CLOCK:
        return _AROUND_THE_CLOCK
    if terms is Terms.DAYS:
        return _DAYS
    return tuple(
        Promise(metric, priority, seconds=seconds)
        for priority, both in _TARGETS.items()
        for metric, seconds in zip(("first_response", "resolution"), both, strict=True)
    )


def policies(calendar_id: str, terms: Terms = Terms.PRIORITIES) -> list[dict[str, Any]]:
    """Describe the policies: one for each priority, the most urgent first; or one that holds for all."""
    told = [asdict(promise) for promise in promises(terms)]
    if terms is not Terms.PRIORITIES:
        return [{"name": f"Terms {terms}", "position": 1, "calendar_id": calendar_id, "targets": told}]
    return [
        {
            "name": f"Priority {priority}",
            "position": position,
            "calendar_id": calendar_id,
            "condition": {"field": "priority", "op": "eq", "value": priority},
            "targets": [{**target, "priority": None} for target in told if target["priority"] == priority],
        }
        for position, priority in enumerate(_TARGETS, start=1)
    ]
