"""When a failed delivery is tried again, and what a receiver's answer means for it.

The schedule and the meaning of statuses are those of Standard Webhooks 1.0. This module owns the arithmetic and the
verdict; sending, storing attempts and switching endpoints off belong to its callers, who bring the time and the dice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# What passes before each attempt, counted from the one before: ten attempts over 75 h 35 min 5 s.
SCHEDULE: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# Each delay moves by up to this share either way, so that deliveries which failed together do not come back together.
JITTER: Final = 0.2
# A receiver may ask for patience, but not for more than the longest step that the schedule has anyway.
MAX_RETRY_AFTER: Final = timedelta(hours=24)

_THROTTLING_STATUSES: Final = frozenset({429, 502, 504})
_SUCCESS: Final = range(200, 300)
_GONE: Final = 410
# More digits than these are beyond any cap, and turning thousands of them into a number is slow.
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again later; `throttled` means that the receiver is overloaded and should get less of everything."""

    throttled: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """The receiver never wants this message again."""


@dataclass(frozen=True, slots=True)
class DisableEndpoint:
    """The receiver is gone for good: nothing more should be sent there."""


Verdict = Delivered | Retry | Abort | DisableEndpoint


def next_delay(attempt: int, *, jitter: float, retry_after: timedelta | None = None) -> timedelta | None:
    """Say how long to wait before the next attempt, or None when the schedule is used up.

    `attempt` counts the attempts already made: 0 asks for the first delay, which is none at all. `jitter` is a number
    in [0, 1) drawn by the caller. `retry_after` is what the receiver asked for; it can lengthen the wait, never shorten
    it.
    """
    if attempt < 0:
        message = f"the number of attempts made cannot be {attempt}"
        raise ValueError(message)
    if not 0 <= jitter < 1:
        message = f"jitter is a number in [0, 1), not {jitter}"
        raise ValueError(message)
    if attempt >= len(SCHEDULE):
        return None
    delay = SCHEDULE[attempt] * (1 - JITTER + 2 * JITTER * jitter)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after, MAX_RETRY_AFTER))


def judge(status: int | None, headers: Mapping[str, str], *, now: datetime) -> Verdict:
    """Decide what an attempt's outcome means; None for the status means that no answer came.

    Header names are expected in lower case. Only 2xx is success: a redirect is a failure, because following it would
    send signed data to an address that nobody checked.
    """
    if status is None:
        return Retry()
    if status in _SUCCESS:
        return Delivered()
    if status == _GONE:
        return DisableEndpoint()
    if headers.get("webhook-delivery", "").strip().lower() == "abort-message":
        return Abort()
    asked = headers.get("retry-after")
    return Retry(
        throttled=status in _THROTTLING_STATUSES,
        retry_after=None if asked is None else parse_retry_after(asked, now=now),
    )


def parse_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3), or give None if it is neither seconds nor a date.

    The past counts as at once, and more than `MAX_RETRY_AFTER` as that much.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0") or "0"
        if len(digits) > _MOST_DIGITS:
            return MAX_RETRY_AFTER
        return min(timedelta(seconds=int(digits)), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), MAX_RETRY_AFTER)
