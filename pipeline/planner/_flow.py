"""A minimum cut of a network whose capacities may be any integers, or infinite.

The maximum flow is scipy's, over int32. scipy wraps silently past 2^31 and then returns a wrong
flow, so capacities are counted in the finest power of ten for which one more than the sum of all
finite ones, which then stands for "infinite", stays below 2^30.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 2**30


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
    capacities: Mapping[tuple[int, int], int | None], *, nodes: int, source: int, sink: int
) -> MinimumCut | None:
    """Find a minimum cut.

    Args:
        capacities: By arc (from, to); None is infinite. Not negative.
        nodes: Number of nodes, numbered from 0.
        source: The node whose side is near.
        sink: The node whose side is far.

    Returns:
        The cut, minimal up to half a unit for each finite arc; None where every cut is infinite.
    """
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
