"""Whether the workers of this account on this machine do their work: `helpdesk worker --check`, and a health check.

A health check runs every few seconds, so `python -m helpdesk_api.ops.worker_check` answers without importing the
product; that would take a second of CPU each time. What a sign of life is, is decided by `kit.heartbeat`.
"""

import sys
from datetime import UTC, datetime

from helpdesk_api.kit.heartbeat import workers_alive


class NoWorkDoneError(Exception):
    """There is no worker, or one hangs; a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def working_pids(now: datetime) -> list[int]:
    """Give the process ids of the workers; raises NoWorkDoneError if there is none or one is stuck."""
    alive = workers_alive()
    stuck = [
        f"worker {pid} has not looked for work since it should have" for pid, until in alive.items() if until < now
    ]
    if not alive:
        stuck = ["no worker runs under this account on this machine"]
    if stuck:
        raise NoWorkDoneError(stuck)
    return list(alive)


if __name__ == "__main__":
    try:
        working_pids(datetime.now(UTC))
    except NoWorkDoneError as error:
        sys.exit("\n".join(error.problems))
