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

from helpdesk_api.domain import escalation
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.clock_refusals import (
    ClockNotPausedError,
    ClockNotRunningError,
    ClockNotStoppedError,
    ClockOrderError,
    ClockStoppedError,
    DeadlinePassedError,
    InvalidTargetError,
)
from helpdesk_api.domain.escalation import Escalations, EscalationStep

_ZERO: Final = timedelta()


class Metric(StrEnum):
    """What is measured; when each begins and ends is said in `domain.workflow`."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    PERIODIC_UPDATE = "periodic_update"
    TIME_TO_ASSIGN = "time_to_assign"
    RESOLUTION = "resolution"
    REQUESTER_WAIT = "requester_wait"
    AGENT_WORK = "agent_work"


class ClockState(StrEnum):
    """Where a clock stands; `met` and `breached` say how it was stopped, a late clock that runs on is `running`."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


LIVE: Final = frozenset({ClockState.RUNNING, ClockState.PAUSED})


@dataclass(frozen=True, slots=True)
class Terms:
    """What is promised: `target` of open time in `calendar`, a warning once `warning` of it has gone, and steps."""

    target: timedelta
    calendar: Calendar
    warning: timedelta | None = None
    steps: tuple[EscalationStep, ...] = ()

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
    waiting in stretches that are over, and the `wall` times are what a clock on the wall showed meanwhile. `due_at` and
    `warning_at` are absent while the clock is paused and are kept when it stops. `breached_at` and `warned_at` are
    recorded once and stay, wherever the deadline moves afterwards.

    An `extension` is open time granted beside the target, and stays whatever the terms. A deadline that somebody set by
    hand, `manual_due_at`, is an instant: nothing computes it anew, it does not wait, and it passes also while the clock
    is paused.
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
    elapsed_wall: timedelta = _ZERO
    paused_wall: timedelta = _ZERO
    extension: timedelta = _ZERO
    manual_due_at: datetime | None = None
    due_at: datetime | None = None
    warning_at: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    stopped_at: datetime | None = None
    escalations: Escalations = ()


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
        escalations=escalation.under(terms.steps),
    )
    return _aimed(clock, terms.calendar)


