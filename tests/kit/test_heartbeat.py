"""A worker's sign of life says whether it lives and whether it still works."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpdesk_api.kit.heartbeat import NoHeartbeatError, heartbeat, workers_alive

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE = datetime(2026, 3, 2, 13, tzinfo=UTC)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"helpdesk-{os.getuid()}"


def test_a_worker_counts_as_working_until_the_instant_it_told_last() -> None:
    before = workers_alive()
    with heartbeat(NOON) as beating:
        at_first = workers_alive()
        beating.works_until(ONE)
        later = workers_alive()
    after = workers_alive()

    assert before == {}
    assert at_first == {os.getpid(): NOON}
    assert later == {os.getpid(): ONE}
    assert after == {}


def test_what_a_dead_worker_left_is_no_sign_of_life_and_is_removed(place: Path) -> None:
    place.mkdir(mode=0o700)
    left = place / "worker-4711"
    left.touch()

    assert workers_alive() == {}
    assert not left.exists()


def test_a_directory_that_others_may_use_is_refused(place: Path) -> None:
    place.mkdir()
    place.chmod(0o777)

    with pytest.raises(NoHeartbeatError, match="is not a private directory of this account"), heartbeat(NOON):
        pass

    assert list(place.iterdir()) == []


def test_a_link_in_the_place_of_the_directory_is_refused(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place.symlink_to(elsewhere)

    with pytest.raises(NoHeartbeatError), heartbeat(NOON):
        pass

    assert list(elsewhere.iterdir()) == []
