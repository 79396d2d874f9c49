"""Taking the events of an iCalendar file into a calendar as holidays, from the request itself or from a URL.

A file at a URL is fetched before any transaction is opened. The entries are marked `imported`; a second import of the
same file changes nothing. Reading a file is `agreements.calendar_files`.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints, model_validator

from helpdesk_api.agreements.calendar_files import ClosedSpan, ReadEvent, read_events
from helpdesk_api.agreements.calendar_routes import change_calendar
from helpdesk_api.agreements.calendar_schemas import MOST_HOLIDAYS, Calendar, EffectiveFrom, HolidayShown
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.national_holidays import MOST_YEARS, TooManyHolidaysError, Year
from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.direct_routes import DirectRoute, known
from helpdesk_api.kit.outbound import OutboundError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Flag, Input, Output
from helpdesk_api.kit.unit_of_work import unit_of_work

_MOST_BYTES = 2**20
_OK = 200


class CalendarNotFetchedError(InvalidError):
    """There was no calendar file at the URL."""

    code = "calendar_not_fetched"
    title = "The calendar file could not be fetched"


class CalendarImport(Input):
    """An iCalendar file, or where it is, and which part of it to take."""

    file: Annotated[
        str,
        StringConstraints(min_length=1, max_length=_MOST_BYTES),
        Field(description="The file itself, or its URL (`http://` or `https://`), which is fetched now and not again."),
    ]
    first_year: Annotated[Year, Field(description="The first year whose events are taken.")]
    last_year: Annotated[Year, Field(description=f"At most {MOST_YEARS} years from the first, both included.")]
    replace: Annotated[
        Flag, Field(description="Remove what was imported before and is not in this file, whatever the year.")
    ] = False
    effective_from: EffectiveFrom = None
    dry_run: Annotated[Flag, Field(description="Tell what would become of each event and change nothing.")] = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "CalendarImport":
        if not 0 <= self.last_year - self.first_year < MOST_YEARS:
            message = f"last_year must be one of the {MOST_YEARS} years from first_year on"
            raise ValueError(message)
        return self


class ImportedEvent(Output):
    """What became of one event of the file; all the parts of a recurring one are one."""

    uid: str
    name: str
    result: Annotated[Literal["imported", "unchanged", "refused"], Field(description="`unchanged`: it was there.")]
    reason: Annotated[
        str | None,
        Field(
            description=(
                "Why it was refused: `cancelled`, `outside_years`, `too_long`, `too_costly`, `unsupported_recurrence` "
                "or `unreadable`."
            )
        ),
    ]
    holidays: list[HolidayShown]


class CalendarImported(Output):
    """What an import changes in a calendar."""

    applied: Annotated[bool, Field(description="False for a dry run.")]
    version: Annotated[int, Field(description="That of the calendar; it grows only when something changes.")]
    events: list[ImportedEvent]
    removed: list[HolidayShown]


router = APIRouter(prefix=f"/v1/{CALENDARS.plural}", tags=[CALENDARS.plural], route_class=DirectRoute)


@router.post(
    "/{id}/import",
    operation_id="calendars_import",
    summary="Import an iCalendar file into a calendar",
    description=(
        "Takes the events of a file as holidays marked `imported`: whole dates, or the part of a date that an event "
        "with times covers in the zone of the calendar. Recurring events are taken for the given years. Each event is "
        "answered for by itself; one that cannot be read holds up no other."
    ),
)
async def import_calendar(
    id: UUID, body: CalendarImport, request: Request, principal: Annotated[Principal, known("calendars:write")]
) -> CalendarImported:
    """Import a file."""
    runtime: Runtime = request.app.state.runtime
    cause = cause_of(request)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        zone = (await crud.fetch(ctx, CALENDARS, id)).time_zone
    text = await _fetched(runtime, body.file) if body.file.startswith(("http://", "https://")) else body.file
    # Apart from the loop that serves everybody: the largest files take about a second.
    events = await asyncio.to_thread(
        read_events, text, zone_named(zone), first_year=body.first_year, last_year=body.last_year
    )
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        return await _take(ctx, await crud.fetch_locked(ctx, CALENDARS, id), events, body)


async def _fetched(runtime: Runtime, url: str) -> str:
    runtime.outbound.check_url(url, pointer="/file")
    headers = {"accept": "text/calendar"}
    try:
        response = await runtime.outbound.get(url, headers=headers, most_bytes=_MOST_BYTES)
    except OutboundError as error:
        message = f"The file could not be fetched: {error.detail}."
        raise CalendarNotFetchedError(message, pointer="/file", params={"reason": error.reason}) from error
    if response.status != _OK:
        message = f"The server answered with the status {response.status}."
        raise CalendarNotFetchedError(message, pointer="/file", params={"reason": f"status_{response.status}"})
    return response.body_excerpt.decode("utf-8", errors="replace")


async def _take(ctx: Ctx, calendar: Calendar, events: Sequence[ReadEvent], body: CalendarImport) -> CalendarImported:
    there = {_key(entry) for entry in calendar.holidays}
    taken: dict[tuple[str, ...], HolidayShown] = {}
    results: list[ImportedEvent] = []
    for event in events:
        entries = [_entry(span, event.name) for span in event.spans]
        new = [entry for entry in entries if _key(entry) not in there]
        taken |= {_key(entry): entry for entry in entries}
        results.append(
            ImportedEvent.trusted(
                {
                    "uid": event.uid,
                    "name": event.name,
                    "result": "refused" if event.reason else "imported" if new else "unchanged",
                    "reason": event.reason,
                    "holidays": entries,
                }
            )
        )
    gone = [e for e in calendar.holidays if body.replace and e["source"] == "imported" and _key(e) not in taken]
    added = [entry for key, entry in taken.items() if key not in there]
    version = await _store(ctx, calendar, added, gone, body) if not body.dry_run else calendar.version
    return CalendarImported.trusted(
        {"applied": not body.dry_run, "version": version, "events": results, "removed": gone}
    )


async def _store(
    ctx: Ctx, calendar: Calendar, added: Sequence[HolidayShown], gone: Sequence[HolidayShown], body: CalendarImport
) -> int:
    if not added and not gone:
        return calendar.version
    kept = [entry for entry in calendar.holidays if entry not in gone]
    entries = sorted([*kept, *added], key=lambda entry: entry["on"])
    if len(entries) > MOST_HOLIDAYS:
        message = f"The calendar would have {len(entries)} holidays; {MOST_HOLIDAYS} is the limit."
        raise TooManyHolidaysError(message)
    given: dict[str, Any] = {"holidays": entries}
    given |= body.model_dump(include=body.model_fields_set & {"effective_from"})
    return (await change_calendar(ctx, calendar.id, given)).version


def _key(entry: HolidayShown) -> tuple[str, ...]:
    return entry["on"], entry["start"] or "", entry["end"] or ""


def _entry(span: ClosedSpan, name: str) -> HolidayShown:
    is_whole = (span.start, span.end) == (0, 1440)
    return {
        "on": span.on.isoformat(),
        "name": name,
        "start": None if is_whole else _wall_time(span.start),
        "end": None if is_whole else _wall_time(span.end),
        "source": "imported",
    }


def _wall_time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
