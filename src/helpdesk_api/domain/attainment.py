"""What a promise came to: the time that a clock used up and waited by an instant, and by how much it was broken.

It reads a clock and changes nothing. How a clock runs is `domain.sla`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.sla import LIVE, Clock, ClockState, budget, settle

_ZERO: Final = timedelta()


@dataclass(frozen=True, slots=True)
class Attainment:
    """Times in the clock's calendar, and on the wall; `breached_by` is absent for a promise that is not broken."""

    elapsed: timedelta
    elapsed_wall: timedelta
    paused: timedelta
    paused_wall: timedelta
    breached_at: datetime | None
    breached_by: timedelta | None


def attained(clock: Clock, calendar: Calendar, at: datetime) -> Attainment:
    """Give what a clock came to by `at`, or by its stop.

    An `at` before the present stretch reads as its beginning, since the clocks of two servers are never quite the same.
    """
    until = clock.stopped_at if clock.stopped_at is not None else max(at, clock.since_at)
    open_time, wall = calendar.between(clock.since_at, until), until - clock.since_at
    runs, waits = clock.state is ClockState.RUNNING, clock.state is ClockState.PAUSED
    elapsed = clock.elapsed + (open_time if runs else _ZERO)
    settled = settle(clock, until) if clock.state in LIVE else clock
    return Attainment(
        elapsed=elapsed,
        elapsed_wall=clock.elapsed_wall + (wall if runs else _ZERO),
        paused=clock.paused + (open_time if waits else _ZERO),
        paused_wall=clock.paused_wall + (wall if waits else _ZERO),
        breached_at=settled.breached_at,
        breached_by=None if settled.breached_at is None else _late_by(clock, calendar, elapsed, until),
    )


def remaining(clock: Clock, calendar: Calendar, at: datetime) -> timedelta:
    """Return the open time left, negative when overdue; it stands still while the clock does not run.

    An `at` before the present stretch reads as its beginning, since the clocks of two servers are never quite the same.
    Until a deadline set by hand it is what lies between.
    """
    if clock.manual_due_at is not None and clock.state in LIVE:
        return calendar.position(clock.manual_due_at) - calendar.position(max(at, clock.since_at))
    left = budget(clock) - clock.elapsed
    if clock.state is not ClockState.RUNNING:
        return left
    return left - max(calendar.position(at) - calendar.position(clock.since_at), _ZERO)


def _late_by(clock: Clock, calendar: Calendar, elapsed: timedelta, until: datetime) -> timedelta:
    """Give by how much open time the deadline was missed; nothing when a longer target came after the breach.

    Lateness stands still while the clock waits, but not behind a deadline that was set by hand, which is an instant.
    """
    if clock.manual_due_at is not None:
        return calendar.between(min(clock.manual_due_at, until), until)
    return max(elapsed - budget(clock), _ZERO)
