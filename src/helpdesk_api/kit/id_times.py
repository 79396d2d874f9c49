"""The real time that stands in an id: a UUIDv7 begins with 48 bits of milliseconds since 1970."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_MILLISECOND: Final = 2**48 - 1


def made_at(object_id: UUID) -> datetime:
    """Give when one of our ids was made, to the millisecond."""
    return _EPOCH + (object_id.int >> 80) * _MILLISECOND


def first_id(instant: datetime) -> UUID:
    """Give the lowest id that can be made at or after an instant."""
    milliseconds = -((_EPOCH - instant) // _MILLISECOND)
    return UUID(int=min(max(milliseconds, 0), _LAST_MILLISECOND) << 80)


def next_millisecond(instant: datetime) -> datetime:
    """Give the first instant of the next millisecond, as ids know no finer time."""
    return _EPOCH + ((instant - _EPOCH) // _MILLISECOND + 1) * _MILLISECOND
