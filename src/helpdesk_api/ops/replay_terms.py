"""What the replayed tickets are promised: office hours in the log's zone with Italy's holidays, a policy per priority.

The log says nothing about agreements; the targets are made up so that each priority keeps some of its promises and
breaks others.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from helpdesk_api.ops.replay_log import ZONE_NAME

_HOUR: Final = 3_600
_WORKING_DAY: Final = 9 * _HOUR
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


def policies(calendar_id: str) -> list[dict[str, Any]]:
    """Describe one policy for each priority, the most urgent first."""
    return [
        {
            "name": f"Priority {priority}",
            "position": position,
            "calendar_id": calendar_id,
            "condition": {"field": "priority", "op": "eq", "value": priority},
            "targets": [
                {"metric": "first_response", "seconds": first_response},
                {"metric": "resolution", "seconds": resolution},
            ],
        }
        for position, (priority, (first_response, resolution)) in enumerate(_TARGETS.items(), start=1)
    ]
