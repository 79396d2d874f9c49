"""The escalation steps of a clock: when each comes, and that each is reached once.

A step lies a share of the allowed time into a clock, or an offset of open time before or behind its deadline. It is
known by its key: terms that have a step of the same key mean the same step, and what was reached stays so. When a clock
runs or waits is `domain.sla`; what a step does to a ticket belongs to `tickets`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from helpdesk_api.domain.business_time import Calendar

_ZERO: Final = timedelta()
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class StepActions:
    """What a step does beside being told: who is written to, and what is changed on the ticket."""

    notifies_assignee: bool = False
    notifies_team: bool = False
    notified_ids: tuple[UUID, ...] = ()
    team_id: UUID | None = None
    assignee_id: UUID | None = None
    raised_to: str | None = None


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """A step as terms have it: at `percent` of the allowed time, or `offset` from the deadline in open time."""

    key: str
    percent: int | None = None
    offset: timedelta | None = None
    actions: StepActions | None = None

    def after(self, budget: timedelta) -> timedelta:
        """Give the open time after which it comes, of a clock that may use up `budget`."""
        if self.offset is not None:
            return max(budget + self.offset, _ZERO)
        return budget // _SECOND * (self.percent or 0) // 100 * _SECOND

    def beside(self, due_at: datetime, calendar: Calendar) -> datetime | None:
        """Give when it comes beside a deadline that was set by hand, of whose time nothing is a share."""
        if self.offset is None:
            return None
        if self.offset < _ZERO:
            return calendar.subtract(due_at, -self.offset)
        return calendar.add(due_at, self.offset)


@dataclass(frozen=True, slots=True)
class Escalation:
    """A step of one clock: when it comes or came.

    `at` is absent while the clock waits, and for a step that the terms no longer have. A step is late that was reached
    already when the clock got it. `is_told` is kept by whoever tells of it, and is no part of what a clock is.
    """

    step: EscalationStep
    at: datetime | None = None
    reached_at: datetime | None = None
    is_late: bool = False
    is_current: bool = True
    is_told: bool = field(default=False, compare=False)


Escalations = tuple[Escalation, ...]


def under(steps: Sequence[EscalationStep], known: Escalations = ()) -> Escalations:
    """Give the steps of a clock under other terms; each keeps its place, for that is how it is told from the others."""
    wanted = {step.key: step for step in steps}
    kept = [
        replace(one, step=wanted.pop(one.step.key), is_current=True)
        if one.step.key in wanted
        else replace(one, at=None, is_current=False)
        for one in known
    ]
    return (*kept, *(Escalation(step) for step in wanted.values()))


def aimed(escalations: Escalations, instant_of: Callable[[EscalationStep], datetime | None]) -> Escalations:
    """Compute when the steps come that are still ahead."""
    return tuple(
        replace(one, at=instant_of(one.step)) if one.is_current and one.reached_at is None else one
        for one in escalations
    )


def waiting(escalations: Escalations) -> Escalations:
    """Let the steps that are still ahead wait with their clock."""
    return aimed(escalations, lambda _: None)


def reached(escalations: Escalations, at: datetime) -> Escalations:
    """Record the steps that have come by `at`, each as of its own instant."""
    return tuple(
        replace(one, reached_at=one.at)
        if one.is_current and one.reached_at is None and one.at is not None and one.at <= at
        else one
        for one in escalations
    )


def attached(escalations: Escalations, at: datetime, has_come: Callable[[EscalationStep], bool]) -> Escalations:
    """Record the steps that other terms bring too late: they are reached `at` once."""
    return tuple(
        replace(one, at=at, reached_at=at, is_late=True)
        if one.is_current and one.reached_at is None and has_come(one.step)
        else one
        for one in escalations
    )


def kept(old: Escalations, new: Escalations, now: datetime) -> Escalations:
    """Give the steps of a clock that was measured anew: what was reached stays so, what is reached by that is late."""
    before = {one.step.key: one for one in old}

    def settled(one: Escalation) -> Escalation:
        known = before.get(one.step.key)
        if known is not None and known.reached_at is not None:
            return replace(known, is_current=one.is_current)
        if one.reached_at is not None and not one.is_late:
            return replace(one, at=now, reached_at=now, is_late=True)
        return one

    return tuple(settled(one) for one in new)
