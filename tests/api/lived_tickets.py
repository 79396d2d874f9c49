"""What becomes of tickets and their resolution clocks, lived through a minute at a time, to judge the records of them.

Written from the documented rules alone; it shares no code with the product. Everything happens on whole minutes.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.domain.oracle import Walk

MINUTE = timedelta(minutes=1)
FINISHED = frozenset({"solved", "closed"})
WAITING = frozenset({"pending", "on_hold"})
Spell = tuple[int, int]


@dataclass
class LivedClock:
    """One resolution clock; times are in minutes."""

    started_at: datetime
    target: int
    state: str = "running"
    extension: int = 0
    by_hand: datetime | None = None
    elapsed: int = 0
    elapsed_wall: int = 0
    paused: int = 0
    paused_wall: int = 0
    is_breached: bool = False
    stopped_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.state in {"running", "paused"}

    def live_a_minute(self, until: datetime, *, is_open: bool) -> None:
        if self.state == "running":
            self.elapsed_wall += 1
            self.elapsed += is_open
        elif self.state == "paused":
            self.paused_wall += 1
            self.paused += is_open
        self.look(until)

    def look(self, at: datetime) -> None:
        """Notice that the promise is broken."""
        if self.is_live:
            passed = self.elapsed >= self.target + self.extension if self.by_hand is None else self.by_hand <= at
            self.is_breached = self.is_breached or passed

    def late_by(self, walk: Walk, now: datetime) -> int | None:
        """Give by how many open minutes it is late."""
        if not self.is_breached:
            return None
        if self.by_hand is None:
            return max(self.elapsed - self.target - self.extension, 0)
        until = self.stopped_at or now
        return walk.between(self.by_hand, until) // MINUTE if self.by_hand < until else 0


@dataclass
class LivedTicket:
    """A ticket; `resumes` says whether reopening lets its old clock run on."""

    walk: Walk
    now: datetime
    targets: dict[str, int]
    resumes: bool
    priority: str = "normal"
    status: str = "new"
    team: str | None = None
    assignee: str | None = None
    clocks: list[LivedClock] = field(default_factory=list)
    by_status: Counter[tuple[str, bool]] = field(default_factory=Counter)
    by_team: Counter[tuple[str | None, bool]] = field(default_factory=Counter)
    by_queue: Counter[tuple[str | None, bool]] = field(default_factory=Counter)
    by_assignee: Counter[tuple[str | None, bool]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._begin()

    @property
    def clock(self) -> LivedClock:
        return self.clocks[-1]

    def live_until(self, at: datetime) -> None:
        while self.now < at:
            is_open = self.walk.is_open(self.now)
            self.now += MINUTE
            self.clock.live_a_minute(self.now, is_open=is_open)
            if self.status != "closed":
                self.by_status[self.status, is_open] += 1
            if self.status not in FINISHED:
                self.by_assignee[self.assignee, is_open] += 1
                self.by_team[self.team, is_open] += 1
                if self.assignee is None:
                    self.by_queue[self.team, is_open] += 1

    def set_status(self, status: str) -> None:
        was_finished, self.status = self.status in FINISHED, status
        if status in FINISHED:
            if not was_finished:
                self.clock.state = "breached" if self.clock.is_breached else "met"
                self.clock.stopped_at = self.now
            return
        if was_finished:
            if self.resumes:
                self.clock.stopped_at = None
            else:
                self._begin()
        self.clock.state = "paused" if status in WAITING else "running"

    def set_priority(self, priority: str) -> None:
        self.priority = priority
        self.clock.target = self.targets[priority]
        self.clock.look(self.now)

    def extend(self, minutes: int) -> None:
        if self.clock.is_live and self.clock.by_hand is None:
            self.clock.extension += minutes

    def set_by_hand(self, due_at: datetime | None) -> None:
        self.clock.by_hand = due_at
        self.clock.look(self.now)

    def _begin(self) -> None:
        self.clocks.append(LivedClock(self.now, self.targets[self.priority]))


def spells(counted: Counter[tuple[str, bool]] | Counter[tuple[str | None, bool]]) -> dict[str | None, Spell]:
    """Give minutes in all and in working hours, by name."""
    return {
        name: (counted[name, True] + counted[name, False], counted[name, True])  # type: ignore[index]  # one of two kinds.
        for name in {name for name, _ in counted}
    }
