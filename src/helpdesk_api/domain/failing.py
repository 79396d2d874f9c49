"""When a receiver counts as failing, and when it has failed for so long that nothing more is sent to it.

A single failure says little. A receiver is failing once three attempts in a row have failed within a day; five days of
nothing but failures after the first of them, and it is given up. One success ends it all. Storing this and acting on it
belongs to the callers, who bring the time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

FAILURES_THAT_COUNT: Final = 3
WITHIN: Final = timedelta(hours=24)
GIVEN_UP_AFTER: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Streak:
    """Failures in a row: since when, how many, and since when the receiver counts as failing, if it does."""

    first_failed_at: datetime | None = None
    failure_count: int = 0
    failing_since: datetime | None = None

    def failed(self, at: datetime) -> Self:
        """Add a failure."""
        first, count = self.first_failed_at, self.failure_count + 1
        if self.failing_since is not None:
            return type(self)(first, count, self.failing_since)
        if first is None or at - first > WITHIN:
            # What failed more than a day ago is too far away to make this one a pattern.
            return type(self)(at, 1, None)
        return type(self)(first, count, first if count >= FAILURES_THAT_COUNT else None)

    def is_given_up(self, at: datetime) -> bool:
        """Tell whether nothing more should be sent."""
        return self.failing_since is not None and at - self.failing_since >= GIVEN_UP_AFTER

    @property
    def gives_up_at(self) -> datetime | None:
        """Say when the receiver is given up if it goes on failing."""
        return None if self.failing_since is None else self.failing_since + GIVEN_UP_AFTER


UNBROKEN: Final = Streak()
