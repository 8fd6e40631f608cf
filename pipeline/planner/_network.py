"""The flow network whose minimum cut is the best head that ends in one stretch.

Up to its first pivot all is on the car, from its second one on all is in the cloud with
post-processing, so that these are the two ends. Between them lie a node per operator and one per
tensor with several readers, which carries its upload; after DADS (INFOCOM 2019) and DDS
(arXiv 2306.12185).

What keeps it small and its capacities fine changes no minimum:

- what an operator costs at least, on either side, is left out of both its arcs;
- an upload that only one node can cause is an arc to it, one that an end causes or pays for is part
  of what the operator at the other end costs on that side;
- an arc dearer than what a head that is known costs beyond the floor of the stretch is cut by no
  minimum, so that its ends are drawn together into one node, and so are those that pins, groups and
  barred tensors keep on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

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
    """

    after: int
    arcs: Mapping[tuple[int, int], int | None]
    node_of: Sequence[int]
    nodes: int
    source: int
    sink: int
    base_ns: int

    def head(self, far: Collection[int]) -> frozenset[int]:
        """The head whose operators in the stretch are those that are on no far node."""
        within = enumerate(self.node_of, start=self.after + 1)
        near = (operator for operator, node in within if node not in far)
        return frozenset((*range(self.after + 1), *near))

    def cost_ns(self, far: Collection[int]) -> int:
        """What that head costs."""
        cut = (
            capacity
            for (tail, head), capacity in self.arcs.items()
            if capacity and head in far and tail not in far
        )
        return self.base_ns + sum(cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    """A tensor that may cross: node of its maker, what crossing costs, nodes of its readers."""

    maker: int
    up_ns: int | None
    readers: frozenset[int]


def network_of(
    problem: CutProblem, costs: Stretches, at: int, *, limit_ns: int, pins: Pins = NO_PINS
) -> FlowNetwork | None:
    """The network of a stretch.

    Args:
        problem: The problem.
        costs: Its stretches.
        at: Place of the stretch in `costs.open`.
        limit_ns: What a head may cost; dearer ones may be lost.
        pins: Pins besides the problem's own; those outside of the stretch are overlooked.

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
    near, far = roots[NEAR], roots[FAR]
    if near == far:
        return None
    drawn = _Drawn(roots, here, there)
    for upload in uploads:
        drawn.add(upload)
    above_ns = drawn.finish() - sum(map(min, here, there))
    if above_ns > dear_ns:
        return None
    return FlowNetwork(
        after=after,
        arcs=drawn.arcs,
        node_of=roots[_FIRST:],
        nodes=drawn.nodes,
        source=near,
        sink=far,
        base_ns=floor_ns + above_ns,
    )


class _Within:
    """Nodes of operators: one each between two pivots, and the two ends."""

    def __init__(self, after: int, before: int) -> None:
        self.after, self.before = after, before

    def node(self, operator: int) -> int:
        """Node of an operator."""
        if operator <= self.after:
            return NEAR
        return FAR if operator >= self.before else operator - self.after - 1 + _FIRST

    def holds(self, operator: int) -> bool:
        """Whether it lies between."""
        return self.after < operator < self.before


class _Drawn:
    """A network as it is drawn: operators first, a node for each upload with several readers."""

    def __init__(self, roots: Sequence[int], here: Sequence[int], there: Sequence[int]) -> None:
        self.arcs: dict[tuple[int, int], int | None] = {}
        self.nodes = len(roots)
        self._roots = roots
        self._near, self._far = roots[NEAR], roots[FAR]
        self._here, self._there = [0] * len(roots), [0] * len(roots)
        for root, edge, cloud in zip(roots, here, there, strict=True):
            self._here[root] += edge
            self._there[root] += cloud

    def add(self, upload: _Upload) -> None:
        """Draw a tensor."""
        made, near, far = self._roots[upload.maker], self._near, self._far
        read = {self._roots[reader] for reader in upload.readers} - {made}
        if made != near:
            for reader in read - {far}:
                self.arcs[reader, made] = None  # nothing comes back
        up_ns = upload.up_ns or 0  # a barred one has no readers left but its maker's node
        if not read or made == far:
            return
        if far in read:
            self._here[made] += up_ns
        elif len(read) == 1:
            (reader,) = read
            if made == near:
                self._there[reader] += up_ns
            else:
                self._draw(made, reader, up_ns)
        else:
            self._draw(made, self.nodes, up_ns)
            for reader in read:
                self.arcs[self.nodes, reader] = None
            self.nodes += 1

    def finish(self) -> int:
        """Draw what operators cost; returns what they cost at least."""
        least = self._here[self._near] + self._there[self._far]
        for root, (edge, cloud) in enumerate(zip(self._here, self._there, strict=True)):
            if root in (self._near, self._far):
                continue
            least += min(edge, cloud)
            if cloud > edge:
                self._draw(self._near, root, cloud - edge)
            elif edge > cloud:
                self._draw(root, self._far, edge - cloud)
        return least

    def _draw(self, tail: int, head: int, capacity: int) -> None:
        before = self.arcs.get((tail, head), 0)
        self.arcs[tail, head] = None if before is None else before + capacity


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
    readers = frozenset(map(within.node, tensor.consumers))
    if tensor.delivered:
        readers |= {FAR}
    if maker == NEAR and FAR in readers:
        return None
    return _Upload(maker=maker, up_ns=tensor.up_ns, readers=readers)


def _pins(problem: CutProblem, more: Pins, within: _Within) -> Iterator[tuple[int, int]]:
    """Nodes that pins keep on one side."""
    for pin in (*problem.on_edge, *(() if more.on_edge is None else (more.on_edge,))):
        if within.holds(pin):
            yield NEAR, within.node(pin)
    for pin in (*problem.on_cloud, *(() if more.on_cloud is None else (more.on_cloud,))):
        if within.holds(pin):
            yield within.node(pin), FAR
