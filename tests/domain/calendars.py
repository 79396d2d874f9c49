"""Calendars for the tests of deadlines: a few by name, and any number of strange ones in the weeks that hurt."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from helpdesk_api.domain.business_time import Calendar, Interval
from tests.domain.oracle import Rules, Spans
from tests.guarantees.report import SCALE

HOUR = 3600
DAY = 24 * HOUR
MICROSECOND = timedelta(microseconds=1)

# The same examples in every run: a red run can be repeated, and a green one stays green until the code changes.
# They are small as they are, and making them smaller would outlast the time a test is given.
EXAMPLES = settings(
    max_examples=100 * SCALE,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# A week in which the wall clock does something; the date is the local one on which it does.
EVENTFUL_WEEKS = [
    ("America/New_York", date(2026, 3, 8)),  # 02:00 becomes 03:00.
    ("America/New_York", date(2026, 11, 1)),  # 02:00 becomes 01:00.
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/Dublin", date(2026, 10, 25)),  # Winter is the exception there, by a negative saving.
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # Half an hour back.
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # Half an hour forth.
    ("Africa/Casablanca", date(2026, 2, 15)),  # Back for Ramadan.
    ("Africa/Casablanca", date(2026, 3, 22)),  # And forth again.
    ("Africa/Cairo", date(2026, 4, 24)),  # 00:00 becomes 01:00: the date has no midnight.
    ("America/Sao_Paulo", date(2015, 10, 18)),  # The same.
    ("America/Sao_Paulo", date(2018, 2, 18)),  # Midnight becomes 23:00 of the day before.
    ("America/Havana", date(2026, 11, 1)),  # 01:00 becomes 00:00.
    ("Asia/Beirut", date(2026, 10, 25)),
    ("America/Santiago", date(2026, 4, 5)),
    ("Pacific/Chatham", date(2026, 9, 27)),  # +12:45.
    ("Antarctica/Troll", date(2026, 3, 29)),  # Two hours at once.
    ("Pacific/Apia", date(2011, 12, 30)),  # A day that never was.
    ("Pacific/Kwajalein", date(1993, 8, 21)),  # Another.
    ("America/Caracas", date(2016, 5, 1)),  # Half an hour forth, for good.
    ("Asia/Pyongyang", date(2018, 5, 4)),
    ("Asia/Kathmandu", date(1986, 1, 1)),  # +05:30 becomes +05:45 at midnight.
    ("Asia/Kathmandu", date(2026, 6, 1)),
    ("Pacific/Kiritimati", date(2026, 1, 1)),  # +14:00.
    ("Etc/GMT+12", date(2026, 1, 1)),  # -12:00.
    ("UTC", date(2028, 2, 29)),
]

# Minutes of the day at which things happen on the clock, besides any other.
_TIMES = st.sampled_from([0, 30, 60, 90, 120, 150, 180, 210, 540, 1020, 1380, 1410, 1439]) | st.integers(0, 1439)


@st.composite
def _spans(draw: st.DrawFn) -> tuple[int, int]:
    begin = draw(_TIMES)
    # Lengths up to a whole day, so that many reach across midnight.
    length = draw(st.sampled_from([1, 60, 480, 600, 1440]) | st.integers(1, 1440))
    return begin * 60, (begin + length) * 60


@st.composite
def _closed_spans(draw: st.DrawFn) -> tuple[int, int]:
    begin = draw(_TIMES)
    return begin * 60, draw(st.integers(begin + 1, 1440)) * 60


_HOURS: st.SearchStrategy[Spans] = st.one_of(
    st.sampled_from(
        [
            (),
            ((9 * HOUR, 17 * HOUR),),
            ((9 * HOUR, 12 * HOUR), (13 * HOUR, 18 * HOUR)),
            ((22 * HOUR, 30 * HOUR),),
            ((0, DAY),),
        ]
    ),
    st.lists(_spans(), max_size=3).map(tuple),
)
_CLOSED: st.SearchStrategy[Spans] = st.just(((0, DAY),)) | st.lists(_closed_spans(), max_size=2).map(tuple)


@st.composite
def rules_around(draw: st.DrawFn, zone: str, on: date) -> Rules:
    """Any hours, with special hours and holidays on the days around a date."""
    near = st.integers(-3, 3).map(lambda days: on + timedelta(days=days))
    return Rules(
        zone=zone,
        weekly=tuple(draw(st.lists(_HOURS, min_size=7, max_size=7))),
        special=draw(st.dictionaries(near, _HOURS, max_size=2)),
        holidays=draw(st.dictionaries(near, _CLOSED, max_size=2)),
    )


def calendar_of(rules: Rules) -> Calendar:
    return Calendar(
        zone=rules.zone,
        weekly=tuple(_intervals(spans) for spans in rules.weekly),
        special_hours=_by_date(rules.special),
        holidays=_by_date(rules.holidays),
    )


def weekdays(*spans: tuple[float, float], zone: str = "UTC", special: Mapping[date, Spans] | None = None) -> Calendar:
    """Return Monday to Friday with these hours, given in hours of the day."""
    day = tuple((int(begin * HOUR), int(end * HOUR)) for begin, end in spans)
    return calendar_of(Rules(zone, (day,) * 5 + ((), ()), special or {}))


def daily(*spans: tuple[float, float], zone: str = "UTC", holidays: Mapping[date, Spans] | None = None) -> Calendar:
    """Return seven equal days with these hours, given in hours of the day."""
    day = tuple((int(begin * HOUR), int(end * HOUR)) for begin, end in spans)
    return calendar_of(Rules(zone, (day,) * 7, {}, holidays or {}))


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def window_around(on: date) -> tuple[datetime, timedelta]:
    """Return the beginning and the length of the UTC window in which questions about a date are asked."""
    return datetime(on.year, on.month, on.day, tzinfo=UTC) - timedelta(days=3), timedelta(days=6)


def _intervals(spans: Spans) -> tuple[Interval, ...]:
    return tuple(Interval(begin, end) for begin, end in spans)


def _by_date(spans: Mapping[date, Spans]) -> dict[date, tuple[Interval, ...]]:
    return {on: _intervals(of_day) for on, of_day in spans.items()}


OFFICE = weekdays((9, 17))
