"""The deadline of a clock, worked out again from the steps of its explanation alone, as a suspicious client would.

Written from the documented rules; it shares no code with the product and knows no calendar: it adds up what the steps
say was counted. A step is what the API shows of it, with instants read. Of a history so long that its middle is told by
a summary with changes in it, the step `breached` is believed; otherwise it follows from the sums.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

PERIODS = frozenset({"counted", "break", "night", "day_off", "holiday", "summary", "paused", "finished"})


@dataclass
class Replay:
    """What has been read of the steps so far; a stretch is time in one state and under one calendar."""

    total: int = 0
    target: int = 0
    calendar: object = None
    breached_at: datetime | None = None
    stretch_at: datetime | None = None
    stretch_total: int = 0
    counted: list[tuple[datetime, datetime, int, int]] = field(default_factory=list)
    is_paused: bool = False
    is_folded: bool = False
    by_hand: datetime | None = None

    def deadline(self, steps: Iterable[Mapping[str, Any]]) -> datetime | None:
        """Give the deadline that follows from the steps; None for a clock that waits."""
        for step in steps:
            if step["kind"] != "due":
                self._read(step)
        if self.by_hand is not None:
            return self.by_hand
        if self.is_paused:
            return None
        if self.stretch_total >= self.target:
            return self.breached_at or self.stretch_at
        return self._reached()

    def _read(self, step: Mapping[str, Any]) -> None:
        kind = step["kind"]
        is_fold = kind == "summary" and step["target_seconds"] is not None
        self.is_folded = self.is_folded or is_fold
        if kind == "breached" and self.is_folded:
            self.breached_at = step["from_at"]
        if kind in {"started", "resumed", "reopened"} or (kind == "paused" and not self.is_paused):
            self._begin_stretch(step["from_at"])
        if kind in PERIODS:
            self.is_paused = kind == "paused"
            before, self.total = self.total, self.total + step["counted_seconds"]
            self.counted.append((step["from_at"], step["to_at"], before, self.total))
        elif kind in {"resumed", "reopened"}:
            self.is_paused = False
        if self.breached_at is None and self.by_hand is not None and self.by_hand <= step["to_at"]:
            self.breached_at = self.by_hand
        if is_fold or kind in {"deadline_set", "deadline_released"}:
            self.by_hand = step["due_at"]
        if step["target_seconds"] is not None:
            self.target = step["target_seconds"]
        self._notice()
        if step["target_seconds"] is not None and step["calendar"] != self.calendar:
            self.calendar = step["calendar"]
            self._begin_stretch(step["to_at"])

    def _notice(self) -> None:
        if self.breached_at is None and self.by_hand is None and self.total >= self.target:
            self.breached_at = self.stretch_at if self.stretch_total >= self.target else self._reached()

    def _begin_stretch(self, at: datetime) -> None:
        self.stretch_at, self.stretch_total, self.counted = at, self.total, []

    def _reached(self) -> datetime:
        since, until, before, after = next(item for item in self.counted if item[3] >= self.target)
        return until if after == self.target else since + timedelta(seconds=self.target - before)
