"""The flow network whose minimum cut is the best head that ends in one stretch.

Up to its first pivot all is on the car, from its second one on all is in the cloud with
post-processing, so that these are the two ends. Between them lie a node per operator and one per
tensor with several readers, which carries its upload; after DADS (INFOCOM 2019) and DDS
(arXiv 2306.12185).

What keeps it small and its capacities fine changes no minimum:

- what an operator costs at least, on either side, is left out of both its arcs;
- an upload that only one node can cause is an arc to it, one that an end causes or pays for is part
  of what the operator at the other end costs on that side;
- operators between two neighbours are folded into what crosses between these (`_folding`);
- an arc dearer than what a head that is known costs beyond the floor of the stretch is cut by no
  minimum, so that its ends are drawn together into one node, and so are those that pins, groups and
  barred tensors keep on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pipeline.planner._folding import Foldable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pipeline.planner._folding import Fold
    from pipeline.planner._stretches import Stretches
    from pipeline.planner.cuts import CutProblem

NEAR, FAR = 0, 1
"""Nodes of what is on the car for certain, and of what is in the cloud."""

_FIRST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """One more operator that has to run on a side; None for none."""

    on_edge: int | None = None
    on_cloud: int | None = None


NO_PINS = Pins()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNetwork:
    """The flow network of a stretch.

    Attributes:
        after: The pivot before the stretch, -1 for the sensor's side.
        arcs: Capacities in ns by their two ends; None is endless.
        node_of: Node of each operator of the stretch, from the one behind `after` on.
        nodes: How many there are.
        source: The car's.
        sink: The cloud's.
        base_ns: What a head costs beside the arcs that it cuts.
        folds: Nodes that are not in it, since their neighbours decide.
    """

    after: int
    arcs: Mapping[tuple[int, int], int | None]
    node_of: Sequence[int]
    nodes: int
    source: int
    sink: int
    base_ns: int
    folds: tuple[Fold, ...]

    def head(self, far: Collection[int]) -> frozenset[int]:
        """The head whose operators in the stretch are those that are on no far node."""
        far = set(far)
        for fold in reversed(self.folds):
            if fold.is_far(far):
                far.add(fold.node)
        within = enumerate(self.node_of, start=self.after + 1)
        near = (operator for operator, node in within if node not in far)
        return frozenset((*range(self.after + 1), *near))

    def pinned(self, pins: Pins) -> list[tuple[int, int]] | None:
        """Endless arcs that pin operators of the stretch; None where one is not in the network."""
        folded = {fold.node for fold in self.folds}
        arcs = []
        if pins.on_edge is not None:
            arcs.append((self.source, self.node_of[pins.on_edge - self.after - 1]))
        if pins.on_cloud is not None:
            arcs.append((self.node_of[pins.on_cloud - self.after - 1], self.sink))
        return None if any(folded.intersection(arc) for arc in arcs) else arcs

    def cost_ns(self, far: Collection[int]) -> int:
        """What that head costs."""
        cut = (
            capacity
            for (tail, head), capacity in self.arcs.items()
            if capacity and head in far and tail not in far
        )
        return self.base_ns + sum(cut)


class _Upload(NamedTuple):
    """A tensor that may cross: node of its maker, what crossing costs, nodes of its readers."""

    maker: int
    up_ns: int | None
    readers: set[int]


def network_of(
    problem: CutProblem,
    costs: Stretches,
    at: int,
    *,
    limit_ns: int,
    pins: Pins = NO_PINS,
    keep: Collection[int] = (),
) -> FlowNetwork | None:
    """The network of a stretch.

    Args:
        problem: The problem.
        costs: Its stretches.
        at: Place of the stretch in `costs.open`.
        limit_ns: What a head may cost; dearer ones may be lost.
        pins: Pins besides the problem's own; those outside of the stretch are overlooked.
        keep: Operators that stay in the network, to be pinned there.

    Returns:
        The network; None where no head ends in the stretch at that cost.
    """
    stretch = int(costs.open[at])
    after, before = costs.order.pivots[stretch : stretch + 2].tolist()
    floor_ns = int(costs.floor_ns[at])
    dear_ns = limit_ns - floor_ns
    within = _Within(after, before)
    uploads = [
        upload
        for place in costs.order.touching(after, before)
        if (upload := _upload(problem, place, within)) is not None
    ]
    here = [0, 0, *problem.edge_ns[after + 1 : before]]
    there = [0, 0, *problem.cloud_ns[after + 1 : before]]
    joined = _Joined(len(here))
    for one, other in _pins(problem, pins, within):
        joined.join(one, other)
    for low, high, group in costs.groups:
        if low < before and high > after:
            for one, other in pairwise(map(within.node, group)):
                joined.join(one, other)
    for upload in uploads:
        if upload.up_ns is None or upload.up_ns > dear_ns:
            for reader in upload.readers:
                joined.join(upload.maker, reader)
    for node, (edge, cloud) in enumerate(zip(here, there, strict=True)):
        if abs(cloud - edge) > dear_ns:
            joined.join(NEAR if cloud > edge else FAR, node)
    roots = joined.roots()
    if roots[NEAR] == roots[FAR]:
        return None
    foldable = _foldable(roots, here, there, uploads)
    kept = {roots[within.node(operator)] for operator in keep if within.holds(operator)}
    foldable.fold(dict.fromkeys(roots), kept)
    drawn = _Drawn(foldable)
    above_ns = drawn.least_ns - sum(map(min, here, there))
    if above_ns > dear_ns:
        return None
    return FlowNetwork(
        after=after,
        arcs=drawn.arcs,
        node_of=roots[_FIRST:],
        nodes=drawn.nodes,
        source=foldable.near,
        sink=foldable.far,
        base_ns=floor_ns + above_ns,
        folds=tuple(foldable.folds),
    )


def _foldable(
    roots: Sequence[int], here: Sequence[int], there: Sequence[int], uploads: Sequence[_Upload]
) -> Foldable:
    """Nodes that are drawn together, each with all that its members cost."""
    edge, cloud = [0] * len(roots), [0] * len(roots)
    for root, more_here, more_there in zip(roots, here, there, strict=True):
        edge[root] += more_here
        cloud[root] += more_there
    foldable = Foldable(roots[NEAR], roots[FAR], edge, cloud)
    for upload in uploads:
        # A barred one has no readers left but its maker's node.
        foldable.add(roots[upload.maker], {roots[r] for r in upload.readers}, upload.up_ns or 0)
    return foldable


class _Drawn:
    """Arcs for what was not folded: a node for each tensor with several readers.

    Attributes:
        arcs: Capacities in ns by their two ends; None is endless.
        nodes: How many nodes there are.
        least_ns: What all nodes cost at least, on either side.
    """

    def __init__(self, foldable: Foldable) -> None:
        near, far = foldable.near, foldable.far
        self.arcs: dict[tuple[int, int], int | None] = {}
        self.nodes = len(foldable.here)
        self.least_ns = foldable.spent_ns + foldable.here[near] + foldable.there[far]
        for node, (edge, cloud) in enumerate(zip(foldable.here, foldable.there, strict=True)):
            if node in (near, far):
                continue
            self.least_ns += min(edge, cloud)
            self._draw(near, node, cloud - edge)
            self._draw(node, far, edge - cloud)
            for reader, up_ns in foldable.readers[node].items():
                self._draw(node, reader, up_ns)
                self.arcs[reader, node] = None  # nothing comes back
        for tensor in foldable.shared:
            self._draw(tensor.maker, self.nodes, tensor.up_ns)
            for reader in tensor.readers:
                self.arcs[self.nodes, reader] = None
                if tensor.maker != near:
                    self.arcs[reader, tensor.maker] = None
            self.nodes += 1
        for one, other in foldable.orders:
            self.arcs[other, one] = None

    def _draw(self, tail: int, head: int, capacity: int) -> None:
        if capacity > 0:
            before = self.arcs.get((tail, head), 0)
            self.arcs[tail, head] = None if before is None else before + capacity


class _Within:
    """Nodes of operators: one each between two pivots, and the two ends."""

    def __init__(self, after: int, before: int) -> None:
        self.after, self.before = after, before
        self._shift = _FIRST - after - 1

    def node(self, operator: int) -> int:
        """Node of an operator."""
        if operator <= self.after:
            return NEAR
        return FAR if operator >= self.before else operator + self._shift

    def holds(self, operator: int) -> bool:
        """Whether it lies between."""
        return self.after < operator < self.before


class _Joined:
    """Nodes that are drawn together, by a forest whose roots stand for them."""

    def __init__(self, nodes: int) -> None:
        self._up = list(range(nodes))

    def join(self, one: int, other: int) -> None:
        """Draw two together, and all that are with them."""
        first, second = self._root(one), self._root(other)
        if first != second:
            self._up[second] = first

    def roots(self) -> list[int]:
        """The root of every node."""
        return [self._root(node) for node in range(len(self._up))]

    def _root(self, node: int) -> int:
        up = self._up
        while up[node] != node:
            up[node] = up[up[node]]
            node = up[node]
        return node


def _upload(problem: CutProblem, place: int, within: _Within) -> _Upload | None:
    """A tensor in a network; None where it crosses for certain, which the floor has."""
    tensor = problem.tensors[place]
    maker = NEAR if tensor.producer is None else within.node(tensor.producer)
    readers = {within.node(reader) for reader in tensor.consumers}
    if tensor.delivered:
        readers.add(FAR)
    if maker == NEAR and FAR in readers:
        return None
    return _Upload(maker, tensor.up_ns, readers)


def _pins(problem: CutProblem, more: Pins, within: _Within) -> Iterator[tuple[int, int]]:
    """Nodes that pins keep on one side."""
    for pin in (*problem.on_edge, *(() if more.on_edge is None else (more.on_edge,))):
        if within.holds(pin):
            yield NEAR, within.node(pin)
    for pin in (*problem.on_cloud, *(() if more.on_cloud is None else (more.on_cloud,))):
        if within.holds(pin):
            yield within.node(pin), FAR
