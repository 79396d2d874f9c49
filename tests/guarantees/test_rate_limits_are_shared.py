"""Rate limits count over all processes while Valkey answers, and by each process, without delay, while it does not."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from time import perf_counter

from tests.guarantees.plant import Plant, until
from tests.guarantees.report import tell
from tests.stage import Client

QUOTA = 60
ASKED = 3 * QUOTA
TOGETHER = 8
# The API waits a quarter of a second for a Valkey that hangs, once; no other request waits at all.
ONE_WAIT = 1.0
NO_WAIT = 0.2
LIMIT = {"HELPDESK_RATE_LIMIT_CREDENTIAL": str(QUOTA), "HELPDESK_LOG_LEVEL": "info"}
COUNTED_TOGETHER = "valkey.back"


@dataclass(frozen=True)
class Asked:
    """How often each status was answered, and how many tokens came back into one bucket meanwhile."""

    statuses: Counter[int]
    came_back: int

    @property
    def served(self) -> int:
        return self.statuses[200]


def test_two_processes_share_a_limit_and_each_counts_alone_while_valkey_is_away(plant: Plant) -> None:
    with plant.api(**LIMIT) as one, plant.api(**LIMIT) as other, ExitStack() as clients:
        shared, hung, alone, again = (clients.enter_context(plant.client(one)) for _ in range(4))

        first = ask(shared, other.url)
        with hanging(plant):
            statuses, waits = timed(hung, QUOTA // 2)
        until(lambda: COUNTED_TOGETHER in one.output, "Valkey is asked again", seconds=10)
        plant.kill_valkey()
        try:
            second = ask(alone, other.url)
        finally:
            plant.start_valkey()
        until(lambda: one.output.count(COUNTED_TOGETHER) == 2, "one process counts with others", seconds=10)
        until(lambda: COUNTED_TOGETHER in other.output, "and so does the other", seconds=10)
        third = ask(again, other.url)

        allowed = ((first, QUOTA), (second, 2 * QUOTA), (third, QUOTA))
        tell(
            "rate_limits_are_shared",
            n=3 * ASKED + len(waits),
            faults=2,
            lost=sum(max(0, quota - asked.served) for asked, quota in allowed),
            dup=sum(max(0, asked.served - quota - asked.came_back * quota // QUOTA) for asked, quota in allowed),
            shared=first.served,
            alone=second.served,
            again=third.served,
            slowest=f"{max(waits):.2f}s",
        )
        for asked, quota in allowed:
            assert quota <= asked.served <= quota + asked.came_back * quota // QUOTA
            assert asked.statuses.keys() == {200, 429}
        assert statuses == {200: QUOTA // 2}
        assert max(waits) < ONE_WAIT
        assert len([wait for wait in waits if wait > NO_WAIT]) <= 1
        assert (one.defects, other.defects) == ([], [])


def ask(client: Client, other_url: str) -> Asked:
    """Ask two processes in turn, several requests at once."""
    urls = [str(client.base_url).rstrip("/"), other_url]
    started = perf_counter()
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = pool.map(lambda turn: client.get(f"{urls[turn % 2]}/v1/teams").status_code, range(ASKED))
        statuses = Counter(answers)
    return Asked(statuses, ceil(perf_counter() - started))


def timed(client: Client, times: int) -> tuple[Counter[int], list[float]]:
    """Ask one process, one request after the other; gives how long each took as well."""
    waits, statuses = [], Counter[int]()
    for _ in range(times):
        started = perf_counter()
        statuses[client.get("/v1/teams").status_code] += 1
        waits.append(perf_counter() - started)
    return statuses, waits


@contextmanager
def hanging(plant: Plant) -> Iterator[None]:
    """Stop Valkey from running, so that it takes connections and never answers."""
    os.kill(plant.valkey.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(plant.valkey.process.pid, signal.SIGCONT)
