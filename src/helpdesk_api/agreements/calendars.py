"""Calendars: when the service company works. Their endpoints are `agreements.calendar_routes`.

What a calendar means is `domain.business_time`; here it is described and turned into that. Which hours were in force
when is `agreements.calendar_versions`.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, DateTime, Index, Integer, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.agreements.calendar_schemas import WEEKDAYS, Calendar
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.business_time import Interval, Season
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import tenant_table

_DAY = 86_400

calendars = tenant_table(
    "calendars",
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("weekly_hours", JSONB, nullable=False),
    Column("seasons", JSONB, nullable=False),
    Column("special_hours", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    Column("national_holidays", JSONB),
    Column("effective_from", DateTime(timezone=True)),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "created_at", "id"),
)

# A version refers to its calendar by id only: clocks that were measured by it outlive the calendar. It holds all the
# hours as they were stated after the edit; `fields` are those that the edit gave.
calendar_versions = tenant_table(
    "calendar_versions",
    Column("calendar_id", Uuid, nullable=False),
    Column("calendar_version", Integer, nullable=False),
    Column("effective_from", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("weekly_hours", JSONB, nullable=False),
    Column("seasons", JSONB, nullable=False),
    Column("special_hours", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "calendar_id", "calendar_version"),
    versioned=False,
)

_OFFICE = [{"start": "09:00", "end": "13:00"}, {"start": "14:00", "end": "18:00"}]
_MORNING = [{"start": "08:00", "end": "14:00"}]
_AT_WORK = frozenset(WEEKDAYS[:5])

CALENDARS = Resource(
    name="calendar",
    plural="calendars",
    table=calendars,
    read=Calendar,
    example={
        "name": "Rome office",
        "time_zone": "Europe/Rome",
        "weekly_hours": {day: _OFFICE if day in _AT_WORK else [] for day in WEEKDAYS},
        "seasons": [
            {
                "name": "Summer hours",
                "first_on": "2026-07-01",
                "last_on": "2026-08-31",
                "repeats_yearly": True,
                "weekly_hours": {day: _MORNING if day in _AT_WORK else [] for day in WEEKDAYS},
            }
        ],
        "special_hours": [{"on": "2026-12-12", "name": "Stocktaking", "hours": [{"start": "10:00", "end": "14:00"}]}],
        "holidays": [
            {"on": "2026-12-25", "name": "Christmas", "start": None, "end": None, "source": "national"},
            {"on": "2026-12-24", "name": "Christmas Eve", "start": "13:00", "end": "24:00", "source": "own"},
        ],
        "national_holidays": {
            "country": "IT",
            "subdivision": "RM",
            "categories": ["public"],
            "first_year": 2026,
            "last_year": 2028,
            "language": "en_US",
        },
        "effective_from": None,
    },
    filters=(Filter("name", calendars.c.name, str),),
    sorts=(Sort("name", calendars.c.name, "text"),),
    rows=SHARED,
)


def hours(stated: Mapping[str, Any]) -> Hours:
    """Turn the stored form of a calendar into the domain's; several entries for one date add up."""
    replaced: dict[date, tuple[Interval, ...]] = {}
    for entry in stated["special_hours"]:
        on = date.fromisoformat(entry["on"])
        replaced[on] = replaced.get(on, ()) + tuple(_interval(item) for item in entry["hours"])
    closed: dict[date, tuple[Interval, ...]] = {}
    for entry in stated["holidays"]:
        on = date.fromisoformat(entry["on"])
        span = Interval(0, _DAY) if entry["start"] is None else Interval(_second(entry["start"]), _second(entry["end"]))
        closed[on] = (*closed.get(on, ()), span)
    return Hours(
        zone=stated["time_zone"],
        weekly=_week(stated["weekly_hours"]),
        special_hours=replaced,
        holidays=closed,
        seasons=tuple(
            Season(
                first_on=date.fromisoformat(entry["first_on"]),
                last_on=date.fromisoformat(entry["last_on"]),
                weekly=_week(entry["weekly_hours"]),
                repeats_yearly=entry["repeats_yearly"],
            )
            for entry in stated["seasons"]
        ),
    )


def _week(weekly: Mapping[str, Sequence[Mapping[str, str]]]) -> tuple[tuple[Interval, ...], ...]:
    return tuple(tuple(_interval(item) for item in weekly[day]) for day in WEEKDAYS)


def _interval(item: Mapping[str, str]) -> Interval:
    start, end = _second(item["start"]), _second(item["end"])
    return Interval(start, end if end > start else end + _DAY)


@lru_cache(maxsize=2_000)
def _second(wall: str) -> int:
    return int(wall[:2]) * 3_600 + int(wall[3:]) * 60
