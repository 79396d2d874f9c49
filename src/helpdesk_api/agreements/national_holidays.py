"""National holidays for calendars: taken over from a well-kept list as entries of their own, and refreshed from it.

They stand in the calendar like any holiday, marked `national`. A date for which the calendar has special hours or a
holiday of its own is left to these, so a national holiday is overridden by saying what holds instead. Storing an edit
is `agreements.calendar_versions`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import holidays
from fastapi import APIRouter
from pydantic import Field, StringConstraints, model_validator

from helpdesk_api.agreements.calendar_routes import change_calendar
from helpdesk_api.agreements.calendar_schemas import MOST_HOLIDAYS, Calendar, EffectiveFrom, HolidayShown
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.domain.timeline import FIRST_YEAR, LAST_YEAR
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Flag, Input, Label, Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

MOST_YEARS = 20
_LONGEST_NAME = 60
# How long a half day is differs from place to place, so such a day has to be entered by hand.
_NOT_OFFERED = frozenset({"half_day"})

Year = Annotated[int, Field(strict=True, ge=FIRST_YEAR, le=LAST_YEAR)]


class UnknownHolidaysError(InvalidError):
    """There is no list of national holidays for that country, part of it, category or language."""

    code = "unknown_holidays"
    title = "There is no such list of holidays"


class TooManyHolidaysError(InvalidError):
    """A calendar holds a limited number of holidays."""

    code = "too_many_holidays"
    title = "The calendar would have too many holidays"


class NoNationalHolidaysError(ConflictError):
    """National holidays can be refreshed when some have been taken over."""

    code = "no_national_holidays"
    title = "The calendar has no national holidays"


class NationalHolidaysInput(Input):
    """Whose national holidays to take over, and for which years."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1, two letters.")]
    subdivision: Annotated[
        str | None, StringConstraints(max_length=10), Field(description="A part of the country, as in ISO 3166-2.")
    ] = None
    categories: Annotated[
        list[Label], Field(min_length=1, max_length=10, description="`public` and, in some countries, others.")
    ] = Field(default=["public"])
    first_year: Year
    last_year: Annotated[Year, Field(description=f"At most {MOST_YEARS} years from the first, both included.")]
    language: Annotated[
        str | None,
        StringConstraints(max_length=10),
        Field(description="Of the names, such as `en_US`; null for that of the country."),
    ] = None
    effective_from: EffectiveFrom = None
    dry_run: Annotated[Flag, Field(description="Tell what would change and change nothing.")] = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "NationalHolidaysInput":
        if not 0 <= self.last_year - self.first_year < MOST_YEARS:
            message = f"last_year must be one of the {MOST_YEARS} years from first_year on"
            raise ValueError(message)
        return self


class RefreshHolidays(Input):
    """How to take over anew what was taken over before."""

    first_year: Annotated[Year | None, Field(description="Null for the year it began with.")] = None
    last_year: Annotated[Year | None, Field(description="Null for the year it ended with.")] = None
    effective_from: EffectiveFrom = None
    dry_run: Annotated[Flag, Field(description="Tell what would change and change nothing.")] = False


class HolidayChanges(Output):
    """What taking over a list of holidays changes in a calendar."""

    applied: Annotated[bool, Field(description="False for a dry run.")]
    version: Annotated[int, Field(description="That of the calendar; it grows only when something changes.")]
    added: list[HolidayShown]
    removed: list[HolidayShown]
    overridden: Annotated[
        list[HolidayShown], Field(description="Left out, because the calendar says itself what holds on these dates.")
    ]


class HolidayCountry(Output):
    """A country whose holidays are known."""

    country: str
    subdivisions: list[str]


class HolidayCountries(Output):
    """The countries whose holidays are known."""

    data: list[HolidayCountry]


@dataclass(frozen=True, slots=True)
class Taken:
    """What becomes of the holidays of a calendar."""

    entries: list[Mapping[str, Any]]
    added: list[Mapping[str, Any]]
    removed: list[Mapping[str, Any]]
    overridden: list[Mapping[str, Any]]


