"""What fails with a thing that others need, where some things stand in for others.

A thing is down when something that it needs is down and nothing stands in for that. It is at risk when it still works,
but something that it needs, or that stands in for it, does not, or may soon not. Rings are no trouble: what is down
only ever grows, so it ends.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Effect(StrEnum):
    DOWN = "down"
    AT_RISK = "at_risk"


def effects_of(failed: T, needs: Mapping[T, Iterable[T]], backups: Mapping[T, Iterable[T]]) -> dict[T, Effect]:
    """Give what becomes of everything when one thing fails, that thing included; what is not hit is left out.

    `needs` says what each thing needs to work, `backups` what stands in for it.
    """
    needed_by = _turned(needs)
    found = dict.fromkeys(_down(failed, needed_by, _turned(backups), backups), Effect.DOWN)
    waiting = list(found)
    noticed_by = _turned(backups)
    while waiting:
        hit = waiting.pop()
        for other in (*needed_by[hit], *noticed_by[hit]):
            if other not in found:
                found[other] = Effect.AT_RISK
                waiting.append(other)
    return found


def _down(
    failed: T, needed_by: Mapping[T, list[T]], backs_up: Mapping[T, list[T]], backups: Mapping[T, Iterable[T]]
) -> list[T]:
    down = {failed: None}
    waiting = [failed]
    while waiting:
        hit = waiting.pop()
        # With it may have gone the last that stood in for something which was down already.
        for lost in (hit, *(each for each in backs_up[hit] if each in down)):
            if any(stand_in not in down for stand_in in backups.get(lost, ())):
                continue
            for other in needed_by[lost]:
                if other not in down:
                    down[other] = None
                    waiting.append(other)
    return list(down)


def _turned(edges: Mapping[T, Iterable[T]]) -> dict[T, list[T]]:
    turned: defaultdict[T, list[T]] = defaultdict(list)
    for end, starts in edges.items():
        for start in starts:
            turned[start].append(end)
    return turned
