"""Calendars: when the service company works.

Every version is kept, because a running clock keeps the hours it was started with. What a calendar means is
`domain.business_time`; here it is stored, checked and given out by version.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint, Uuid, bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from typing_extensions import TypedDict

from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.business_time import Interval, zone_named
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.crud import Resource
from helpdesk_api.kit.paging import Filter, Sort
from helpdesk_api.kit.resource import (
    MERGE_PATCH,
    add_delete,
    add_reading,
    announce_created,
    new_router,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Entity, Input, Label, Line, LocalDate, patch_model
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.unit_of_work import allowed

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 86_400

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

calendar_versions = tenant_table(
    "calendar_versions",
    Column("calendar_id", Uuid, nullable=False),
    Column("calendar_version", Integer, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("weekly_hours", JSONB, nullable=False),
    Column("special_hours", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "calendar_id", "calendar_version"),
    reference("calendar_id", "calendars", ondelete="CASCADE"),
    versioned=False,
)

WallTime = Annotated[
    str,
    StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
    Field(description="Local time, `HH:MM`; `24:00` is the end of the day.", examples=["09:00"]),
]


class HoursInput(Input):
    """A span of local time. An end at or before the start lies on the next day."""

    start: WallTime
    end: WallTime

    @model_validator(mode="after")
    def _starts_within_the_day(self) -> "HoursInput":
        if self.start == "24:00":
            message = "start must be before 24:00"
            raise ValueError(message)
        return self


DayHours = Annotated[list[HoursInput], Field(max_length=24)]


class WeeklyHoursInput(Input):
    """Working hours by day of the week; a day without hours is closed. `00:00` to `24:00` is all day."""

    monday: DayHours = Field(default=[])
    tuesday: DayHours = Field(default=[])
    wednesday: DayHours = Field(default=[])
    thursday: DayHours = Field(default=[])
    friday: DayHours = Field(default=[])
    saturday: DayHours = Field(default=[])
    sunday: DayHours = Field(default=[])


class SpecialHoursInput(Input):
    """Hours of one date in place of those of its weekday; also makes an extra working day."""

    on: LocalDate
    name: Label
    hours: Annotated[list[HoursInput], Field(max_length=24)]


class HolidayInput(Input):
    """A closed date, or with `start` and `end` a closed part of it. A holiday wins over every kind of hours."""

    on: LocalDate
    name: Label
    start: WallTime | None = None
    end: WallTime | None = None

    @model_validator(mode="after")
    def _whole_or_within_the_day(self) -> "HolidayInput":
        if (self.start is None) != (self.end is None) or (self.start and self.end and self.start >= self.end):
            message = "give both start and end, within one day and in this order, or neither"
            raise ValueError(message)
        return self


def _known_zone(value: str) -> str:
    try:
        zone_named(value)
    except InvalidError as error:
        raise ValueError(error.detail) from None
    return value


class CalendarCreate(Input):
    """A new calendar."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    time_zone: Annotated[
        str, StringConstraints(max_length=64), Field(description="IANA name."), AfterValidator(_known_zone)
    ]
    weekly_hours: WeeklyHoursInput
    special_hours: Annotated[list[SpecialHoursInput], Field(max_length=1_000)] = Field(default=[])
    holidays: Annotated[list[HolidayInput], Field(max_length=2_000)] = Field(default=[])


class HoursShown(TypedDict):
    """A span of local time. An end at or before the start lies on the next day."""

    start: str
    end: str


class WeeklyHoursShown(TypedDict):
    """Working hours by day of the week."""

    monday: list[HoursShown]
    tuesday: list[HoursShown]
    wednesday: list[HoursShown]
    thursday: list[HoursShown]
    friday: list[HoursShown]
    saturday: list[HoursShown]
    sunday: list[HoursShown]


class SpecialHoursShown(TypedDict):
    """Hours of one date in place of those of its weekday."""

    on: Annotated[str, Field(json_schema_extra={"format": "date"})]
    name: str
    hours: list[HoursShown]


class HolidayShown(TypedDict):
    """A closed date, or a closed part of it."""

    on: Annotated[str, Field(json_schema_extra={"format": "date"})]
    name: str
    start: str | None
    end: str | None


class Calendar(Entity):
    """When the service company works."""

    name: str
    time_zone: str
    weekly_hours: WeeklyHoursShown
    special_hours: list[SpecialHoursShown]
    holidays: list[HolidayShown]


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
)

_FIND_VERSION = Statement(
    select(calendar_versions).where(
        calendar_versions.c.tenant_id == bindparam("tenant_id"),
        calendar_versions.c.calendar_id == bindparam("calendar_id"),
        calendar_versions.c.calendar_version == bindparam("version"),
    )
)

router = new_router(CALENDARS)
add_reading(router, CALENDARS)
add_delete(router, CALENDARS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(CALENDARS, "create"),
    summary="Create a calendar",
    description="Stores a new calendar and records `calendar.created`.",
)
async def create_calendar(
    body: CalendarCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> Calendar:
    """Create a calendar."""
    created = await add_calendar(ctx, body)
    announce_created(request, response, created)
    return created


@router.patch(
    "/{id}",
    operation_id=operation(CALENDARS, "update"),
    summary="Change a calendar",
    description=(
        "Changes the given fields and records `calendar.updated`. Clocks that already run keep the version of the "
        "calendar they were started with; the new hours hold for clocks started from now on."
    ),
)
async def update_calendar(
    id: UUID,
    body: Annotated[patch_model(CalendarCreate), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("calendars:write")],
) -> Calendar:
    """Change a calendar."""
    before = await crud.fetch_locked(ctx, CALENDARS, id)
    changed = await crud.amend(ctx, CALENDARS, id, body.given(), expected=expected)
    if changed.version != before.version:
        await _keep_version(ctx, changed)
    tag_response(response, changed)
    return changed


async def add_calendar(ctx: Ctx, calendar: CalendarCreate) -> Calendar:
    """Store a calendar and its first version."""
    created = await crud.add(ctx, CALENDARS, calendar.model_dump())
    await _keep_version(ctx, created)
    return created


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


_MOST_KNOWN = 1_000
_known: dict[tuple[UUID, UUID, int], Hours] = {}


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
    # Building it once refuses hours that the domain cannot make sense of, before they are stored.
    stored = calendar.time_zone, calendar.weekly_hours, calendar.special_hours, calendar.holidays
    hours(*stored)  # type: ignore[arg-type]  # mypy does not take a TypedDict for a Mapping of its values' one type.
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