router = APIRouter(prefix=f"/v1/{CALENDARS.plural}", tags=[CALENDARS.plural], route_class=UnitOfWorkRoute)
countries_router = APIRouter(prefix="/v1/holiday-countries", tags=[CALENDARS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/{id}/national-holidays",
    operation_id="calendars_take_holidays",
    summary="Take over national holidays",
    description=(
        "Puts the national holidays of a country, or of a part of it, into the calendar as entries marked `national`, "
        "in place of those taken over before. A date with special hours or a holiday of the calendar's own keeps these."
    ),
)
async def take_national_holidays(
    id: UUID, body: NationalHolidaysInput, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> HolidayChanges:
    """Take over national holidays."""
    wanted = body.model_dump(exclude={"effective_from", "dry_run"})
    return await _take(ctx, await crud.fetch_locked(ctx, CALENDARS, id), wanted, body)


@router.post(
    "/{id}/refresh-holidays",
    operation_id="calendars_refresh_holidays",
    summary="Refresh the national holidays of a calendar",
    description=(
        "Takes over anew what was taken over before, perhaps for other years, and tells what has changed since: "
        "governments move holidays at short notice, and the list behind this follows with every release."
    ),
)
async def refresh_holidays(
    id: UUID, body: RefreshHolidays, ctx: Annotated[Ctx, allowed("calendars:write")]
) -> HolidayChanges:
    """Refresh national holidays."""
    calendar = await crud.fetch_locked(ctx, CALENDARS, id)
    if calendar.national_holidays is None:
        message = f"The calendar {calendar.name!r} has taken over no national holidays that could be refreshed."
        raise NoNationalHolidaysError(message)
    years = {name: year for name in ("first_year", "last_year") if (year := getattr(body, name)) is not None}
    wanted: dict[str, Any] = {**calendar.national_holidays, **years}
    if not 0 <= wanted["last_year"] - wanted["first_year"] < MOST_YEARS:
        message = f"last_year must be one of the {MOST_YEARS} years from first_year on."
        raise InvalidError(message, pointer="/last_year")
    return await _take(ctx, calendar, wanted, body)


@countries_router.get(
    "",
    operation_id="holiday_countries_list",
    summary="List the countries whose holidays are known",
    description="Lists the countries, and the parts of them with holidays of their own, that calendars can take over.",
)
async def list_countries(ctx: Annotated[Ctx, allowed("calendars:read")]) -> HolidayCountries:
    """List countries."""
    del ctx
    return HolidayCountries.trusted({"data": list(_countries())})


@cache
def _countries() -> tuple[HolidayCountry, ...]:
    known = holidays.list_supported_countries(include_aliases=False)
    return tuple(HolidayCountry(country=country, subdivisions=list(parts)) for country, parts in sorted(known.items()))


async def _take(
    ctx: Ctx, calendar: Calendar, wanted: dict[str, Any], body: NationalHolidaysInput | RefreshHolidays
) -> HolidayChanges:
    taken = taken_over(calendar, listed(wanted))
    version = calendar.version
    if not body.dry_run:
        given: dict[str, Any] = {"national_holidays": wanted}
        if taken.added or taken.removed:
            given["holidays"] = taken.entries
            given |= body.model_dump(include=body.model_fields_set & {"effective_from"})
        version = (await change_calendar(ctx, calendar.id, given)).version
    return HolidayChanges.trusted(
        {
            "applied": not body.dry_run,
            "version": version,
            "added": taken.added,
            "removed": taken.removed,
            "overridden": taken.overridden,
        }
    )


def listed(wanted: Mapping[str, Any]) -> list[HolidayShown]:
    """Give the national holidays of a selection; raises UnknownHolidaysError."""
    country = wanted["country"]
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:
        message = f"The holidays of {country!r} are not known."
        raise UnknownHolidaysError(message, pointer="/country") from None
    offered = {
        "subdivision": (*known.subdivisions, *known.subdivisions_aliases, None),
        "language": (*known.supported_languages, None),
    }
    for name, values in offered.items():
        if wanted[name] not in values:
            choice = ", ".join(sorted(str(value) for value in values if value)) or "none"
            message = f"The holidays of {country} are not known for {wanted[name]!r}; there are: {choice}."
            raise UnknownHolidaysError(message, pointer=f"/{name}")
    categories = sorted(set(known.supported_categories) - _NOT_OFFERED)
    for index, category in enumerate(wanted["categories"]):
        if category not in categories:
            message = f"The holidays of {country} have no category {category!r}; there are: {', '.join(categories)}."
            raise UnknownHolidaysError(message, pointer=f"/categories/{index}")
    found = holidays.country_holidays(
        country,
        subdiv=wanted["subdivision"],
        years=range(wanted["first_year"], wanted["last_year"] + 1),
        expand=False,
        categories=tuple(wanted["categories"]),
        language=wanted["language"],
    )
    return [_entry(on, name) for on, name in sorted(found.items())]


def taken_over(calendar: Calendar, found: Sequence[HolidayShown]) -> Taken:
    """Work out what taking over these national holidays changes; raises TooManyHolidaysError."""
    kept = [entry for entry in calendar.holidays if entry["source"] != "national"]
    own = {entry["on"] for entry in kept} | {entry["on"] for entry in calendar.special_hours}
    taken = [entry for entry in found if entry["on"] not in own]
    before = [entry for entry in calendar.holidays if entry["source"] == "national"]
    entries = sorted([*kept, *taken], key=lambda entry: entry["on"])
    if len(entries) > MOST_HOLIDAYS:
        message = f"The calendar would have {len(entries)} holidays; {MOST_HOLIDAYS} is the limit."
        raise TooManyHolidaysError(message)
    return Taken(
        entries=list(entries),
        added=[entry for entry in taken if entry not in before],
        removed=[entry for entry in before if entry not in taken],
        overridden=[entry for entry in found if entry["on"] in own],
    )


def _entry(on: date, name: str) -> HolidayShown:
    return {"on": on.isoformat(), "name": name[:_LONGEST_NAME], "start": None, "end": None, "source": "national"}
