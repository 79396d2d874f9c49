"""What became of every promise, worked out from the rows of the log alone, to be held against the API's own records.

Written from the documented rules (`docs/deadlines.md`) as a client would who doubts the service: it shares no code with
it. Open time is summed over the openings of the office one by one; each promise is walked from row to row.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final
from zoneinfo import ZoneInfo

from helpdesk_api.ops import replay_terms
from helpdesk_api.ops.replay_client import instant_text
from helpdesk_api.ops.replay_log import ZONE_NAME
from helpdesk_api.ops.replay_plan import FINISHED, Step, created_as
from helpdesk_api.ops.replay_terms import Promise, Terms

_ZONE: Final = ZoneInfo(ZONE_NAME)
_FIRST_DAY: Final = date(2010, 1, 1)
_DAYS: Final = 366 * 7
_SATURDAY: Final = 5
_OPENS, _CLOSES = time(9), time(18)

Record = Mapping[str, Any]


class Hours:
    """The open time of the office; or all time, which is one opening."""

    def __init__(self, spans: Sequence[tuple[datetime, datetime]]) -> None:
        self._spans = spans
        self._begins = [begin for begin, _ in spans]
        self._before = [0, *accumulate(int((end - begin).total_seconds()) for begin, end in spans)]

    def position(self, at: datetime) -> int:
        """Give how many seconds of open time there were before an instant."""
        index = bisect_right(self._begins, at) - 1
        if index < 0:
            return 0
        begin, end = self._spans[index]
        return self._before[index] + int((min(at, end) - begin).total_seconds())

    def reached(self, since: datetime, seconds: int) -> datetime:
        """Give the earliest instant by which so much open time has passed."""
        if seconds <= 0:
            return since
        wanted = self.position(since) + seconds
        index = next(i for i in range(len(self._spans)) if self._before[i + 1] >= wanted)
        return self._spans[index][0] + timedelta(seconds=wanted - self._before[index])

    def closing(self, created_at: datetime, days: int) -> datetime:
        """Give the end of the n-th day with open time after a ticket's date; for 0 the first that is still ahead."""
        on = created_at.astimezone(_ZONE).date()
        if days == 0:
            return next(end for _, end in self._spans if end > created_at)
        return [end for _, end in self._spans if end.astimezone(_ZONE).date() > on][days - 1]


@lru_cache
def hours_of(kind: str) -> Hours:
    """Give the hours that `hours` of a promise means."""
    if kind == "calendar":
        beginning = _at(_FIRST_DAY, time())
        return Hours([(beginning, beginning + timedelta(days=_DAYS))])
    days = (_FIRST_DAY + timedelta(days=number) for number in range(_DAYS))
    return Hours([(_at(day, _OPENS), _at(day, _CLOSES)) for day in days if _is_worked(day)])


def _is_worked(day: date) -> bool:
    return day.weekday() < _SATURDAY and day not in replay_terms.holidays()


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, _ZONE).astimezone(UTC)


@dataclass(slots=True)
class _Clock:
    """One promise on its way; a stretch is time in one state."""

    instance: int
    promise: Promise
    target: int
    started_at: datetime
    stretch_at: datetime
    mode: str = "running"
    is_cancelled: bool = False
    counted: Counter[str] = field(default_factory=Counter)
    breached_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def hours(self) -> Hours:
        return hours_of(self.promise.hours)

    def turn(self, mode: str, at: datetime) -> None:
        """End a stretch and begin another; `stopped` counts nothing."""
        self._notice(at)
        if self.mode != "stopped":
            self.counted[self.mode] += self.hours.position(at) - self.hours.position(self.stretch_at)
            self.counted[f"{self.mode} wall"] += int((at - self.stretch_at).total_seconds())
        self.mode, self.stretch_at = mode, at
        self.stopped_at = at if mode == "stopped" else None

    def retarget(self, promise: Promise, target: int, at: datetime) -> None:
        """Measure what was used by another target from now on."""
        self._notice(at)
        self.promise, self.target = promise, target
        self._notice(at)

    def due_at(self) -> datetime | None:
        """Give the deadline, which a clock that waits has not."""
        if self.mode == "running":
            return self.breached_at or self.hours.reached(self.stretch_at, self.target - self.counted["running"])
        return None

    def _notice(self, at: datetime) -> None:
        """Record the breach: the instant at which the stretch reached the target, or its beginning if others had."""
        if self.breached_at is not None or self.mode == "stopped":
            return
        left = self.target - self.counted["running"]
        if left <= 0:
            self.breached_at = self.stretch_at
        elif self.mode == "running" and self.hours.reached(self.stretch_at, left) <= at:
            self.breached_at = self.hours.reached(self.stretch_at, left)

    def record(self, as_of: datetime) -> Record:
        """Tell what became of it, in the words of the API; changes nothing that is told again."""
        shown = replace(self, counted=Counter(self.counted))
        due_at = shown.due_at()
        if shown.mode != "stopped":
            shown.turn(shown.mode, as_of)
        late = max(shown.counted["running"] - shown.target, 0)
        outcome = "cancelled" if self.is_cancelled else "met" if shown.breached_at is None else "breached"
        return {
            "instance": self.instance,
            "state": outcome if self.mode == "stopped" else self.mode,
            "target_seconds": self.target,
            "started_at": instant_text(self.started_at),
            "stopped_at": _text(self.stopped_at),
            "elapsed_seconds": shown.counted["running"],
            "elapsed_wall_seconds": shown.counted["running wall"],
            "paused_seconds": shown.counted["paused"],
            "paused_wall_seconds": shown.counted["paused wall"],
            "breached_at": _text(shown.breached_at),
            "breached_by_seconds": None if shown.breached_at is None else late,
            **({} if self.mode == "stopped" else {"due_at": _text(due_at)}),
        }


