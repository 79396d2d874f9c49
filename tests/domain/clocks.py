"""Clocks for the tests of deadlines. 2 November 2026 is a Monday."""

from datetime import datetime, timedelta
from typing import Final

from helpdesk_api.domain import sla
from helpdesk_api.domain.sla import Clock, Metric, Terms
from tests.domain.calendars import OFFICE, hours
from tests.domain.oracle import utc

NOTHING: Final = timedelta()
FOUR_HOURS: Final = Terms(hours(4), OFFICE, warning=hours(3))


def monday(time: str) -> datetime:
    return utc(f"2026-11-02 {time}")


def tuesday(time: str) -> datetime:
    return utc(f"2026-11-03 {time}")


def a_clock(terms: Terms = FOUR_HOURS, *, metric: Metric = Metric.RESOLUTION, at: str = "10:00") -> Clock:
    """Return a clock that was started on Monday at this time."""
    return sla.start(metric, terms, monday(at))


def a_paused_clock(at: str = "11:00") -> Clock:
    return sla.pause(a_clock(), OFFICE, monday(at))


def a_stopped_clock(at: str = "11:00") -> Clock:
    return sla.stop(a_clock(), OFFICE, monday(at))
