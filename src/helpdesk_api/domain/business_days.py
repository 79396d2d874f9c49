"""Business days: when the n-th one after an instant ends, and which one is nearest to a date.

A business day is a local date with open time in it. It ends as the last of its open time does: at the last closing, or
at midnight when work goes on. Open time itself is `domain.business_time`.
"""

from datetime import date, datetime, time, timedelta
from typing import Final

from helpdesk_api.domain.business_time import HORIZON, BudgetOutOfReachError, Calendar, zone_named

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
# Beyond a year another day is no shift of a day any more.
_FURTHEST_SHIFT: Final = 366


def end_of_business_day(calendar: Calendar, since: datetime, days: int) -> datetime:
    """Return the end of the `days`-th business day after the local date of `since`.

    Zero is that date itself, as long as some of its open time is still ahead, else the next business day. Raises
    BudgetOutOfReachError when there are not so many within `HORIZON`.
    """
    zone = zone_named(calendar.zone)
    on = since.astimezone(zone).date()
    left = days
    for number in range(HORIZON.days):
        midnight = datetime.combine(on + number * _DAY, time(), zone)
        next_midnight = datetime.combine(on + (number + 1) * _DAY, time(), zone)
        begin = max(midnight, since, key=datetime.timestamp)
        if calendar.between(begin, next_midnight) > timedelta() and (number or not days):
            left -= 1
            if left <= 0:
                # The last microsecond of open time ends where the day does.
                return calendar.subtract(next_midnight, _MICROSECOND) + _MICROSECOND
    raise BudgetOutOfReachError(f"{days} business days after {since} are not reached within {HORIZON.days} days")


def is_business_day(calendar: Calendar, on: date) -> bool:
    """Tell whether there is open time in a local date of the calendar's zone."""
    zone = zone_named(calendar.zone)
    midnight, next_midnight = (datetime.combine(day, time(), zone) for day in (on, on + _DAY))
    return calendar.between(midnight, next_midnight) > timedelta()


def nearest_business_day(calendar: Calendar, on: date, *, step: timedelta) -> date | None:
    """Return the date itself or the first business day in steps of one day from it; None if there is none in a year."""
    candidates = (on + number * step for number in range(_FURTHEST_SHIFT))
    return next((day for day in candidates if is_business_day(calendar, day)), None)
