"""What the deadline table does to a clock: record what has come, never early, never twice.

That is its warning, its breach and its steps. The life of a clock is `domain.sla`; whether or not its deadlines fire in
between makes no difference to it.
"""

from dataclasses import replace
from datetime import datetime

from helpdesk_api.domain.clock_refusals import ClockNotRunningError, DeadlineAlreadyFiredError, DeadlineNotDueError
from helpdesk_api.domain.escalation import Escalation
from helpdesk_api.domain.sla import Clock, is_ticking


def warn(clock: Clock, at: datetime) -> Clock:
    """Record the warning, now that the deadline table fires it. Never early and never twice."""
    return replace(clock, warned_at=_fired(clock, clock.warning_at, clock.warned_at, at))


def breach(clock: Clock, at: datetime) -> Clock:
    """Record the breach, now that the deadline table fires it. Never early and never twice; the clock runs on."""
    return replace(clock, breached_at=_fired(clock, clock.due_at, clock.breached_at, at))


def escalate(clock: Clock, place: int, at: datetime) -> tuple[Clock, Escalation]:
    """Tell of the step at a place, counted from 1, now that the deadline table fires it; gives the step too.

    Never early and never twice. What was reached is told also when the clock has stopped since.
    """
    one = clock.escalations[place - 1]
    if one.is_told:
        raise DeadlineAlreadyFiredError(f"the step {one.step.key} was told")
    if one.reached_at is None:
        one = replace(one, reached_at=_fired(clock, one.at, one.reached_at, at))
    told = replace(one, is_told=True)
    others = clock.escalations
    return replace(clock, escalations=(*others[: place - 1], told, *others[place:])), told


def _fired(clock: Clock, due_at: datetime | None, recorded_at: datetime | None, at: datetime) -> datetime:
    if not is_ticking(clock):
        raise ClockNotRunningError(f"a {clock.state} {clock.metric} clock has no deadline to reach")
    if recorded_at is not None:
        raise DeadlineAlreadyFiredError(f"the deadline was recorded as of {recorded_at}")
    if due_at is None or at < due_at:
        raise DeadlineNotDueError(f"the deadline is {due_at}, not {at}")
    return due_at