def pause(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Freeze a running clock, lateness included."""
    if clock.state is not ClockState.RUNNING:
        raise ClockNotRunningError(f"a {_told(clock)} cannot be paused")
    return _waiting(replace(_counted(clock, calendar, at), state=ClockState.PAUSED))


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
    settled = settle(clock, at)
    steps = escalation.under(terms.steps, settled.escalations)
    wanted = replace(settled, target=terms.target, warning=terms.warning, escalations=steps)
    return _changed(clock, wanted, at, calendar, now_in=terms.calendar)


def extend(clock: Clock, calendar: Calendar, at: datetime, by: timedelta) -> Clock:
    """Grant a live clock more open time; a breach that happened before stays recorded."""
    return _changed(clock, replace(settle(clock, at), extension=clock.extension + by), at, calendar)


def fix(clock: Clock, calendar: Calendar, at: datetime, due_at: datetime) -> Clock:
    """Set the deadline of a live clock by hand. Raises DeadlinePassedError unless it is still to come."""
    if due_at <= at:
        raise DeadlinePassedError(f"{due_at} is not after {at}", params={"now": at.isoformat()})
    return _changed(clock, replace(settle(clock, at), manual_due_at=due_at), at, calendar)


def release(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """Take back a deadline that was set by hand: it is again what the history makes of it."""
    return _changed(clock, replace(settle(clock, at), manual_due_at=None), at, calendar)


def settle(clock: Clock, at: datetime) -> Clock:
    """Record the steps, the warning and the breach that have passed by `at`, each as of its own instant."""
    return _recorded(clock, at) if is_ticking(clock) else clock


def is_ticking(clock: Clock) -> bool:
    """Tell whether time brings the clock nearer to its deadline: it runs, or waits with a deadline set by hand."""
    return clock.state is ClockState.RUNNING or (clock.state is ClockState.PAUSED and clock.manual_due_at is not None)


def budget(clock: Clock) -> timedelta:
    """Return the open time that may be used up: the target and what was granted beside it."""
    return clock.target + clock.extension


def _changed(clock: Clock, wanted: Clock, at: datetime, calendar: Calendar, *, now_in: Calendar | None = None) -> Clock:
    """Give a live clock as `wanted`, which is it but for what decides about its deadline, and compute that.

    A budget that is used up by now is breached at the past instant at which that happened.
    """
    if clock.state not in LIVE:
        raise ClockStoppedError(f"a {_told(clock)} cannot have another deadline")
    _check_order(clock, at)
    used = clock.elapsed
    if clock.state is ClockState.RUNNING:
        used += calendar.between(clock.since_at, at)

    def passed_at(allowed: timedelta | None, recorded_at: datetime | None) -> datetime | None:
        if recorded_at is not None or allowed is None or allowed > used or wanted.manual_due_at is not None:
            return recorded_at
        return calendar.add(clock.since_at, max(allowed - clock.elapsed, _ZERO))

    def has_come(step: EscalationStep) -> bool:
        if wanted.manual_due_at is None:
            return step.after(budget(wanted)) <= used
        comes_at = step.beside(wanted.manual_due_at, now_in or calendar)
        return comes_at is not None and comes_at <= at

    changed = replace(
        wanted,
        breached_at=passed_at(budget(wanted), wanted.breached_at),
        warned_at=passed_at(wanted.warning, wanted.warned_at),
        escalations=escalation.attached(wanted.escalations, at, has_come),
    )
    if now_in is not None and now_in != calendar:
        changed = _counted(changed, calendar, at)
    changed = _aimed(changed, now_in or calendar)
    return changed if clock.state is ClockState.RUNNING else _waiting(changed)


def _waiting(clock: Clock) -> Clock:
    """Take the deadline from a clock that waits, but not one that was set by hand."""
    if clock.manual_due_at is not None:
        return replace(clock, due_at=clock.manual_due_at, warning_at=None)
    return replace(clock, due_at=None, warning_at=None, escalations=escalation.waiting(clock.escalations))


def _aimed(clock: Clock, calendar: Calendar) -> Clock:
    """Compute when the budget and the warning are used up, counting from the beginning of the present stretch.

    Before a deadline set by hand there is no warning: the target says nothing about it.
    """
    if clock.manual_due_at is not None:
        by_hand = clock.manual_due_at
        steps = escalation.aimed(clock.escalations, lambda step: step.beside(by_hand, calendar))
        return replace(clock, due_at=by_hand, warning_at=None, escalations=steps)

    def used_up(allowed: timedelta, recorded_at: datetime | None) -> datetime:
        left = allowed - clock.elapsed
        if left <= _ZERO and recorded_at is not None:
            return recorded_at
        return calendar.add(clock.since_at, max(left, _ZERO))

    warning_at = None if clock.warning is None else used_up(clock.warning, clock.warned_at)
    steps = escalation.aimed(clock.escalations, lambda step: used_up(step.after(budget(clock)), None))
    due_at = used_up(budget(clock), clock.breached_at)
    return replace(clock, due_at=due_at, warning_at=warning_at, escalations=steps)


def _recorded(clock: Clock, at: datetime) -> Clock:
    warned_at, breached_at = clock.warned_at, clock.breached_at
    if warned_at is None and clock.warning_at is not None and clock.warning_at <= at:
        warned_at = clock.warning_at
    if breached_at is None and clock.due_at is not None and clock.due_at <= at:
        breached_at = clock.due_at
    steps = escalation.reached(clock.escalations, at)
    return replace(clock, warned_at=warned_at, breached_at=breached_at, escalations=steps)


def _counted(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """End the present stretch: what passed in it is recorded, what it took is used up or waited, the next begins."""
    _check_order(clock, at)
    stretch, wall = calendar.between(clock.since_at, at), at - clock.since_at
    counted = replace(settle(clock, at), since_at=at)
    if clock.state is ClockState.PAUSED:
        return replace(counted, paused=clock.paused + stretch, paused_wall=clock.paused_wall + wall)
    return replace(counted, elapsed=clock.elapsed + stretch, elapsed_wall=clock.elapsed_wall + wall)


def _ended(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    if clock.state not in LIVE:
        raise ClockStoppedError(f"a {_told(clock)} cannot be stopped again")
    return replace(_counted(clock, calendar, at), stopped_at=at)


def _check_order(clock: Clock, at: datetime) -> None:
    if at < clock.since_at:
        raise ClockOrderError(f"the clock moved at {clock.since_at}, after {at}")


def _told(clock: Clock) -> str:
    return f"{clock.state} {clock.metric} clock"
