"""A calendar's open spans on the UTC axis, laid out a year at a time as far as anyone asked, with running totals.

Knows nothing of walls, zones, budgets or refusals: `domain.wall_hours` turns wall times into instants, and
`domain.business_time` asks for a stretch of years and searches it.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from operator import sub
from typing import Final

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2099

_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

# Gives the edges of the open spans within [begin, end), cut at both, as openings and closings in turn; in microseconds
# since 1970.
Layout = Callable[[int, int], list[int]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The open time of whole UTC years, in microseconds since 1970.

    `edges` are openings and closings in turn; `positions` are the open time from the origin up to each of them.
    """

    first_year: int
    last_year: int
    since: int
    until: int
    edges: "array[int]"
    positions: "array[int]"
    least: int
    total: int


_NOTHING: Final = Stretch(0, 0, 0, 0, array("q"), array("q"), 0, 0)


class Timeline:
    """The open time of one calendar; it grows both ways from the first year asked for.

    A stretch is never changed, only replaced by a longer one, so whoever holds one may go on reading it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.stretch = _NOTHING

    def through(self, year: int) -> Stretch:
        """Return a stretch that reaches from the first year asked for, or from before it, through `year`."""
        stretch = self.stretch
        if stretch is _NOTHING:
            # Positions count from here: laying out all the years from a fixed one would cost more the further away.
            origin = _year_start(year)
            stretch = Stretch(year, year - 1, origin, origin, array("q"), array("q"), 0, 0)
        for later in range(stretch.last_year + 1, year + 1):
            stretch = self._with_later_year(stretch, later)
        for earlier in range(stretch.first_year - 1, year - 1, -1):
            stretch = self._with_earlier_year(stretch, earlier)
        self.stretch = stretch
        return stretch

    def _with_later_year(self, stretch: Stretch, year: int) -> Stretch:
        edges, positions = stretch.edges[:], stretch.positions[:]
        later, later_positions, total = self._year(year, stretch.total)
        if edges and later and edges[-1] == later[0]:
            # The span only seemed to end with its year.
            for joined in (edges, positions):
                joined.pop()
            del later[0], later_positions[0]
        # Building an array and joining two copies memory; appending from a list goes number by number.
        edges += array("q", later)
        positions += array("q", later_positions)
        return Stretch(
            stretch.first_year, year, stretch.since, _year_start(year + 1), edges, positions, stretch.least, total
        )

    def _with_earlier_year(self, stretch: Stretch, year: int) -> Stretch:
        earlier, earlier_positions, gained = self._year(year, 0)
        least = stretch.least - gained
        edges, positions = array("q", earlier), array("q", (least + position for position in earlier_positions))
        joined = 1 if edges and stretch.edges and edges[-1] == stretch.edges[0] else 0
        if joined:
            edges.pop()
            positions.pop()
        edges.extend(stretch.edges[joined:])
        positions.extend(stretch.positions[joined:])
        return Stretch(
            year, stretch.last_year, _year_start(year), stretch.until, edges, positions, least, stretch.total
        )

    def _year(self, year: int, since: int) -> tuple[list[int], list[int], int]:
        """Give the edges of one UTC year, the open time up to each when it is `since` before, and after them all."""
        edges = self._layout(_year_start(year), _year_start(year + 1))
        lengths = map(sub, edges[1::2], edges[::2])
        sums = list(accumulate(lengths, initial=since))
        positions = [since] * len(edges)
        positions[::2], positions[1::2] = sums[:-1], sums[1:]
        return edges, positions, sums[-1]


def _year_start(year: int) -> int:
    return (date(year, 1, 1).toordinal() - _EPOCH_ORDINAL) * _DAY * _MICROSECONDS
