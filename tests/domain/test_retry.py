"""When a delivery is tried again, and what a receiver's answer means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_api.domain.retry import (
    JITTER,
    MAX_RETRY_AFTER,
    SCHEDULE,
    Abort,
    Delivered,
    DisableEndpoint,
    Retry,
    Verdict,
    judge,
    next_delay,
    parse_retry_after,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDDLE = 0.5
ALMOST_ONE = 0.999_999
dice = st.floats(min_value=0, max_value=1, exclude_max=True)


@pytest.mark.parametrize(
    ("attempts_made", "delay"),
    [
        (0, timedelta(0)),
        (1, timedelta(seconds=5)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=30)),
        (4, timedelta(hours=2)),
        (5, timedelta(hours=5)),
        (6, timedelta(hours=10)),
        (7, timedelta(hours=14)),
        (8, timedelta(hours=20)),
        (9, timedelta(hours=24)),
        (10, None),
        (11, None),
    ],
)
def test_the_schedule_is_that_of_standard_webhooks(attempts_made: int, delay: timedelta | None) -> None:
    assert next_delay(attempts_made, jitter=MIDDLE) == delay


def test_a_message_is_tried_for_75_hours_and_35_minutes() -> None:
    delays = [next_delay(attempts_made, jitter=MIDDLE) for attempts_made in range(len(SCHEDULE))]

    assert sum((delay for delay in delays if delay is not None), timedelta(0)) == timedelta(
        hours=75, minutes=35, seconds=5
    )


@given(st.lists(dice, min_size=10, max_size=10))
@settings(derandomize=True)
def test_with_any_dice_the_whole_schedule_stays_within_a_fifth_of_its_length(throws: list[float]) -> None:
    delays = [next_delay(attempts_made, jitter=throw) for attempts_made, throw in enumerate(throws)]

    total = sum((delay for delay in delays if delay is not None), timedelta(0)) / timedelta(hours=1)
    assert 60.46 < total < 90.71


@given(st.integers(min_value=0, max_value=9), dice)
@settings(derandomize=True)
def test_jitter_moves_a_delay_by_at_most_a_fifth_either_way(attempts_made: int, jitter: float) -> None:
    delay = next_delay(attempts_made, jitter=jitter)

    assert delay is not None
    assert SCHEDULE[attempts_made] * (1 - JITTER) <= delay <= SCHEDULE[attempts_made] * (1 + JITTER)


def test_jitter_reaches_both_ends_of_its_range() -> None:
    assert next_delay(1, jitter=0) == timedelta(seconds=4)
    assert next_delay(1, jitter=ALMOST_ONE) == pytest.approx(timedelta(seconds=6), abs=timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("attempts_made", "retry_after", "delay"),
    [
        (1, timedelta(seconds=60), timedelta(seconds=60)),
        (1, timedelta(seconds=1), timedelta(seconds=5)),
        (1, timedelta(0), timedelta(seconds=5)),
        (1, timedelta(days=30), timedelta(hours=24)),
        (9, timedelta(hours=1), timedelta(hours=24)),
        (10, timedelta(seconds=60), None),
    ],
)
def test_a_receiver_can_lengthen_the_wait_up_to_a_day_but_not_shorten_it(
    attempts_made: int, retry_after: timedelta, delay: timedelta | None
) -> None:
    assert next_delay(attempts_made, jitter=MIDDLE, retry_after=retry_after) == delay


@pytest.mark.parametrize("jitter", [-0.01, 1, 1.5, float("nan")])
def test_jitter_outside_its_range_is_refused(jitter: float) -> None:
    with pytest.raises(ValueError, match="jitter"):
        next_delay(1, jitter=jitter)


def test_a_negative_number_of_attempts_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts"):
        next_delay(-1, jitter=MIDDLE)


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, Delivered()),
        (201, {}, Delivered()),
        (204, {}, Delivered()),
        (299, {}, Delivered()),
        (200, {"webhook-delivery": "abort-message"}, Delivered()),
        (None, {}, Retry()),
        (101, {}, Retry()),
        (300, {}, Retry()),
        (301, {"location": "https://elsewhere.example"}, Retry()),
        (302, {}, Retry()),
        (304, {}, Retry()),
        (307, {}, Retry()),
        (308, {}, Retry()),
        (400, {}, Retry()),
        (401, {}, Retry()),
        (404, {}, Retry()),
        (408, {}, Retry()),
        (410, {}, DisableEndpoint()),
        (410, {"webhook-delivery": "abort-message"}, DisableEndpoint()),
        (429, {}, Retry(throttled=True)),
        (429, {"retry-after": "120"}, Retry(throttled=True, retry_after=timedelta(seconds=120))),
        (500, {}, Retry()),
        (500, {"webhook-delivery": "abort-message"}, Abort()),
        (400, {"webhook-delivery": " Abort-Message "}, Abort()),
        (400, {"webhook-delivery": "continue"}, Retry()),
        (502, {}, Retry(throttled=True)),
        (503, {}, Retry()),
        (503, {"retry-after": "Sun, 01 Mar 2026 12:10:00 GMT"}, Retry(retry_after=timedelta(minutes=10))),
        (504, {}, Retry(throttled=True)),
        (504, {"retry-after": "soon"}, Retry(throttled=True)),
        (599, {}, Retry()),
        (999, {}, Retry()),
    ],
)
def test_what_an_answer_means(status: int | None, headers: dict[str, str], verdict: Verdict) -> None:
    assert judge(status, headers, now=NOW) == verdict


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta(0)),
        ("5", timedelta(seconds=5)),
        (" 120 ", timedelta(seconds=120)),
        ("000000000000000000060", timedelta(seconds=60)),
        ("86400", timedelta(hours=24)),
        ("86401", MAX_RETRY_AFTER),
        ("999999999999", MAX_RETRY_AFTER),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Sun, 01 Mar 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sunday, 01-Mar-26 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun Mar  1 12:00:30 2026", timedelta(seconds=30)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Mon, 01 Mar 2027 12:00:00 GMT", MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_is_seconds_or_a_date_between_now_and_a_day_from_now(value: str, wait: timedelta) -> None:
    assert parse_retry_after(value, now=NOW) == wait


@pytest.mark.parametrize(
    "value",
    ["", "soon", "-5", "+5", "1.5", "1e3", "5 s", "\u0665", "²", "Sun, 99 Mar 2026 12:00:00 GMT", "Sun, 01", "\x00"],
)
def test_any_other_retry_after_is_as_if_it_were_absent(value: str) -> None:
    assert parse_retry_after(value, now=NOW) is None


@given(
    st.text(max_size=60)
    | st.from_regex(r"\A[A-Z][a-z]{2},? \d{1,2}[ -][A-Z][a-z]{2}[ -]\d{2,5} \d\d:\d\d(:\d\d)? ?.{0,6}")
)
@settings(derandomize=True)
def test_no_retry_after_can_break_the_sender(value: str) -> None:
    wait = parse_retry_after(value, now=NOW)

    assert wait is None or timedelta(0) <= wait <= MAX_RETRY_AFTER
