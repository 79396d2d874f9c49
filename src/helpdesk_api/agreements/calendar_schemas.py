"""What the API takes and shows of calendars. What the hours mean is `domain.business_time`."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.schema import Entity, Input, Label, Line, LocalDate

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

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
