"""Promises in business days: when the n-th business day after an instant ends.

A business day is a local date with open time in it. It ends as the last of its open time does: at the last closing, or
at midnight when work goes on. Open time itself is `domain.business_time`.
"""

from datetime import datetime, time, timedelta
from typing import Final

from helpdesk_api.domain.business_time import HORIZON, BudgetOutOfReachError, Calendar, zone_named

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


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
