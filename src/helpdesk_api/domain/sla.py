"""The life of a clock: what was promised, how much open time has gone, when it is due and whether it was kept.

Every function takes a clock and returns the next one; nothing here knows tickets, tables or the present time. Which
status runs or stops which clock belongs to `domain.workflow`, what an hour of open time is to `domain.business_time`.

The deadline is a function of the clock's history alone (`domain.clock_history`), whether or not the deadline table
fired in between. The due instant itself is late: an answer at `at >= due_at` is a breach and the table fires at
`at >= due_at`, and whichever comes first, the breach is recorded once, as of `due_at`, and never taken back.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.errors import ConflictError, InvalidError

_ZERO: Final = timedelta()


class Metric(StrEnum):
    FIRST_RESPONSE = "first_response"
    RESOLUTION = "resolution"


class ClockState(StrEnum):
    """Where a clock stands; `met` and `breached` say how it was stopped, a late clock that runs on is `running`."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


LIVE: Final = frozenset({ClockState.RUNNING, ClockState.PAUSED})


class InvalidTargetError(InvalidError):
    """A target is negative, or its warning does not lie within it."""

    code = "invalid_target"
    title = "The target or its warning is not possible"


class ClockNotRunningError(ConflictError):
    """Only a clock that runs can be paused or reach its deadline."""

    code = "clock_not_running"
    title = "The clock is not running"


class ClockNotPausedError(ConflictError):
    """Only a clock that is paused can be resumed."""

    code = "clock_not_paused"
    title = "The clock is not paused"


class ClockStoppedError(ConflictError):
    """A clock that has stopped stays as it is, until its ticket is reopened."""

    code = "clock_stopped"
    title = "The clock has already stopped"


class ClockNotStoppedError(ConflictError):
    """Only a clock that has stopped can be reopened."""

    code = "clock_not_stopped"
    title = "The clock has not stopped"


class DeadlineNotDueError(ConflictError):
    """A deadline is recorded at its own instant, neither before nor after."""

    code = "deadline_not_due"
    title = "The deadline has not been reached"


class DeadlineAlreadyFiredError(ConflictError):
    """A deadline is recorded once."""

    code = "deadline_already_fired"
    title = "The deadline has already been recorded"


class ClockOrderError(ConflictError):
    """A clock moves forward in time only."""

    code = "clock_order"
    title = "The clock has already moved at a later instant"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is promised: `target` of open time in `calendar`, with a warning once `warning` of it has gone."""

    target: timedelta
    calendar: Calendar
    warning: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse a promise that cannot be measured."""
        if self.target < _ZERO:
            raise InvalidTargetError(f"a target of {self.target} is negative")
        if self.warning is not None and not _ZERO <= self.warning <= self.target:
            raise InvalidTargetError(f"a warning after {self.warning} is not within the target of {self.target}")


@dataclass(frozen=True, slots=True)
class Clock:
    """One promise being measured. The calendar is not part of it: the caller knows which version applies.

    `elapsed` is the open time used up to `since_at`, where the present stretch began; `paused` is the open time spent
    waiting in stretches that are over. `due_at` and `warning_at` are absent while the clock is paused and are kept when
    it stops. `breached_at` and `warned_at` are recorded once and stay, wherever the deadline moves afterwards.
    """

    metric: Metric
    instance: int
    target: timedelta
    warning: timedelta | None
    state: ClockState
    started_at: datetime
    since_at: datetime
    elapsed: timedelta
    paused: timedelta
    due_at: datetime | None = None
    warning_at: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    stopped_at: datetime | None = None


def start(metric: Metric, terms: Terms, at: datetime, *, instance: int = 1) -> Clock:
    """Start a clock. A target of zero is due at once, also outside hours."""
    clock = Clock(
        metric=metric,
        instance=instance,
        target=terms.target,
        warning=terms.warning,
        state=ClockState.RUNNING,
        started_at=at,
        since_at=at,
        elapsed=_ZERO,
        paused=_ZERO,
    )
    return _aimed(clock, terms.calendar)


