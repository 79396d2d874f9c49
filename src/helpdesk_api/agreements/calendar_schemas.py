"""What the API takes and shows of calendars. What the hours mean is `domain.business_time`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from helpdesk_api.kit.schema import Entity, Flag, Input, Instant, Label, Line, LocalDate, Output, TimeZone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# What a version of a calendar is made of.
HOURS_FIELDS = ("time_zone", "weekly_hours", "seasons", "special_hours", "holidays")

MOST_HOLIDAYS = 2_000

# Who put a holiday into a calendar: whoever keeps it, a list of national holidays, or an imported file.
Source = Literal["own", "national", "imported"]

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


class SeasonInput(Input):
    """Another week for a range of dates, both included; of several seasons the first that covers a date counts."""

    name: Label
    first_on: LocalDate
    last_on: LocalDate
    repeats_yearly: Annotated[
        Flag, Field(description="Also from the same day and month to the same day and month of every later year.")
    ] = False
    weekly_hours: WeeklyHoursInput

    @model_validator(mode="after")
    def _runs_forward(self) -> "SeasonInput":
        if self.last_on < self.first_on:
            message = "last_on must not be before first_on"
            raise ValueError(message)
        if self.repeats_yearly and self.last_on - self.first_on >= timedelta(days=365):
            message = "a season that repeats yearly must be shorter than a year"
            raise ValueError(message)
        return self


class SpecialHoursInput(Input):
    """Hours of one date in place of those of its weekday; also makes an extra working day."""

    on: LocalDate
    name: Label
    hours: Annotated[list[HoursInput], Field(max_length=24)]


class HolidayInput(Input):
    """A closed date, or with `start` and `end` a closed part of it. A holiday wins over every kind of hours.

    National holidays are refreshed and imported ones replaced with their list; those of its own a calendar keeps.
    """

    on: LocalDate
    name: Label
    start: WallTime | None = None
    end: WallTime | None = None
    source: Annotated[Source, Field(description="Where the entry comes from.")] = "own"

    @model_validator(mode="after")
    def _whole_or_within_the_day(self) -> "HolidayInput":
        if (self.start is None) != (self.end is None) or (self.start and self.end and self.start >= self.end):
            message = "give both start and end, within one day and in this order, or neither"
            raise ValueError(message)
        return self


class CalendarCreate(Input):
    """A new calendar."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    time_zone: TimeZone
    weekly_hours: WeeklyHoursInput
    seasons: Annotated[list[SeasonInput], Field(max_length=50)] = Field(default=[])
    special_hours: Annotated[list[SpecialHoursInput], Field(max_length=1_000)] = Field(default=[])
    holidays: Annotated[list[HolidayInput], Field(max_length=MOST_HOLIDAYS)] = Field(default=[])


EffectiveFrom = Annotated[
    Instant | None,
    Field(
        ge=datetime(1970, 1, 1, tzinfo=UTC),
        lt=datetime(2100, 1, 1, tzinfo=UTC),
        description=(
            "From when on the hours that are given hold; now if absent, null for as if they always had. May lie in the "
            "past, to correct, or in the future, to announce; from 1970 to 2099."
        ),
    ),
]


class CalendarEdit(CalendarCreate):
    """What may be changed in a calendar, and from when on it counts."""

    effective_from: EffectiveFrom = None


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


class SeasonShown(TypedDict):
    """Another week for a range of dates, both included."""

    name: str
    first_on: Annotated[str, Field(json_schema_extra={"format": "date"})]
    last_on: Annotated[str, Field(json_schema_extra={"format": "date"})]
    repeats_yearly: bool
    weekly_hours: WeeklyHoursShown


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
    source: Annotated[str, Field(examples=["own", "national", "imported"])]


class NationalHolidaysShown(TypedDict):
    """Whose national holidays a calendar has."""

    country: str
    subdivision: str | None
    categories: list[str]
    first_year: int
    last_year: int
    language: str | None


class Calendar(Entity):
    """When the service company works."""

    name: str
    time_zone: str
    weekly_hours: WeeklyHoursShown
    seasons: list[SeasonShown]
    special_hours: list[SpecialHoursShown]
    holidays: list[HolidayShown]
    national_holidays: Annotated[
        NationalHolidaysShown | None, Field(description="Which national holidays were taken over last.")
    ]
    effective_from: Annotated[
        AwareDatetime | None, Field(description="From when on the latest change of hours holds; null: always has.")
    ]


class CalendarVersion(Output):
    """What one edit of a calendar said, and from when on it holds."""

    id: UUID
    version: Annotated[int, Field(description="That of the calendar after the edit.")]
    effective_from: Annotated[AwareDatetime | None, Field(description="Null for what has always held.")]
    recorded_at: Annotated[AwareDatetime, Field(description="When the edit was made.")]
    fields: Annotated[
        list[str],
        Field(description="What the edit stated. It holds from `effective_from` on; other fields keep their course."),
    ]


class CalendarVersions(Output):
    """Every edit of the hours of a calendar, oldest first."""

    data: list[CalendarVersion]


class CalendarVersionDetail(CalendarVersion):
    """One edit of a calendar, with the hours as they were stated after it."""

    time_zone: str
    weekly_hours: WeeklyHoursShown
    seasons: list[SeasonShown]
    special_hours: list[SpecialHoursShown]
    holidays: list[HolidayShown]
