"""The examples of what is promised: versions of calendars, national holidays, imports, prices."""

from typing import Any, Final

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.price_lookup import PRICE_EXAMPLES
from helpdesk_api.agreements.sla_policies import SLA_POLICIES

_CHRISTMAS = {"on": "2026-12-25", "name": "Christmas Day", "start": None, "end": None, "source": "national"}
_CLEANING = {"on": "2026-12-04", "name": "Deep cleaning", "start": "13:00", "end": "18:00", "source": "imported"}
_VERSION = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e21",
    "version": 3,
    "effective_from": "2026-12-01T00:00:00Z",
    "recorded_at": "2026-11-23T09:30:00Z",
    "fields": ["holidays"],
}
_STATED = ("time_zone", "weekly_hours", "seasons", "special_hours", "holidays")

_PROMISED = ("position", "is_active", "state", "calendar_id", "uses_location_calendar", "condition", "targets")

AGREEMENT_EXAMPLES: Final[dict[str, Any]] = {
    **PRICE_EXAMPLES,
    "CalendarVersions": {"data": [_VERSION]},
    "CalendarVersionDetail": _VERSION | {name: CALENDARS.example[name] for name in _STATED},
    "SLAPolicyVersions": {
        "data": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e31",
                "version": 3,
                "recorded_at": "2026-11-23T09:30:00Z",
                **{name: SLA_POLICIES.example[name] for name in _PROMISED},
            }
        ]
    },
    "NationalHolidaysInput": {
        **CALENDARS.example["national_holidays"],
        "effective_from": "2026-12-01T00:00:00Z",
        "dry_run": True,
    },
    "RefreshHolidays": {"last_year": 2029, "dry_run": False},
    "HolidayChanges": {
        "applied": True,
        "version": 4,
        "added": [_CHRISTMAS],
        "removed": [],
        "overridden": [_CHRISTMAS | {"on": "2026-12-26", "name": "Saint Stephen's Day"}],
    },
    "HolidayCountries": {"data": [{"country": "IT", "subdivisions": ["MI", "RM"]}]},
    "CalendarImport": {
        "file": (
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:clean-1\r\nSUMMARY:Deep cleaning\r\n"
            "DTSTART:20261204T130000\r\nDTEND:20261204T180000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        ),
        "first_year": 2026,
        "last_year": 2028,
    },
    "CalendarImported": {
        "applied": True,
        "version": 5,
        "events": [
            {
                "uid": "clean-1",
                "name": "Deep cleaning",
                "result": "imported",
                "reason": None,
                "holidays": [_CLEANING],
            }
        ],
        "removed": [],
    },
}
