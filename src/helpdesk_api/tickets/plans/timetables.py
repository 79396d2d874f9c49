"""When the occurrences of a plan are and their tickets are opened: rule, zone, working days and lead time together.

An occurrence is a local date, by which it is known for ever; the day on which it takes place may be another one when
that date is no working day. In a gap of the zone's clock it takes place as much later as the gap is long; of an hour
that comes twice the first counts (RFC 5545).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.domain.business_days import is_business_day, nearest_business_day
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, system
from helpdesk_api.kit.recurrence import dates_of
from helpdesk_api.tickets.plans.schemas import HolidayShift, TicketPlan

_STEPS: Final = {HolidayShift.NEXT: timedelta(days=1), HolidayShift.PREVIOUS: timedelta(days=-1)}


class Adjustment(StrEnum):
    """What was done about an occurrence that is not on a working day."""

    MOVED = "moved"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Planned:
    """An occurrence: by which date it goes, when it takes place, and from when on its ticket is there."""

    occurs_on: date
    planned_at: datetime
    opens_at: datetime
    adjustment: Adjustment | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a plan has occurrences; `hours` decide what is a working day."""

    recurrence: str
    zone: str
    time_of_day: time
    ends_on: date | None
    shift: HolidayShift
    hours: Hours | None
    lead: timedelta

    def occurrences(self, begins_on: date, *, not_before: date) -> Iterator[Planned]:
        """Give the occurrences of the rule, begun on a date, from another date on; those that are skipped too."""
        for on in dates_of(self.recurrence, begins_on, not_before=not_before):
            if self.ends_on is not None and on > self.ends_on:
                return
            yield self._planned(on)

    def _planned(self, on: date) -> Planned:
        day = self._day_for(on)
        adjustment = Adjustment.SKIPPED if day is None else Adjustment.MOVED if day != on else None
        return Planned(on, self._at(day or on), self._at((day or on) - self.lead), adjustment)

    def _day_for(self, on: date) -> date | None:
        """Give the day on which an occurrence takes place, if it does."""
        if self.hours is None or self.shift is HolidayShift.NONE or is_business_day(self.hours, on):
            return on
        if self.shift is HolidayShift.SKIP:
            return None
        return nearest_business_day(self.hours, on, step=_STEPS[self.shift])

    def _at(self, on: date) -> datetime:
        return datetime.combine(on, self.time_of_day, zone_named(self.zone)).astimezone(UTC)


async def timetable_of(ctx: Ctx, plan: TicketPlan) -> Timetable:
    """Give the timetable of a plan, by its calendar as it is known now."""
    hours = None
    if plan.holiday_shift != HolidayShift.NONE and plan.calendar_id is not None:
        # Whoever finishes a ticket need not be shown the calendar.
        acting = replace(ctx, principal=system(ctx.tenant_id, is_sandbox=ctx.principal.is_sandbox))
        calendar = await crud.fetch(acting, CALENDARS, plan.calendar_id)
        hours = await hours_of(ctx, calendar.id, calendar.version)
    return Timetable(
        recurrence=plan.recurrence,
        zone=plan.time_zone,
        time_of_day=time.fromisoformat(plan.time_of_day),
        ends_on=plan.ends_on,
        shift=HolidayShift(plan.holiday_shift),
        hours=hours,
        lead=timedelta(days=plan.lead_days),
    )
