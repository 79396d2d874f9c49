"""The supervisor restarts what dies, gives up with the reason, and leaves nothing behind, however it ends."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from helpdesk_api.ops.supervisor import Child, ChildFailedError, Restarts, StoppedError, Supervisor
from helpdesk_api.ops.supervisor_launch import launched
from helpdesk_api.ops.supervisor_output import LogFile
from tests.ops.processes import family_of, is_running, once_written, wait_until

IMPATIENT = Restarts(limit=2, first_pause=timedelta(milliseconds=10))


class Told(list[str]):
    """What the supervisor said, and a way to wait for the next thing it says."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def hear(self, text: str) -> None:
        self.append(text)
        self._news.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self) < count:
                self._news.clear()
                await self._news.wait()


async def not_yet(_pid: int) -> bool:
    return False


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def supervisor(told: Told) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(told=told.hear, restarts=IMPATIENT, grace=timedelta(seconds=10))
    yield supervisor
    await supervisor.stop()


@pytest.fixture
def a_child(tmp_path: Path) -> Callable[..., Child]:
    def build(script: str, *, name: str = "api", stop_signal: Signals = SIGTERM) -> Child:
        argv = launched(("/bin/sh", "-c", script), death_signal=SIGKILL)
        return Child(name, argv, {"PATH": os.environ["PATH"]}, tmp_path / "log" / f"{name}.log", stop_signal)

    return build


async def test_a_killed_child_is_started_again_by_the_same_command(
    supervisor: Supervisor, told: Told, a_child: Callable[..., Child]
) -> None:
    await supervisor.start(a_child("exec sleep 600"))
    first = supervisor.pids["api"]

    os.kill(first, SIGKILL)
    await told.wait_for(2)

    second = supervisor.pids["api"]
    assert told == [
        "api was ended by signal 9 (Killed); it starts again in 0.01 s",
        f"api runs again as process {second}",
    ]
    assert second != first
    assert is_running(second)


async def test_a_child_that_keeps_dying_is_given_up_with_its_last_words(
    supervisor: Supervisor, told: Told, a_child: Callable[..., Child], tmp_path: Path
) -> None:
    await supervisor.start(a_child("echo the dog ate it; exit 3"))

    with pytest.raises(ChildFailedError) as failed:
        await supervisor.wait()

    assert str(failed.value) == (
        f"api died 3 times within 60 s and last ended with exit code 3; its log is {tmp_path}/log/api.log "
        "and ends with\n    the dog ate it"
    )
    assert [line.rpartition("in ")[2] for line in told if "again in" in line] == ["0.01 s", "0.02 s"]
    assert (tmp_path / "log" / "api.log").read_text(encoding="utf-8") == "the dog ate it\n" * 3


async def test_deaths_long_ago_are_forgiven(told: Told, a_child: Callable[..., Child]) -> None:
    forgetful = Restarts(limit=1, within=timedelta(0), first_pause=timedelta(milliseconds=1))
    supervisor = Supervisor(told=told.hear, restarts=forgetful)

    await supervisor.start(a_child("exit 3"))
    await told.wait_for(10)

    await supervisor.stop()
    assert {line for line in told if "again in" in line} == {"api ended with exit code 3; it starts again in 0.001 s"}


async def test_a_child_with_a_bad_configuration_is_not_tried_again(
    supervisor: Supervisor, told: Told, a_child: Callable[..., Child]
) -> None:
    await supervisor.start(a_child("echo HELPDESK_PORT is not a number; exit 78"))

    with pytest.raises(ChildFailedError, match=r"^api ended with exit code 78; .*\n    HELPDESK_PORT is not a number$"):
        await supervisor.wait()

    assert told == []


async def test_a_child_that_ends_before_it_was_ever_ready_is_not_tried_again(
    supervisor: Supervisor, told: Told, a_child: Callable[..., Child]
) -> None:
    with pytest.raises(
        ChildFailedError, match=r"^api ended with exit code 1 before it was ready; .*\n    no such table$"
    ):
        await supervisor.start(a_child("echo no such table; exit 1"), is_ready=not_yet)

    assert told == []
    assert supervisor.pids == {}


