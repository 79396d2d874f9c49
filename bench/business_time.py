"""How many deadlines one core computes. The budget is a million `add` calls a minute."""

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from helpdesk_api.domain import sla
from helpdesk_api.domain.attainment import remaining
from helpdesk_api.domain.business_time import Calendar, Interval
from helpdesk_api.domain.sla import Metric, Terms

CALLS = 200_000
BUDGET_PER_MINUTE = 1_000_000

MORNING, AFTERNOON = Interval(9 * 3600, 13 * 3600), Interval(14 * 3600, 18 * 3600)
OFFICE = Calendar(
    zone="Europe/Berlin",
    weekly=((MORNING, AFTERNOON),) * 5 + ((), ()),
    holidays={date(year, month, 1): (Interval(0, 86_400),) for year in range(2020, 2031) for month in (1, 5, 11)},
)


def adds_per_minute() -> float:
    """Give how many deadlines one core computes a minute, over instants and budgets spread over five years."""
    instants, budgets = _spread()
    OFFICE.position(max(instants) + max(budgets))
    began = time.perf_counter()
    for start, budget in zip(instants, budgets, strict=True):
        OFFICE.add(start, budget)
    return 60 * CALLS / (time.perf_counter() - began)


def _spread() -> tuple[list[datetime], list[timedelta]]:
    rng = random.Random(1)
    instants = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(157_000_000)) for _ in range(CALLS)]
    return instants, [timedelta(seconds=rng.randrange(1, 400_000)) for _ in range(CALLS)]


def main() -> None:
    """Print calls per second of each operation over instants and budgets spread over five years."""
    instants, budgets = _spread()
    ends = [instant + budget for instant, budget in zip(instants, budgets, strict=True)]
    clock = sla.start(Metric.RESOLUTION, Terms(timedelta(hours=8), OFFICE), instants[0])

    began = time.perf_counter()
    OFFICE.add(instants[0], timedelta(hours=1))
    OFFICE.position(max(ends))
    print(f"{'first use of a calendar':<24} {(time.perf_counter() - began) * 1e3:>10.1f} ms")

    adds = _rate("add", lambda: [OFFICE.add(start, budget) for start, budget in zip(instants, budgets, strict=True)])
    _rate("between", lambda: [OFFICE.between(start, end) for start, end in zip(instants, ends, strict=True)])
    _rate("position", lambda: [OFFICE.position(instant) for instant in instants])
    _rate("remaining of a clock", lambda: [remaining(clock, OFFICE, instant) for instant in instants])

    print(f"add, per minute: {adds * 60:,.0f}; budget {BUDGET_PER_MINUTE:,}")
    assert adds * 60 >= BUDGET_PER_MINUTE


def _rate(name: str, run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    rate = CALLS / (time.perf_counter() - began)
    print(f"{name:<24} {rate:>10,.0f} calls/s {1e6 / rate:>6.2f} us")
    return rate


if __name__ == "__main__":
    main()
