"""The search for the best head: a scan of all prefixes, then the stretches that might beat them.

Stretches are looked at from the one that may be cheapest on, each by a minimum cut of its own,
until none is left that could cost less than what is known. Of heads that cost the same the largest
wins, which keeps most on the car.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.planner._flow import SMALL, Flow, minimum_cut
from pipeline.planner._network import NO_PINS, Pins, network_of
from pipeline.planner._stretches import stretches_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pipeline.planner._network import FlowNetwork
    from pipeline.planner._order import Order
    from pipeline.planner.cuts import CutProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head that leaves post-processing to the cloud, and the sum of its costs in ns."""

    operators: frozenset[int]
    cost_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A minimum cut of a stretch.

    Attributes:
        limit_ns: What heads might cost; dearer ones were of no interest.
        head: The best one, or one that costs more than the limit; None where there is none.
        network: What was cut; None where that was clear without.
        flow: Its flow, where it was found in Python.
    """

    limit_ns: int
    head: Head | None = None
    network: FlowNetwork | None = None
    flow: Flow | None = None


class _Open(NamedTuple):
    """A stretch that holds operators; the first fields are what they are sorted by."""

    least_ns: int
    at: int  # its place in `Stretches.open`
    after: int
    before: int


def _keeps(head: Head, pins: Pins) -> bool:
    """Whether a head keeps pins."""
    near = pins.on_edge is None or pins.on_edge in head.operators
    return near and pins.on_cloud not in head.operators


def _head(network: FlowNetwork, far: frozenset[int]) -> Head:
    return Head(operators=network.head(far), cost_ns=network.cost_ns(far))


def cost_ns(problem: CutProblem, head: frozenset[int]) -> int:
    """Sum of all costs of a head that leaves an operator or more to the cloud, in ns."""
    total = problem.cloud_post_ns
    for operator, (edge, cloud) in enumerate(zip(problem.edge_ns, problem.cloud_ns, strict=True)):
        total += edge if operator in head else cloud
    for tensor in problem.tensors:
        here = tensor.producer is None or tensor.producer in head
        if here and (tensor.delivered or not head.issuperset(tensor.consumers)):
            total += tensor.up_ns or 0
    return total


class Search:
    """Finds heads of one problem, with more or fewer pins.

    Attributes:
        order: The problem's order.
        barred_ns: More than any head costs that is allowed.
        unit_ns: Coarsest resolution of a minimum cut so far.
        pinned: Operators that more pins may be asked for, best told beforehand.
    """

    def __init__(self, problem: CutProblem, order: Order | None) -> None:
        self._problem = problem
        self._costs = costs = stretches_of(problem, order)
        self.order, self.barred_ns, self.unit_ns = costs.order, costs.barred_ns, 1
        self.pinned: Collection[int] = ()
        self._prefix_ns = costs.prefix_ns[:-1]  # the last one is no route
        pivots = self.order.pivots
        self._open = sorted(
            map(
                _Open,
                costs.least_ns.tolist(),
                range(len(costs.open)),
                pivots[costs.open].tolist(),
                pivots[costs.open + 1].tolist(),
            )
        )
        self._known: dict[tuple[int, Pins], int] = {}  # what a stretch costs at least
        self._cuts: dict[int, _Cut] = {}  # of stretches without more pins

    def best(self, *, below_ns: int, pins: Pins = NO_PINS) -> Head | None:
        """The best head that costs less than so much, in ns; None where there is none."""
        length, limit_ns = self._prefix(below_ns - 1, pins)
        head: frozenset[int] | None = None
        for stretch in self._open:
            if stretch.least_ns > limit_ns:
                break
            # A larger head that costs the same is not given up for one from here.
            allowed_ns = limit_ns - (length >= stretch.before)
            found = self._ending(stretch, pins, allowed_ns)
            if found is not None and found.cost_ns <= allowed_ns:
                head, limit_ns, length = found.operators, found.cost_ns, len(found.operators)
        if head is None and length < 0:
            return None
        return Head(operators=frozenset(range(length)) if head is None else head, cost_ns=limit_ns)

    def _prefix(self, limit_ns: int, pins: Pins) -> tuple[int, int]:
        """Length and cost of the best prefix; -1 and the limit where all cost more."""
        start = 0 if pins.on_edge is None else pins.on_edge + 1
        stop = len(self._prefix_ns) if pins.on_cloud is None else pins.on_cloud + 1
        costs = self._prefix_ns[start:stop][::-1]  # the longest first, so that it wins ties
        if len(costs):
            place = int(costs.argmin())
            cost = int(costs[place])
            if cost <= limit_ns:
                return start + len(costs) - 1 - place, cost
        return -1, limit_ns

    def _ending(self, stretch: _Open, pins: Pins, limit_ns: int) -> Head | None:
        """The best head that ends in a stretch, if it costs no more than so much."""
        after, before = stretch.after, stretch.before
        near, far = pins.on_edge, pins.on_cloud
        if (near is not None and near >= before) or (far is not None and far <= after):
            return None
        inside = Pins(
            on_edge=near if near is not None and near > after else None,
            on_cloud=far if far is not None and far < before else None,
        )
        key = stretch.at, inside
        if self._known.get(key, stretch.least_ns) > limit_ns:
            return None
        found = self._pinned(stretch, inside, limit_ns)
        if found is not None and len(found.operators) == len(self._problem.edge_ns):
            # Post-processing was drawn to the cloud alone, which no route does: let each operator
            # that nothing reads be one that runs there.
            found = self._smallest(
                self._pinned(stretch, Pins(on_edge=inside.on_edge, on_cloud=operator), limit_ns)
                for operator in self._unread(after)
            )
        self._known[key] = limit_ns + 1 if found is None else found.cost_ns
        return found

    def _pinned(self, stretch: _Open, pins: Pins, limit_ns: int) -> Head | None:
        """The minimum cut of a stretch with more pins, if it costs no more than so much.

        The cut without them serves all pins that it keeps; from its flow the others go on.
        """
        cut = self._cuts.get(stretch.at)
        if cut is None or cut.limit_ns < limit_ns:
            cut = self._cuts[stretch.at] = self._cut(stretch, limit_ns)
        head = cut.head
        if head is None or head.cost_ns > limit_ns or _keeps(head, pins):
            return head
        network, flow = cut.network, cut.flow
        arcs = None if network is None else network.pinned(pins)
        if network is None or flow is None or arcs is None:
            return self._cut(stretch, limit_ns, pins).head
        far = flow.far_with(arcs, network.source, network.sink)
        return None if far is None else _head(network, far)

    def _cut(self, stretch: _Open, limit_ns: int, pins: Pins = NO_PINS) -> _Cut:
        """The minimum cut of a stretch, of heads that cost no more than so much."""
        network = network_of(
            self._problem, self._costs, stretch.at, limit_ns=limit_ns, pins=pins, keep=self.pinned
        )
        if network is None:
            return _Cut(limit_ns=limit_ns)
        flow, source, sink = None, network.source, network.sink
        if len(network.arcs) <= SMALL:
            flow = Flow(network.arcs, network.nodes)
            far = flow.far(source, sink)
        else:
            cut = minimum_cut(network.arcs, nodes=network.nodes, source=source, sink=sink)
            far = None if cut is None else cut.far
            self.unit_ns = max(self.unit_ns, 1 if cut is None else cut.unit)
        head = None if far is None else _head(network, far)
        return _Cut(limit_ns=limit_ns, head=head, network=network, flow=flow)

    def _unread(self, after: int) -> list[int]:
        """Operators behind a number whose tensors no other one reads."""
        read = set(self.order.makers[self.order.tensors].tolist())
        return [v for v in range(after + 1, len(self._problem.edge_ns)) if v not in read]

    @staticmethod
    def _smallest(heads: Iterable[Head | None]) -> Head | None:
        """The cheapest; of equals the largest."""
        found = [head for head in heads if head is not None]
        return min(found, key=lambda head: (head.cost_ns, -len(head.operators)), default=None)
