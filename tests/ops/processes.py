"""Looking at real processes: who lives, who belongs to whom, and waiting for a state with a deadline."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

_DEADLINE_SECONDS = 30.0
_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fail with `what` was waited for."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"after {_DEADLINE_SECONDS} s still not: {what}"
        time.sleep(_POLL_SECONDS)


def is_running(pid: int) -> bool:
    """Tell whether the process exists and is more than a zombie that nobody has collected yet."""
    found = _state_and_parent(pid)
    return found is not None and found[0] not in {"Z", "X"}


def family_of(pid: int) -> set[int]:
    """Return the process and all that descend from it."""
    parents = {
        int(entry.name): found[1]
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and (found := _state_and_parent(int(entry.name))) is not None
    }
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _state_and_parent(pid: int) -> tuple[str, int] | None:
    try:
        # The name of the program stands in parentheses and may hold anything, so the fields are counted after it.
        state, parent = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def once_written(log: Path) -> Callable[[int], Awaitable[bool]]:
    """Make a readiness check out of the first line that a child writes."""

    async def is_ready(_pid: int) -> bool:
        return _has_text(log)

    return is_ready


def _has_text(log: Path) -> bool:
    return log.stat().st_size > 0