def pause(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Freeze a running clock, lateness included."""
    if clock.state is not ClockState.RUNNING:
        raise ClockNotRunningError(f"a {_told(clock)} cannot be paused")
    return replace(_counted(clock, calendar, at), state=ClockState.PAUSED, due_at=None, warning_at=None)


def resume(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Let a paused clock run again, due later by the open time it waited; waiting outside hours credits nothing."""
    if clock.state is not ClockState.PAUSED:
        raise ClockNotPausedError(f"a {_told(clock)} cannot be resumed")
    return _aimed(replace(_counted(clock, calendar, at), state=ClockState.RUNNING), calendar)


def stop(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Stop a clock because what was promised was done; a paused clock may be stopped, for work done while waiting."""
    stopped = _ended(clock, calendar, at)
    return replace(stopped, state=ClockState.MET if stopped.breached_at is None else ClockState.BREACHED)


def cancel(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Stop a clock because nothing is promised any more. A breach that happened before stays recorded."""
    return replace(_ended(clock, calendar, at), state=ClockState.CANCELLED)


def reopen(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Let a stopped clock run on from what it had used; the time since it stopped counts as neither used nor waited."""
    if clock.state in LIVE:
        raise ClockNotStoppedError(f"a {_told(clock)} cannot be reopened")
    _check_order(clock, at)
    return _aimed(replace(clock, state=ClockState.RUNNING, since_at=at, stopped_at=None), calendar)


def retarget(clock: Clock, terms: Terms, *, calendar: Calendar, at: datetime) -> Clock:
    """Put other terms on a live clock; `calendar` is the one it was measured in so far.

    Used and waited time are kept, as the old calendar counted them. When the present stretch has already used up the
    new target, the clock is due, and breached, at the past instant at which that happened; when an earlier stretch
    had, at the start of the present one.
    """
    if clock.state not in LIVE:
        raise ClockStoppedError(f"a {_told(clock)} cannot have other terms")
    _check_order(clock, at)
    settled = settle(clock, at)
    used = clock.elapsed
    if clock.state is ClockState.RUNNING:
        used += calendar.between(clock.since_at, at)

    def passed_at(budget: timedelta | None, recorded_at: datetime | None) -> datetime | None:
        if recorded_at is not None or budget is None or budget > used:
            return recorded_at
        return calendar.add(clock.since_at, max(budget - clock.elapsed, _ZERO))

    moved = replace(
        settled,
        target=terms.target,
        warning=terms.warning,
        breached_at=passed_at(terms.target, settled.breached_at),
        warned_at=passed_at(terms.warning, settled.warned_at),
    )
    if terms.calendar != calendar:
        moved = _counted(moved, calendar, at)
    moved = _aimed(moved, terms.calendar)
    return moved if clock.state is ClockState.RUNNING else replace(moved, due_at=None, warning_at=None)


def settle(clock: Clock, at: datetime) -> Clock:
    """Record the warning and the breach that have passed by `at`, each as of its own instant."""
    return _recorded(clock, at) if clock.state is ClockState.RUNNING else clock


def warn(clock: Clock, at: datetime) -> Clock:
    """Record the warning, now that the deadline table fires it. Never early and never twice."""
    return replace(clock, warned_at=_fired(clock, clock.warning_at, clock.warned_at, at))


def breach(clock: Clock, at: datetime) -> Clock:
    """Record the breach, now that the deadline table fires it. Never early and never twice; the clock runs on."""
    return replace(clock, breached_at=_fired(clock, clock.due_at, clock.breached_at, at))


def remaining(clock: Clock, calendar: Calendar, at: datetime) -> timedelta:
    """Return the open time left, negative when overdue; it stands still while the clock does not run.

    An `at` before the present stretch reads as its beginning, since the clocks of two servers are never quite the same.
    """
    left = clock.target - clock.elapsed
    if clock.state is not ClockState.RUNNING:
        return left
    return left - max(calendar.position(at) - calendar.position(clock.since_at), _ZERO)


def _aimed(clock: Clock, calendar: Calendar) -> Clock:
    """Compute when the target and the warning are used up, counting from the beginning of the present stretch."""

    def used_up(budget: timedelta, recorded_at: datetime | None) -> datetime:
        left = budget - clock.elapsed
        if left <= _ZERO and recorded_at is not None:
            return recorded_at
        return calendar.add(clock.since_at, max(left, _ZERO))

    warning_at = None if clock.warning is None else used_up(clock.warning, clock.warned_at)
    return replace(clock, due_at=used_up(clock.target, clock.breached_at), warning_at=warning_at)


def _recorded(clock: Clock, at: datetime) -> Clock:
    warned_at, breached_at = clock.warned_at, clock.breached_at
    if warned_at is None and clock.warning_at is not None and clock.warning_at <= at:
        warned_at = clock.warning_at
    if breached_at is None and clock.due_at is not None and clock.due_at <= at:
        breached_at = clock.due_at
    return replace(clock, warned_at=warned_at, breached_at=breached_at)


def _counted(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """End the present stretch: what passed in it is recorded, what it took is used up or waited, the next begins."""
    _check_order(clock, at)
    stretch = calendar.between(clock.since_at, at)
    if clock.state is ClockState.PAUSED:
        return replace(clock, paused=clock.paused + stretch, since_at=at)
    return replace(_recorded(clock, at), elapsed=clock.elapsed + stretch, since_at=at)


def _ended(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    if clock.state not in LIVE:
        raise ClockStoppedError(f"a {_told(clock)} cannot be stopped again")
    return replace(_counted(clock, calendar, at), stopped_at=at)


def _fired(clock: Clock, due_at: datetime | None, recorded_at: datetime | None, at: datetime) -> datetime:
    if clock.state is not ClockState.RUNNING:
        raise ClockNotRunningError(f"a {_told(clock)} has no deadline to reach")
    if recorded_at is not None:
        raise DeadlineAlreadyFiredError(f"the deadline was recorded as of {recorded_at}")
    if due_at is None or at < due_at:
        raise DeadlineNotDueError(f"the deadline is {due_at}, not {at}")
    return due_at


def _check_order(clock: Clock, at: datetime) -> None:
    if at < clock.since_at:
        raise ClockOrderError(f"the clock moved at {clock.since_at}, after {at}")


def _told(clock: Clock) -> str:
    return f"{clock.state} {clock.metric} clock"