async def test_a_child_that_never_gets_ready_is_given_up_and_still_stopped(
    supervisor: Supervisor, a_child: Callable[..., Child]
) -> None:
    with pytest.raises(ChildFailedError, match=r"^api is not ready after 0:00:00"):
        await supervisor.start(a_child("exec sleep 600"), is_ready=not_yet, timeout=timedelta(0))
    pid = supervisor.pids["api"]
    await supervisor.stop()

    assert not is_running(pid)


async def test_a_request_to_stop_interrupts_what_is_waited_for(supervisor: Supervisor) -> None:
    supervisor.request_stop()

    with pytest.raises(StoppedError):
        await supervisor.unless_stopped(asyncio.Event().wait())


async def test_children_stop_in_reverse_order_by_the_signal_they_want(
    supervisor: Supervisor, a_child: Callable[..., Child], tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    for name, signal in [("postgres", SIGINT), ("api", SIGTERM)]:
        kind = signal.name.removeprefix("SIG")
        script = f"trap 'echo {name} by {kind} >> {heard}; exit 0' {kind}; echo up; sleep 600 & wait"
        child = a_child(script, name=name, stop_signal=signal)
        await supervisor.start(child, is_ready=once_written(child.log_path))

    await supervisor.stop()

    assert heard.read_text(encoding="utf-8") == "api by TERM\npostgres by INT\n"
    assert supervisor.pids == {}


async def test_a_second_request_to_stop_does_not_wait_for_the_grace(
    supervisor: Supervisor, told: Told, a_child: Callable[..., Child]
) -> None:
    child = a_child("trap '' TERM; echo up; sleep 600")
    await supervisor.start(child, is_ready=once_written(child.log_path))
    pid = supervisor.pids["api"]

    supervisor.request_stop()
    supervisor.request_stop()
    await supervisor.stop()

    assert told == ["api did not stop in time and is killed"]
    assert not is_running(pid)


async def test_what_a_dead_child_left_in_its_group_is_killed(
    supervisor: Supervisor, a_child: Callable[..., Child]
) -> None:
    child = a_child("sleep 600 & echo $!; exit 78")
    await supervisor.start(child)
    with pytest.raises(ChildFailedError) as failed:
        await supervisor.wait()

    left_behind = int(failed.value.last_lines[0])
    wait_until(lambda: not is_running(left_behind), "the grandchild is gone")


async def test_every_line_is_heard_under_the_name_of_the_child_and_logged(
    a_child: Callable[..., Child], tmp_path: Path
) -> None:
    heard: list[tuple[str, str]] = []
    supervisor = Supervisor(told=lambda _: None, heard=lambda name, line: heard.append((name, line)))

    with pytest.raises(ChildFailedError):
        await supervisor.start(a_child("echo one; echo two >&2; printf 'caf\\351'; exit 78"), is_ready=not_yet)
    await supervisor.stop()

    assert heard == [("api", "one"), ("api", "two"), ("api", "caf\ufffd")]
    assert (tmp_path / "log" / "api.log").read_bytes() == b"one\ntwo\ncaf\xe9\n"


def test_a_log_that_grew_large_makes_room_for_a_new_one(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log", largest_bytes=10)
    for line in (b"0123456789", b"second", b"third"):
        log.write(line)
    log.close()

    assert (tmp_path / "api.log.1").read_bytes() == b"0123456789\n"
    assert (tmp_path / "api.log").read_bytes() == b"second\nthird\n"


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT, SIGKILL])
def test_nothing_is_left_when_the_supervisor_ends_by(signal: Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.ops.supervised", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pids: dict[str, int] = json.loads(process.stdout.readline())
        family = family_of(process.pid)

        process.send_signal(signal)

        process.wait()
        said = process.stderr.read()

    wait_until(lambda: not any(is_running(pid) for pid in family), "all children are gone")
    assert family == {process.pid, *pids.values()}
    if signal != SIGKILL:
        assert said == "third did not stop in time and is killed\n"
        assert (tmp_path / "first.log").read_text(encoding="utf-8") == "first runs\nfirst stops\n"
