"""The flow network whose minimum cut is the best placement on tiers.

The construction is a chain of nodes per operator, one fewer than there are tiers, whose cut arc
says the tier, with endless arcs that keep chain and order; an arc or a node per tensor and boundary
charges a crossing once however many operators read it. The source is the far end: a node on its
side says that the operator's tier is at least the node's.

Where a tier cannot begin in a stretch, the two pivots and all between are one node of that tier, so
that only what can be parted is in the network; an arc dearer than a placement that is known is cut
by no minimum and counts as endless.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.planner._order import Order
    from pipeline.planner._tier_search import Begins
    from pipeline.planner.tiers import TierProblem

SOURCE, SINK = 0, 1
"""Nodes of what is on this tier or further for certain, and of what is before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierNetwork:
    """A network.

    Attributes:
        arcs: Capacities in ns by their two ends; None is endless.
        nodes: How many nodes there are; `SOURCE` and `SINK` are the ends.
        node_of: Node of each operator at each tier but the first, post-processing last; shape
            (tiers - 1, operators + 1).
    """

    arcs: dict[tuple[int, int], int | None]
    nodes: int
    node_of: list[list[int]]


def network_of(problem: TierProblem, begins: Begins) -> TierNetwork:
    """Draw it."""
    node_of, nodes = _nodes(begins.order, begins.possible)
    rows = (*problem.costs_ns, problem.post_ns)
    least = [min((cost for cost in row if cost is not None), default=0) for row in rows]
    drawn = _Drawn(nodes, dear_ns=begins.limit_ns - sum(least))
    ends = [[SOURCE] * len(rows), *node_of, [SINK] * len(rows)]
    for place, (row, paid) in enumerate(zip(rows, least, strict=True)):
        first, last = problem.least.get(place, 0), problem.most.get(place, len(row) - 1)
        for tier, cost in enumerate(row):
            barred = cost is None or not first <= tier <= last
            capacity = None if cost is None or barred else cost - paid
            drawn.add(ends[tier][place], ends[tier + 1][place], capacity)
        for tier in range(1, len(row) - 1):
            drawn.add(ends[tier + 1][place], ends[tier][place], None)
    for stage, nodes_of in enumerate(node_of):
        for tensor in problem.tensors:
            readers = {nodes_of[reader] for reader in tensor.consumers}
            if tensor.delivered:
                readers.add(nodes_of[-1])
            maker = SINK if tensor.producer is None else nodes_of[tensor.producer]
            drawn.upload(maker, readers - {maker}, tensor.crossing_ns[stage])
        for group in problem.together:
            for one, other in pairwise(group):
                drawn.add(nodes_of[one], nodes_of[other], None)
                drawn.add(nodes_of[other], nodes_of[one], None)
    return TierNetwork(arcs=drawn.arcs, nodes=drawn.nodes, node_of=node_of)


def _nodes(order: Order, possible: NDArray[np.bool_]) -> tuple[list[list[int]], int]:
    """Nodes of operators at each tier but the first, and how many nodes there are."""
    operators = np.arange(order.operators)
    stretch = np.searchsorted(order.pivots, operators, side="right") - 1
    pivot = order.pivots[stretch] == operators
    found, nodes = [], 2
    for begins in possible:
        parted = np.concatenate(([0], np.cumsum(begins)))
        drawn = nodes + parted
        drawn[parted == 0], drawn[parted == parted[-1]] = SINK, SOURCE
        row = drawn[stretch]
        nodes += int(parted[-1]) + 1
        own = np.flatnonzero(~pivot & begins[np.minimum(stretch, len(begins) - 1)])
        row[own] = nodes + np.arange(len(own))
        nodes += len(own)
        found.append(row.tolist())
    return found, nodes


class _Drawn:
    """Arcs as they are drawn; those with the same ends add up."""

    def __init__(self, nodes: int, *, dear_ns: int) -> None:
        self.arcs: dict[tuple[int, int], int | None] = {}
        self.nodes = nodes
        self._dear_ns = dear_ns

    def add(self, tail: int, head: int, capacity: int | None) -> None:
        """Draw an arc, if a cut can part its ends."""
        if tail in (head, SINK) or head == SOURCE:
            return
        before = self.arcs.get((tail, head), 0)
        if before is None or capacity is None or before + capacity > self._dear_ns:
            self.arcs[tail, head] = None
        else:
            self.arcs[tail, head] = before + capacity

    def upload(self, maker: int, readers: set[int], capacity: int | None) -> None:
        """Draw a tensor's crossing, and that its readers are no nearer than its maker."""
        if maker != SINK:
            for reader in readers:
                self.add(maker, reader, None)
        readers -= {SINK}
        if maker == SOURCE or not readers:
            return
        if SOURCE in readers or len(readers) == 1:
            self.add(SOURCE if SOURCE in readers else readers.pop(), maker, capacity)
            return
        self.add(self.nodes, maker, capacity)
        for reader in readers:
            self.add(reader, self.nodes, None)
        self.nodes += 1
