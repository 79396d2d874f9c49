"""The chain of seals: what it covers, and how each kind of tampering is told from the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from helpdesk_api.domain.audit_chain import (
    NO_SEAL,
    Break,
    HashedEvent,
    Position,
    Seal,
    content_hash,
    event_hash,
    first_break,
    next_seal,
)

TENANT = UUID(int=7)
SALT = UUID(int=8)
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def an_event(number: int, text: str = "as it was") -> HashedEvent:
    content = content_hash(SALT, [text, "{}", None, None])
    return HashedEvent(UUID(int=number), event_hash([str(number), "ticket.updated"], content))


EVENTS = [an_event(number) for number in range(1, 5)]
FIRST = next_seal(TENANT, None, EVENTS, Position(100, 4), AT)
SECOND = next_seal(TENANT, FIRST, [an_event(5)], Position(101, 5), AT + timedelta(minutes=1))


def test_the_first_seal_follows_nothing_and_the_next_follows_the_first() -> None:
    assert (FIRST.number, FIRST.previous_hash) == (1, NO_SEAL)
    assert (SECOND.number, SECOND.previous_hash) == (2, FIRST.hash)
    assert first_break(None, FIRST, EVENTS) is None
    assert first_break(FIRST, SECOND, [an_event(5)]) is None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [EVENTS[0], an_event(2, "otherwise"), *EVENTS[2:]], Break(1, "event_changed", UUID(int=2)), id="changed"
        ),
        pytest.param([EVENTS[0], *EVENTS[2:]], Break(1, "event_missing", UUID(int=1)), id="removed from the middle"),
        pytest.param(EVENTS[1:], Break(1, "event_missing"), id="removed from the start"),
        pytest.param(EVENTS[:-1], Break(1, "event_missing", UUID(int=3)), id="removed from the end"),
        pytest.param([], Break(1, "event_missing"), id="all removed"),
        pytest.param(
            [*EVENTS[:2], an_event(9), *EVENTS[2:]], Break(1, "event_inserted", UUID(int=9)), id="added in the middle"
        ),
        pytest.param([*EVENTS, an_event(9)], Break(1, "event_inserted", UUID(int=9)), id="added at the end"),
        pytest.param(
            [EVENTS[1], EVENTS[0], *EVENTS[2:]], Break(1, "event_changed", UUID(int=2)), id="changed places"
        ),
    ],
)  # fmt: skip
def test_what_became_of_the_events_of_a_seal_is_told_with_the_first_place(
    events: list[HashedEvent], expected: Break
) -> None:
    assert first_break(None, FIRST, events) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"last": Position(100, 5)},
        {"event_hashes": b"".join(event.hash for event in reversed(EVENTS))},
        {"sealed_at": AT + timedelta(seconds=1)},
        {"hash": NO_SEAL},
        {"tenant_id": UUID(int=9)},
        {"previous_hash": SECOND.hash},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_seal_that_says_something_else_than_it_hashes_is_changed(changes: dict[str, object]) -> None:
    assert first_break(None, replace(FIRST, **changes), EVENTS) == Break(1, "seal_changed")  # type: ignore[arg-type]  # one field each.


def test_a_seal_that_is_left_out_is_missing() -> None:
    assert first_break(None, SECOND, [an_event(5)]) == Break(1, "seal_missing")


def test_a_seal_made_anew_over_other_events_no_longer_fits_the_one_after_it() -> None:
    forged = next_seal(TENANT, None, [an_event(9)], Position(100, 4), AT)

    assert first_break(None, forged, [an_event(9)]) is None
    assert first_break(forged, SECOND, [an_event(5)]) == Break(2, "seal_misplaced")


def test_a_seal_whose_events_were_purged_still_proves_itself() -> None:
    assert first_break(None, FIRST, [], kept=()) is None
    assert first_break(FIRST, replace(SECOND, number=3), [], kept=()) == Break(2, "seal_missing")
    assert first_break(None, FIRST, EVENTS[:1], kept=()) == Break(1, "event_inserted", EVENTS[0].id)


def test_the_events_that_were_kept_of_a_purged_seal_are_still_compared() -> None:
    kept = [EVENTS[0], EVENTS[2]]

    assert first_break(None, FIRST, kept, kept=(0, 2)) is None
    assert first_break(None, FIRST, kept[:1], kept=(0, 2)) == Break(1, "event_missing", EVENTS[0].id)
    assert first_break(None, FIRST, EVENTS, kept=(0, 2)) == Break(1, "event_inserted", EVENTS[1].id)
    assert first_break(None, FIRST, [EVENTS[0], an_event(9)], kept=(0, 2)) == Break(1, "event_changed", an_event(9).id)


def test_a_place_that_a_seal_does_not_have_is_no_event() -> None:
    assert first_break(None, FIRST, EVENTS, kept=range(99)) is None


def test_no_two_contents_share_a_hash_because_of_where_one_value_ends() -> None:
    contents: list[list[str | None]] = [["a", "b"], ["ab"], ["a,b"], ['a","b'], ["a", None, "b"], ["a", "null", "b"]]

    assert len({content_hash(SALT, content) for content in contents}) == len(contents)


def test_the_salt_is_part_of_the_hash() -> None:
    assert content_hash(SALT, ["yes"]) != content_hash(UUID(int=9), ["yes"])


def test_each_event_of_a_seal_has_its_own_hash_in_it() -> None:
    assert isinstance(FIRST, Seal)
    assert FIRST.hashes == [event.hash for event in EVENTS]
