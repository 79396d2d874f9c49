"""What the deadline table does to a clock: record the warning or the breach that has come, never early, never twice.

The life of a clock is `domain.sla`; whether or not its deadlines fire in between makes no difference to it.
"""

from dataclasses import replace
from datetime import datetime

from helpdesk_api.domain.clock_refusals import ClockNotRunningError, DeadlineAlreadyFiredError, DeadlineNotDueError
from helpdesk_api.domain.sla import Clock, is_ticking


def warn(clock: Clock, at: datetime) -> Clock:
    """Record the warning, now that the deadline table fires it. Never early and never twice."""
    return replace(clock, warned_at=_fired(clock, clock.warning_at, clock.warned_at, at))


def breach(clock: Clock, at: datetime) -> Clock:
    """Record the breach, now that the deadline table fires it. Never early and never twice; the clock runs on."""
    return replace(clock, breached_at=_fired(clock, clock.due_at, clock.breached_at, at))


def _fired(clock: Clock, due_at: datetime | None, recorded_at: datetime | None, at: datetime) -> datetime:
    if not is_ticking(clock):
        raise ClockNotRunningError(f"a {clock.state} {clock.metric} clock has no deadline to reach")
    if recorded_at is not None:
        raise DeadlineAlreadyFiredError(f"the deadline was recorded as of {recorded_at}")
    if due_at is None or at < due_at:
        raise DeadlineNotDueError(f"the deadline is {due_at}, not {at}")
    return due_at
