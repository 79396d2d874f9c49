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
