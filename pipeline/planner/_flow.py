"""A minimum cut of a network whose capacities may be any integers, or infinite.

Small networks are solved here, in Python's integers, which takes less than a call of scipy. The
others' maximum flow is scipy's, over int32. scipy wraps silently past 2^31 and then returns a wrong
flow, so capacities are counted in the finest power of ten for which one more than the sum of all
finite ones, which then stands for "infinite", stays below 2^30.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LIMIT = 2**30

SMALL = 256
"""Most arcs of a small network: about where both ways take as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumCut:
    """A minimum cut.

    Attributes:
        far: Nodes on the sink's side: the smallest such set among minimum cuts.
        unit: What capacities were rounded to, to the nearest multiple.
    """

    far: frozenset[int]
    unit: int


def capacity_unit(capacities: Mapping[tuple[int, int], int | None]) -> int:
    """The finest power of ten in which finite capacities and "infinite" stay below 2^30."""
    finite = [c for c in capacities.values() if c is not None]
    # Rounding adds at most one to each, so that most units are ruled out by the sum alone.
    total, unit = sum(finite), 1
    while 1 + total // unit >= _LIMIT + len(finite):
        unit *= 10
    while 1 + sum((c + unit // 2) // unit for c in finite) >= _LIMIT:
        unit *= 10
    return unit


def minimum_cut(
    capacities: Mapping[tuple[int, int], int | None],
    *,
    nodes: int,
    source: int,
    sink: int,
    small: int = SMALL,
) -> MinimumCut | None:
    """Find a minimum cut.

    Args:
        capacities: By arc (from, to); None is infinite. Not negative.
        nodes: Number of nodes, numbered from 0.
        source: The node whose side is near.
        sink: The node whose side is far.
        small: Up to how many arcs a network is solved in Python's integers, at unit 1.

    Returns:
        The cut, minimal up to half a unit for each finite arc; None where every cut is infinite.
    """
    if len(capacities) > small:
        return _large(capacities, nodes, source, sink)
    far = Flow(capacities, nodes).far(source, sink)
    return None if far is None else MinimumCut(far=far, unit=1)


class Flow:
    """What each arc of a network still lets through, and back; Dinic's algorithm.

    Args:
        capacities: As for `minimum_cut`.
        nodes: As for `minimum_cut`.
    """

    def __init__(self, capacities: Mapping[tuple[int, int], int | None], nodes: int) -> None:
        self._endless = 1 + sum(filter(None, capacities.values()))
        self._heads: list[int] = []
        self._left: list[int] = []
        self._out: list[list[int]] = [[] for _ in range(nodes)]  # arcs; an odd one leads back
        self._sent = 0
        for (tail, head), capacity in capacities.items():
            self._add(tail, head, self._endless if capacity is None else capacity)

    def far(self, source: int, sink: int) -> frozenset[int] | None:
        """All that reaches the sink once the flow is at its most; None where that is endless."""
        while True:
            distance = self._distances(sink)
            if source not in distance:
                return frozenset(distance)
            self._sent += self._fill(source, sink, distance)
            if self._sent >= self._endless:
                return None

    def far_with(
        self, more: Sequence[tuple[int, int]], source: int, sink: int
    ) -> frozenset[int] | None:
        """What `far` would say with more arcs, endless ones; the flow so far is gone on from."""
        left, sent = self._left.copy(), self._sent
        for tail, head in more:
            self._add(tail, head, self._endless)
        found = self.far(source, sink)
        for tail, head in more:
            self._out[tail].pop()
            self._out[head].pop()
        del self._heads[len(left) :]
        self._left, self._sent = left, sent
        return found

    def _add(self, tail: int, head: int, capacity: int) -> None:
        self._out[tail].append(len(self._heads))
        self._out[head].append(len(self._heads) + 1)
        self._heads += (head, tail)
        self._left += (capacity, 0)

    def _distances(self, sink: int) -> dict[int, int]:
        """Arcs from each node to the sink, for those that reach it, nearest first."""
        heads, left = self._heads, self._left
        distance = {sink: 0}
        for node in (queue := [sink]):
            for arc in self._out[node]:
                tail = heads[arc]
                if tail not in distance and left[arc ^ 1]:
                    distance[tail] = distance[node] + 1
                    queue.append(tail)
        return distance

    def _fill(self, source: int, sink: int, distance: dict[int, int]) -> int:
        """Send what all shortest ways together let through."""
        heads, left, out = self._heads, self._left, self._out
        spent = dict.fromkeys(distance, 0)  # arcs of each node that lead no further
        sent, way, node = 0, list[int](), source
        while True:
            if node == sink:
                least = min(left[arc] for arc in way)
                sent += least
                for arc in way:
                    left[arc] -= least
                    left[arc ^ 1] += least
                full = next(place for place, arc in enumerate(way) if not left[arc])
                node = heads[way[full] ^ 1]
                del way[full:]
            for arc in out[node][spent[node] :]:
                if left[arc] and distance.get(heads[arc]) == distance[node] - 1:
                    way.append(arc)
                    node = heads[arc]
                    break
                spent[node] += 1
            else:
                if not way:
                    return sent
                node = heads[way.pop() ^ 1]
                spent[node] += 1


def _large(
    capacities: Mapping[tuple[int, int], int | None], nodes: int, source: int, sink: int
) -> MinimumCut | None:
    import numpy as np  # noqa: PLC0415 - with scipy
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import, rarely needed
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow  # noqa: PLC0415

    unit = capacity_unit(capacities)
    half = unit // 2
    # One pass over the arcs, and arrays from there on: planning solves this again and again.
    rounded = [-1 if c is None else (c + half) // unit for c in capacities.values()]
    amounts = np.array(rounded, dtype=np.int32)
    infinite = 1 + int(amounts[amounts > 0].sum(dtype=np.int64))
    assert infinite < _LIMIT, "capacities overflow"  # noqa: S101 - scipy would wrap silently
    ends = np.fromiter(chain.from_iterable(capacities), dtype=np.int32, count=2 * len(capacities))
    kept = amounts != 0
    amounts = np.where(amounts < 0, np.int32(infinite), amounts)[kept]
    tails, heads = ends[0::2][kept], ends[1::2][kept]
    matrix = csr_array((amounts, (tails, heads)), shape=(nodes, nodes))
    result = maximum_flow(matrix, source, sink, method="dinic")
    if result.flow_value >= infinite:
        return None
    residual = csr_array(matrix - result.flow)
    residual.eliminate_zeros()  # a stored zero would count as an arc
    # Who still reaches the sink is beyond every minimum cut.
    behind = breadth_first_order(
        csr_array(residual.T), sink, directed=True, return_predecessors=False
    )
    return MinimumCut(far=frozenset(int(node) for node in behind), unit=unit)
