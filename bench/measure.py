"""Measuring two servers side by side: short rounds in turn, and the median of what each round says.

A machine is never quiet. Two servers that take turns every half second meet the same noise, so the ratio of one round
holds where absolute numbers would not; the median drops the rounds in which something else woke up. Beside the
throughput stands the processor time of the server per request, which noise hardly reaches.
"""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Operation, repeat
from bench.stage import Process

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Contender:
    """A server and the same operation in the words that it understands."""

    process: Process
    operation: Operation


@dataclass(frozen=True, slots=True)
class Rate:
    """What one round of one server gave."""

    per_second: float
    cpu_microseconds: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all rounds gave."""

    ours: Sequence[Rate]
    theirs: Sequence[Rate]

    @property
    def ratio(self) -> float:
        """Give the median of our throughput over theirs."""
        return statistics.median(a.per_second / b.per_second for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def cpu_ratio(self) -> float | None:
        """Give the median of their processor time per request over ours, or None when it is not known."""
        pairs = [(a.cpu_microseconds, b.cpu_microseconds) for a, b in zip(self.ours, self.theirs, strict=True)]
        known = [theirs / ours for ours, theirs in pairs if ours and theirs]
        return statistics.median(known) if known else None


def compare(ours: Contender, theirs: Contender, *, rounds: int, seconds: float) -> Comparison:
    """Let two servers take turns; who begins alternates."""
    for contender in (ours, theirs):
        _measure(contender, seconds)
    found: tuple[list[Rate], list[Rate]] = ([], [])
    for number in range(rounds):
        for side in ((0, 1), (1, 0))[number % 2]:
            found[side].append(_measure((ours, theirs)[side], seconds))
    return Comparison(*found)


def _measure(contender: Contender, seconds: float) -> Rate:
    before = contender.process.cpu_seconds()
    count, took = asyncio.run(
        repeat(contender.process.port, contender.operation, connections=CONNECTIONS, seconds=seconds)
    )
    after = contender.process.cpu_seconds()
    used = None if before is None or after is None else (after - before) * 1e6 / count
    return Rate(count / took, used)
