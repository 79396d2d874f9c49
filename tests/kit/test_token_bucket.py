from hypothesis import given
from hypothesis import strategies as st

from helpdesk_api.kit.token_bucket import MICROSECONDS, Demand, Quota, take

MINUTE = 60 * MICROSECONDS


def asked(quota: Quota, wanted: int, returned: int = 0) -> Demand:
    return Demand("somebody", quota, wanted, returned)


def test_a_full_bucket_gives_all_its_tokens_at_once_and_then_one_at_a_time() -> None:
    quota = Quota("credential", 6)
    full_at, given_at = 0, []

    for second in range(61):
        full_at, grant = take(full_at, asked(quota, 1), second * MICROSECONDS)
        while grant.tokens:
            given_at.append(second)
            full_at, grant = take(full_at, asked(quota, 1), second * MICROSECONDS)

    assert given_at == [0] * 6 + [10, 20, 30, 40, 50, 60]


def test_an_empty_bucket_tells_when_it_has_a_token_again() -> None:
    quota = Quota("credential", 6)
    full_at = MINUTE

    _, grant = take(full_at, asked(quota, 1), 4 * MICROSECONDS)

    assert (grant.tokens, grant.left, grant.wait_seconds) == (0, 0, 6.0)


def test_no_more_than_half_of_what_is_left_is_given_to_one_process() -> None:
    quota, full_at, given_tokens = Quota("credential", 20), 0, []

    for _ in range(7):
        full_at, grant = take(full_at, asked(quota, 100), 0)
        given_tokens.append(grant.tokens)

    assert given_tokens == [10, 5, 3, 1, 1, 0, 0]


def test_what_is_given_back_can_be_taken_again_and_never_fills_a_bucket_beyond_its_size() -> None:
    quota = Quota("credential", 6)
    full_at, _ = take(0, asked(quota, 2), 0)

    full_at, grant = take(full_at, asked(quota, 1, returned=2), 0)
    _, overflowing = take(full_at, asked(quota, 1, returned=50), 0)

    assert grant.left == 5
    assert overflowing.left == 5


@given(
    st.integers(1, 1_000_000),
    st.integers(1, 3_600),
    st.lists(st.tuples(st.integers(0, 5 * MICROSECONDS), st.integers(1, 10_000)), max_size=60),
)
def test_never_more_is_given_than_a_bucketful_and_what_came_back_meanwhile(
    tokens: int, window_seconds: int, asking: list[tuple[int, int]]
) -> None:
    quota = Quota("any", tokens, window_seconds)
    full_at = now = given_tokens = 0

    for pause, wanted in asking:
        now += pause
        full_at, grant = take(full_at, asked(quota, wanted), now)
        given_tokens += grant.tokens

        assert 0 <= grant.left <= tokens
        assert given_tokens <= tokens + now // quota.interval
        assert (grant.left == 0) or (grant.wait_seconds == 0)
