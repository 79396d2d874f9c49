"""How long after an instant of a ticket a rule is tried: in calendar time, or in the open hours of a calendar.

The instant is a field of the published catalogue, so that whatever is offered there can be counted from. Which tickets
wait for it is `automation.waiting`, what happens then `automation.elapsing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, PlainSerializer
from typing_extensions import TypedDict

from helpdesk_api.agreements.calendar_versions import hours_of, latest_version
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.domain.business_time import ALWAYS_OPEN, BudgetOutOfReachError, InstantOutOfRangeError
from helpdesk_api.domain.conditions import FieldType
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Flag, Input
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.condition_fields import OfferedField, check_shown
from helpdesk_api.tickets.custom_conditions import offered_to

_YEAR: Final = 366 * 24 * 3_600


class UnknownInstantError(InvalidError):
    """A timer counts from something that is no instant of a ticket."""

    code = "unknown_instant"
    title = "There is no such instant of a ticket"


class TimerMismatchError(InvalidError):
    """The occasion `elapsed` and the timer that gives it come together or not at all."""

    code = "timer_mismatch"
    title = "The occasion elapsed and a timer go together"


_Since = Annotated[
    str,
    Field(
        max_length=100,
        examples=["status_changed_at", "clocks.resolution.due_at"],
        description="A field of type `instant` that `GET /v1/condition-fields` lists for rules.",
    ),
]
_Seconds = Annotated[
    int, Field(ge=-_YEAR, le=_YEAR, strict=True, description="How long after that instant; before it if negative.")
]
_CalendarId = Annotated[UUID | None, Field(description="Only open time of this calendar counts; null for all time.")]
_REARMED: Final = "Whether it fires again once `since` has come to be another instant."


class RuleTimerInput(Input):
    """When time is up for a ticket."""

    since: _Since
    seconds: _Seconds
    calendar_id: _CalendarId = None
    is_rearmed: Annotated[Flag, Field(description=_REARMED)] = False


class RuleTimer(TypedDict):
    """When time is up for a ticket."""

    since: _Since
    seconds: _Seconds
    calendar_id: _CalendarId
    is_rearmed: Annotated[bool, Field(description=_REARMED)]


# What comes out was read when it came in.
KeptTimer = Annotated[RuleTimer, PlainSerializer(lambda timer: timer)]


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer, ready to be counted by."""

    since: str
    by: timedelta
    calendar_id: UUID | None
    is_rearmed: bool

    async def due_at(self, ctx: Ctx, since: datetime) -> datetime:
        """Give the instant at which time is up. Raises UnknownReferenceError when the calendar is gone."""
        if self.calendar_id is not None and not await crud.fetch_many(ctx, CALENDARS, [self.calendar_id]):
            raise _no_calendar(self.calendar_id)
        return await instant_after(ctx, since, self.by, self.calendar_id)


async def instant_after(ctx: Ctx, since: datetime, by: timedelta, calendar_id: UUID | None) -> datetime:
    """Give the instant so much later, or earlier if it is negative, of the open time of a calendar, which is there."""
    hours = ALWAYS_OPEN
    if calendar_id is not None:
        version, _ = await latest_version(ctx, calendar_id)
        hours = await hours_of(ctx, calendar_id, version)
    return hours.subtract(since, -by) if by < timedelta() else hours.add(since, by)


def read_timer(given: Mapping[str, Any] | None) -> Timer | None:
    """Make a timer, as it is kept, ready to be counted by."""
    if given is None:
        return None
    calendar = given.get("calendar_id")
    return Timer(
        since=given["since"],
        by=timedelta(seconds=given["seconds"]),
        calendar_id=None if calendar is None else UUID(str(calendar)),
        is_rearmed=given.get("is_rearmed", False),
    )


async def check_timer(ctx: Ctx, given: Mapping[str, Any] | None, *, is_occasion: bool, pointer: str) -> None:
    """Refuse a timer without its occasion, and what its author is not shown or what is not there.

    Raises TimerMismatchError, UnknownInstantError, UnknownReferenceError, MissingPermissionError and
    FieldNotAllowedError.
    """
    if (given is not None) is not is_occasion:
        message = "A rule has a `timer` exactly when `elapsed` is one of its occasions."
        raise TimerMismatchError(message, pointer=pointer)
    timer = read_timer(given)
    if timer is None:
        return
    offered = await offered_to(ctx, timer.since)
    if not _is_instant(offered.get(timer.since)):
        message = f"{timer.since!r} is no instant of a ticket."
        raise UnknownInstantError(message, pointer=f"{pointer}/since")
    check_shown(ctx.principal, [timer.since], pointer=f"{pointer}/since", among=offered)
    if timer.calendar_id is not None and not await crud.fetch_many(ctx, CALENDARS, [timer.calendar_id]):
        error = _no_calendar(timer.calendar_id)
        raise UnknownReferenceError(error.detail, pointer=f"{pointer}/calendar_id")


def _is_instant(offered: OfferedField | None) -> bool:
    # What belongs to an event has no SQL, and is gone when time is up.
    return offered is not None and offered.column is not None and offered.field.type is FieldType.INSTANT


def _no_calendar(calendar_id: UUID) -> UnknownReferenceError:
    return UnknownReferenceError(f"There is no calendar {calendar_id}.", pointer="/timer/calendar_id")


OUT_OF_REACH: Final = (BudgetOutOfReachError, InstantOutOfRangeError)
