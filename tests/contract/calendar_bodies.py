"""A valid edit of a calendar, with every kind of entry."""

from tests.contract.bodies import JSON

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CALENDAR_EDIT: JSON = {
    "name": "Edited",
    "time_zone": "Europe/Rome",
    "weekly_hours": {day: [{"start": "09:00", "end": "17:00"}] for day in _DAYS},
    "seasons": [
        {
            "name": "Summer",
            "first_on": "2026-07-01",
            "last_on": "2026-08-31",
            "repeats_yearly": True,
            "weekly_hours": {day: [{"start": "09:00", "end": "17:00"}] for day in _DAYS},
        }
    ],
    "special_hours": [{"on": "2026-12-12", "name": "Stocktaking", "hours": [{"start": "09:00", "end": "17:00"}]}],
    "holidays": [{"on": "2026-12-24", "name": "Christmas Eve", "start": "13:00", "end": "24:00", "source": "own"}],
    "effective_from": "2026-01-01T00:00:00Z",
}
