"""Calendars: when the service company works. Its endpoints are `agreements.calendar_routes`.

Every version is kept, because a running clock keeps the hours it was started with. What a calendar means is
`domain.business_time`; here it is stored, checked and given out by version.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint, Uuid, bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.agreements.calendar_schemas import WEEKDAYS, Calendar, CalendarCreate
from helpdesk_api.domain.business_time import BudgetOutOfReachError, Interval
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement, tenant_table

_DAY = 86_400


class NeverOpensError(InvalidError):
    """No deadline could be measured by such a calendar."""

    code = "never_opens"
    title = "The calendar never opens"


calendars = tenant_table(
    "calendars",
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("weekly_hours", JSONB, nullable=False),
    Column("special_hours", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "created_at", "id"),
)

# A version refers to its calendar by id only: clocks that were measured by it outlive the calendar.
calendar_versions = tenant_table(
    "calendar_versions",
    Column("calendar_id", Uuid, nullable=False),
    Column("calendar_version", Integer, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("weekly_hours", JSONB, nullable=False),
    Column("special_hours", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "calendar_id", "calendar_version"),
    versioned=False,
)

_OFFICE = [{"start": "09:00", "end": "13:00"}, {"start": "14:00", "end": "18:00"}]

CALENDARS = Resource(
    name="calendar",
    plural="calendars",
    table=calendars,
    read=Calendar,
    example={
        "name": "Rome office",
        "time_zone": "Europe/Rome",
        "weekly_hours": {day: _OFFICE if day not in {"saturday", "sunday"} else [] for day in WEEKDAYS},
        "special_hours": [{"on": "2026-12-12", "name": "Stocktaking", "hours": [{"start": "10:00", "end": "14:00"}]}],
        "holidays": [
            {"on": "2026-12-25", "name": "Christmas", "start": None, "end": None},
            {"on": "2026-12-24", "name": "Christmas Eve", "start": "13:00", "end": "24:00"},
        ],
    },
    filters=(Filter("name", calendars.c.name, str),),
    sorts=(Sort("name", calendars.c.name, "text"),),
    rows=SHARED,
)

_FIND_VERSION = Statement(
    select(calendar_versions).where(
        calendar_versions.c.tenant_id == bindparam("tenant_id"),
        calendar_versions.c.calendar_id == bindparam("calendar_id"),
        calendar_versions.c.calendar_version == bindparam("version"),
    )
)


async def add_calendar(ctx: Ctx, calendar: CalendarCreate) -> Calendar:
    """Store a calendar and its first version."""
    created = await crud.add(ctx, CALENDARS, calendar.model_dump())
    await _keep_version(ctx, created)
    return created


async def change_calendar(
    ctx: Ctx, calendar_id: UUID, changes: Mapping[str, Any], *, expected: int | None
) -> tuple[Calendar, bool]:
    """Change a calendar and keep the new version; tells whether there is one."""
    before = await crud.fetch_locked(ctx, CALENDARS, calendar_id)
    changed = await crud.amend(ctx, CALENDARS, calendar_id, changes, expected=expected)
    if changed.version != before.version:
        await _keep_version(ctx, changed)
    return changed, changed.version != before.version


async def hours_of(ctx: Ctx, calendar_id: UUID, version: int) -> Hours:
    """Give the hours of one version of a calendar; a version never changes, so it is read once per process."""
    key = (ctx.tenant_id, calendar_id, version)
    known = _known.get(key)
    if known is None:
        row = await ctx.tx.row(
            _FIND_VERSION, {"tenant_id": ctx.tenant_id, "calendar_id": calendar_id, "version": version}
        )
        if row is None:
            message = f"calendar {calendar_id} has no version {version}"
            raise LookupError(message)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = hours(row["time_zone"], row["weekly_hours"], row["special_hours"], row["holidays"])
    return known


# A calendar of many intervals takes megabytes once it has been laid out over years.
_MOST_KNOWN = 128
_known: dict[tuple[UUID, UUID, int], Hours] = {}


def present_hours(calendar: Calendar) -> Hours:
    """Give the hours of a calendar as it stands in this transaction, which may be undone: nothing remembers them."""
    stored = calendar.time_zone, calendar.weekly_hours, calendar.special_hours, calendar.holidays
    return hours(*stored)  # type: ignore[arg-type]  # a TypedDict is a Mapping, too.


def hours(
    time_zone: str,
    weekly: Mapping[str, Sequence[Mapping[str, str]]],
    special: Sequence[Mapping[str, Any]],
    holidays: Sequence[Mapping[str, Any]],
) -> Hours:
    """Turn the stored form of a calendar into the domain's; several entries for one date add up."""
    replaced: dict[date, tuple[Interval, ...]] = {}
    for entry in special:
        on = date.fromisoformat(entry["on"])
        replaced[on] = replaced.get(on, ()) + tuple(_interval(item) for item in entry["hours"])
    closed: dict[date, tuple[Interval, ...]] = {}
    for entry in holidays:
        on = date.fromisoformat(entry["on"])
        span = Interval(0, _DAY) if entry["start"] is None else Interval(_second(entry["start"]), _second(entry["end"]))
        closed[on] = (*closed.get(on, ()), span)
    return Hours(
        zone=time_zone,
        weekly=tuple(tuple(_interval(item) for item in weekly[day]) for day in WEEKDAYS),
        special_hours=replaced,
        holidays=closed,
    )


def _interval(item: Mapping[str, str]) -> Interval:
    start, end = _second(item["start"]), _second(item["end"])
    return Interval(start, end if end > start else end + _DAY)


@lru_cache(maxsize=2_000)
def _second(wall: str) -> int:
    return int(wall[:2]) * 3_600 + int(wall[3:]) * 60


async def _keep_version(ctx: Ctx, calendar: Calendar) -> None:
    try:
        # Trying it refuses hours that no clock could be measured by, before they are stored.
        present_hours(calendar).add(ctx.now, timedelta(seconds=1))
    except BudgetOutOfReachError as error:
        message = "The calendar would not open within twenty years."
        raise NeverOpensError(message, pointer="/weekly_hours") from error
    await ctx.tx.run(
        insert(calendar_versions).values(
            tenant_id=ctx.tenant_id,
            id=new_id(),
            calendar_id=calendar.id,
            calendar_version=calendar.version,
            time_zone=calendar.time_zone,
            weekly_hours=calendar.weekly_hours,
            special_hours=calendar.special_hours,
            holidays=calendar.holidays,
        )
    )
