"""Directed graphs: which of their nodes reach each other, and how long a way through them can be."""

from collections.abc import Mapping, Sequence

Graph = Mapping[int, Sequence[int]]


def components(leads: Graph) -> list[list[int]]:
    """Give the groups of nodes that reach each other, those that are led to before those that lead there.

    Tarjan's algorithm, with a stack of its own instead of recursion.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: list[int] = []
    is_waiting: set[int] = set()
    found: list[list[int]] = []
    for start in leads:
        if start in index:
            continue
        steps = [(start, iter(leads[start]))]
        while steps:
            node, following = steps[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                waiting.append(node)
                is_waiting.add(node)
            for other in following:
                if other not in index:
                    steps.append((other, iter(leads[other])))
                    break
                if other in is_waiting:
                    low[node] = min(low[node], index[other])
            else:
                steps.pop()
                if steps:
                    low[steps[-1][0]] = min(low[steps[-1][0]], low[node])
                if low[node] == index[node]:
                    place = waiting.index(node)
                    group = waiting[place:]
                    del waiting[place:]
                    is_waiting.difference_update(group)
                    found.append(group)
    return found


def union(one: Graph, other: Graph) -> Graph:
    """Give the graph with the edges of both."""
    return {node: list(dict.fromkeys([*one[node], *other[node]])) for node in one}


def rings_through(marked: Graph, leads: Graph) -> list[list[int]]:
    """Give the groups of nodes that reach each other in both graphs together, with a marked edge within."""
    groups = components(union(marked, leads))
    return [group for group in groups if any(other in group for node in group for other in marked[node])]


def most_marked(marked: Graph, leads: Graph) -> int:
    """Give the most marked edges that a way through both graphs together can have, where none closes a ring."""
    both = union(marked, leads)
    groups = components(both)
    group_of = {node: place for place, group in enumerate(groups) for node in group}
    best: list[int] = []
    for group in groups:
        ways = [
            best[group_of[other]] + (other in marked[node])
            for node in group
            for other in both[node]
            if group_of[other] < len(best)
        ]
        best.append(max(ways, default=0))
    return max(best, default=0)


def longest_path(leads: Graph, groups: Sequence[Sequence[int]]) -> tuple[int, list[int]]:
    """Give the most nodes that a way can meet, each once, and which; `groups` are the components of the graph.

    Within a group any order is taken to be a way, so the answer may be too long, and is never too short.
    """
    group_of = {node: place for place, group in enumerate(groups) for node in group}
    best: dict[int, tuple[int, list[int]]] = {}
    for place, group in enumerate(groups):
        behind = {group_of[other] for node in group for other in leads[node]} - {place}
        length, path = max((best[other] for other in behind), default=(0, []), key=lambda way: way[0])
        best[place] = length + len(group), [*group, *path]
    return max(best.values(), default=(0, []), key=lambda way: way[0])