class _Walk:
    """One promise of one ticket, from row to row."""

    def __init__(self, metric: str, terms: Terms, first: Step) -> None:
        self._metric = metric
        self._terms = terms
        self._created_at = first.row.at
        self._is_answered = False
        state = created_as(first)
        self._status, self._priority = state.status, state.priority
        self.clocks: list[_Clock] = []
        self._begin(first.row.at)

    def go(self, step: Step) -> None:
        """Play a row: its comment comes before what it changes."""
        at, clock = step.row.at, self.clocks[-1]
        if step.remark.kind == "reply" and self._metric == "first_response":
            if clock.mode != "stopped":
                clock.turn("stopped", at)
            self._is_answered = True
        was_finished, is_finished = self._status in FINISHED, step.after.status in FINISHED
        other_terms = self._promise(step.after.priority) != self._promise(self._priority)
        self._status, self._priority = step.after.status, step.after.priority
        if is_finished and not was_finished and clock.mode != "stopped":
            clock.turn("stopped", at)
            clock.is_cancelled = self._metric == "first_response"
        elif was_finished and not is_finished:
            self._reopen(at)
        elif clock.mode != "stopped":
            self._go_on(at, other_terms=other_terms)

    def _go_on(self, at: datetime, *, other_terms: bool) -> None:
        clock = self.clocks[-1]
        promise = self._promise(self._priority)
        if other_terms and promise.on_change == "restart":
            clock.turn("stopped", at)
            clock.is_cancelled = True
            self._begin(at)
            return
        if clock.mode != self._mode(promise):
            clock.turn(self._mode(promise), at)
        if other_terms:
            clock.retarget(promise, self._target(promise, clock.started_at), at)

    def _reopen(self, at: datetime) -> None:
        clock = self.clocks[-1]
        if self._metric == "first_response" and self._is_answered:
            return
        if clock.promise.on_reopen == "restart" and self._metric == "resolution":
            self._begin(at)
            return
        promise = self._promise(self._priority)
        clock.is_cancelled = False
        clock.turn(self._mode(promise), at)
        clock.retarget(promise, self._target(promise, clock.started_at), at)

    def _begin(self, at: datetime) -> None:
        promise = self._promise(self._priority)
        instance, target = len(self.clocks) + 1, self._target(promise, at)
        self.clocks.append(_Clock(instance, promise, target, at, at, self._mode(promise)))

    def _mode(self, promise: Promise) -> str:
        return "paused" if self._status in promise.pauses_in else "running"

    def _promise(self, priority: str) -> Promise:
        told = [each for each in replay_terms.promises(self._terms) if each.metric == self._metric]
        return next((each for each in told if each.priority == priority), None) or next(
            each for each in told if each.priority is None
        )

    def _target(self, promise: Promise, started_at: datetime) -> int:
        if promise.seconds is not None:
            return promise.seconds
        hours = hours_of(promise.hours)
        return hours.position(hours.closing(self._created_at, promise.days or 0)) - hours.position(started_at)


def records(steps: Sequence[Step], terms: Terms, as_of: datetime) -> Iterator[tuple[str, Record]]:
    """Give, for each clock that a case must have by an instant, its name and its record."""
    for metric in ("first_response", "resolution"):
        walk = _Walk(metric, terms, steps[0])
        for step in steps:
            walk.go(step)
        for clock in walk.clocks:
            yield f"{metric} {clock.instance}", clock.record(as_of)


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at.astimezone(UTC))
