"""A minimum cut of a network whose capacities may be any integers, or infinite.

The maximum flow is scipy's, over int32. scipy wraps silently past 2^31 and then returns a wrong
flow, so capacities are counted in the finest power of ten for which one more than the sum of all
finite ones, which then stands for "infinite", stays below 2^30.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    unit = 1
    while 1 + sum(_rounded(c, unit) for c in capacities.values() if c is not None) >= _LIMIT:
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
    finite = [_rounded(c, unit) for c in capacities.values() if c is not None]
    infinite = 1 + sum(finite)
    assert infinite < _LIMIT, "capacities overflow"  # noqa: S101 - scipy would wrap silently
    arcs = {
        arc: infinite if capacity is None else _rounded(capacity, unit)
        for arc, capacity in capacities.items()
    }
    arcs = {arc: capacity for arc, capacity in arcs.items() if capacity}
    ends = np.array(list(arcs), dtype=np.int32).reshape(-1, 2)
    matrix = csr_array(
        (np.array(list(arcs.values()), dtype=np.int32), (ends[:, 0], ends[:, 1])),
        shape=(nodes, nodes),
    )
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


def _rounded(capacity: int, unit: int) -> int:
    return (capacity + unit // 2) // unit
