"""The best place to cut one network in two, car first and cloud behind, by a minimum cut.

Costs add up: each operator costs what it takes on its side, each tensor that crosses is charged
once, and post-processing runs where the last operator ran. The minimum is exact for these costs up
to the stated unit. Construction: one source (the car), one sink (the cloud), a node per operator
and one for post-processing, a node per tensor that carries its upload; after DADS (INFOCOM 2019)
and DDS (arXiv 2306.12185), with post-processing and the round trip added.

It is a surrogate: compute is charged one operator at a time, as on an accelerator that overlaps
nothing, and what a device really takes for the parts (`Device.price`) decides among candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.graph.heads import shape_tensors
from pipeline.planner._flow import minimum_cut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pipeline.graph.model import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTensor:
    """A tensor that may have to cross.

    Attributes:
        name: Its name.
        producer: Index of the operator that makes it; None for an input, which is on the car.
        consumers: Indices of the operators that read it.
        up_ns: What crossing costs, pack, link and unpack together; None where it must not cross.
        delivered: Whether post-processing reads it.
    """

    name: str
    producer: int | None
    consumers: tuple[int, ...]
    up_ns: int | None
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CutProblem:
    """What there is to decide: for every operator, car or cloud.

    Operators are numbered from 0 in topological order. All times are nanoseconds, not negative.

    Attributes:
        edge_ns: What each operator takes on the car.
        cloud_ns: What each operator takes in the cloud.
        tensors: All tensors that operators or post-processing read, inputs included.
        edge_post_ns: Post-processing on the car's host.
        cloud_post_ns: Post-processing on the cloud's host, the download of the result and the round
            trip: all that is paid once by a frame that uses the cloud.
        on_edge: Operators that must run on the car.
        on_cloud: Operators that must run in the cloud.
        together: Groups of operators that must run on the same side.
    """

    edge_ns: tuple[int, ...]
    cloud_ns: tuple[int, ...]
    tensors: tuple[CutTensor, ...]
    edge_post_ns: int = 0
    cloud_post_ns: int = 0
    on_edge: frozenset[int] = frozenset()
    on_cloud: frozenset[int] = frozenset()
    together: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An answer.

    Attributes:
        head: Operators on the car; all of them where nothing is sent, none where all run behind.
        objective_ns: Sum of all costs, exact for this head.
        unit_ns: Resolution of the search: 1 means that no head is better; else none is better by
            more than this for each operator, each tensor and post-processing.
    """

    head: frozenset[int]
    objective_ns: int
    unit_ns: int = 1


def problem_of(
    graph: Graph,
    *,
    edge_ns: Sequence[int],
    cloud_ns: Sequence[int],
    up_ns: Mapping[str, int],
    edge_post_ns: int = 0,
    cloud_post_ns: int = 0,
    together: tuple[tuple[int, ...], ...] = (),
) -> CutProblem:
    """State the problem for a graph; a tensor without a price and one of shapes never crosses.

    Args:
        graph: The graph.
        edge_ns: Cost of each operator on the car, ns, shape (operators,).
        cloud_ns: Cost of each operator in the cloud, ns, shape (operators,).
        up_ns: Cost of sending each tensor, ns, by name.
        edge_post_ns: Post-processing on the car, ns.
        cloud_post_ns: Post-processing in the cloud, download and round trip, ns.
        together: Groups of operators never cut apart, as `fused_groups` finds them.
    """
    barred = shape_tensors(graph)
    return CutProblem(
        edge_ns=tuple(int(cost) for cost in edge_ns),
        cloud_ns=tuple(int(cost) for cost in cloud_ns),
        tensors=tuple(
            CutTensor(
                name=tensor.name,
                producer=tensor.producer,
                consumers=tensor.consumers,
                up_ns=None if tensor.name in barred else up_ns.get(tensor.name),
                delivered=tensor.name in graph.outputs,
            )
            for tensor in graph.tensors.values()
        ),
        edge_post_ns=edge_post_ns,
        cloud_post_ns=cloud_post_ns,
        together=together,
    )


def best_cut(problem: CutProblem) -> Cut | None:
    """Find the head with the smallest sum of costs; the car is preferred where sums are equal.

    An empty head (all behind the link) and a whole one (nothing sent) take part. None where no head
    satisfies the pins.
    """
    everything = frozenset(range(len(problem.edge_ns)))
    at_home = _cost(problem, everything)
    best = None if at_home is None else Cut(head=everything, objective_ns=at_home)
    behind = _solve(problem)
    answers = [] if behind is None else [behind]
    if behind is not None and behind.head == everything:
        # Where post-processing is cheap behind the link, it may have been drawn there alone, which
        # no route does: let each operator that nothing reads be one that runs in the cloud.
        alone = problem.cloud_post_ns < problem.edge_post_ns
        read = {t.producer for t in problem.tensors if t.consumers}
        found = (_solve(_pinned(problem, on_cloud=v)) for v in sorted(everything - read) if alone)
        answers += [cut for cut in found if cut is not None]
    for cut in answers:
        if best is None or cut.objective_ns < best.objective_ns:
            best = cut
    return (
        None
        if best is None
        else replace(best, unit_ns=max((c.unit_ns for c in answers), default=1))
    )


def best_split(problem: CutProblem, mac_ops: Collection[int]) -> Cut | None:
    """Find the best head that leaves an operator of weight on each side.

    Only the first operators with multiply-adds on their ways can be forced onto the car at no loss,
    and only the last ones into the cloud: each pair of such is solved and the best answer kept.

    Args:
        problem: The problem.
        mac_ops: Indices of the operators with multiply-adds.

    Returns:
        The cut; None where no head has one on each side and satisfies the pins.
    """
    heavy = frozenset(mac_ops)
    firsts, lasts = _firsts(problem, heavy), _lasts(problem, heavy)
    best: Cut | None = None
    unit = 1
    for first in firsts:
        for last in lasts:
            if first == last:
                continue
            cut = _solve(_pinned(problem, on_edge=first, on_cloud=last))
            if cut is None:
                continue
            unit = max(unit, cut.unit_ns)
            if best is None or cut.objective_ns < best.objective_ns:
                best = cut
    return None if best is None else replace(best, unit_ns=unit)


def prefix_costs(problem: CutProblem) -> tuple[int | None, ...]:
    """Cost of every head made of the first operators: a cheap baseline, and no proof.

    Returns:
        Objective in ns of the heads of 0, 1, … all operators, in that order; None where a pin, a
        group or a tensor that must not cross forbids the head.
    """
    count = len(problem.edge_ns)
    last_read = [max(t.consumers, default=-1) for t in problem.tensors]
    steps = [0] * (count + 2)  # what crossing costs, as differences along the order
    barred = [0] * (count + 2)
    for tensor, last in zip(problem.tensors, last_read, strict=True):
        begins = 0 if tensor.producer is None else tensor.producer + 1
        # Crosses while it is made and not all who read it are in the head.
        ends = count if tensor.delivered else last + 1
        if ends > begins:
            counted = barred if tensor.up_ns is None else steps
            cost = 1 if tensor.up_ns is None else tensor.up_ns
            counted[begins] += cost
            counted[min(ends, count)] -= cost
    for group in problem.together:
        barred[min(group) + 1] += 1
        barred[max(group) + 1] -= 1
    shortest = max(problem.on_edge, default=-1) + 1
    longest = min(problem.on_cloud, default=count)
    compute = sum(problem.cloud_ns)
    crossing = forbidden = 0
    costs: list[int | None] = []
    for length in range(count + 1):
        if length:
            compute += problem.edge_ns[length - 1] - problem.cloud_ns[length - 1]
        crossing += steps[length]
        forbidden += barred[length]
        post = problem.cloud_post_ns if length < count else problem.edge_post_ns
        allowed = not forbidden and shortest <= length <= longest
        costs.append(compute + crossing + post if allowed else None)
    return tuple(costs)


def _pinned(problem: CutProblem, *, on_cloud: int, on_edge: int | None = None) -> CutProblem:
    return replace(
        problem,
        on_edge=problem.on_edge if on_edge is None else problem.on_edge | {on_edge},
        on_cloud=problem.on_cloud | {on_cloud},
    )


def _cost(problem: CutProblem, head: frozenset[int]) -> int | None:
    """Sum of all costs of a head that satisfies groups and order; None where it is barred."""
    tail = frozenset(range(len(problem.edge_ns))) - head
    if problem.on_edge & tail or problem.on_cloud & head:
        return None
    total = sum(problem.edge_ns[v] for v in head) + sum(problem.cloud_ns[v] for v in tail)
    if not tail:
        return total + problem.edge_post_ns
    for tensor in problem.tensors:
        here = tensor.producer is None or tensor.producer in head
        if here and (tensor.delivered or not head.issuperset(tensor.consumers)):
            if tensor.up_ns is None:
                return None
            total += tensor.up_ns
    return total + problem.cloud_post_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNetwork:
    """The flow network of a problem, operators that no minimum parts drawn together.

    Attributes:
        arcs: Capacities by their two ends; None is endless.
        node_of: Node of each operator.
        nodes: How many there are.
        source: The car's.
        sink: The cloud's.
    """

    arcs: Mapping[tuple[int, int], int | None]
    node_of: Sequence[int]
    nodes: int
    source: int
    sink: int


def network_of(problem: CutProblem) -> FlowNetwork | None:
    """The network whose minimum cut is solved; None where pins contradict each other."""
    known = [cost for cost in prefix_costs(problem) if cost is not None]
    return _network(problem, bound_ns=min(known, default=None))


def _solve(problem: CutProblem) -> Cut | None:
    """Minimum over heads, post-processing placed freely; None where pins contradict each other."""
    network = network_of(problem)
    if network is None:
        return None
    cut = minimum_cut(network.arcs, nodes=network.nodes, source=network.source, sink=network.sink)
    if cut is None:
        return None
    head = frozenset(v for v, node in enumerate(network.node_of) if node not in cut.far)
    cost = _cost(problem, head)
    return None if cost is None else Cut(head=head, objective_ns=cost, unit_ns=cut.unit)


def _network(problem: CutProblem, *, bound_ns: int | None) -> FlowNetwork | None:
    """Nodes: operators, post-processing, source, sink, then tensors that may cross.

    Three things keep it small and its capacities fine, and change no minimum. What an operator
    costs at least, on either side, is left out of both arcs; an arc dearer than a head that is
    known to do (`bound_ns`) is cut by no minimum, so that its ends are drawn together into one
    node; and so are those that pins and groups keep on one side.
    """
    count = len(problem.edge_ns)
    here = (*problem.edge_ns, problem.edge_post_ns)
    there = (*problem.cloud_ns, problem.cloud_post_ns)
    if bound_ns is not None:
        bound_ns -= sum(map(min, here, there))
    dear = bound_ns if bound_ns is not None else max(*here, *there, *_ups(problem), 0)
    more = [cloud - edge for edge, cloud in zip(here, there, strict=True)]
    roots, crossing = _drawn_together(problem, more, dear)
    near, far = roots[count + 1], roots[count + 2]
    if near == far:
        return None
    gains: dict[int, int] = {}
    for root, gain in zip(roots, more, strict=False):
        gains[root] = gains.get(root, 0) + gain
    arcs: dict[tuple[int, int], int | None] = {}
    for root, gain in gains.items():
        if gain and root not in (near, far):
            arcs[(near, root) if gain > 0 else (root, far)] = abs(gain)
    for upload, (maker, up_ns, readers) in enumerate(crossing, start=count + 3):
        made = roots[maker]
        read = {roots[reader] for reader in readers}
        if read == {made}:
            continue
        arcs[made, upload] = up_ns
        for reader in read:
            if reader != made:
                arcs[upload, reader] = None
                if made != near:
                    arcs[reader, made] = None
    return FlowNetwork(
        arcs=arcs,
        node_of=roots[:count],
        nodes=count + 3 + len(crossing),
        source=near,
        sink=far,
    )


def _drawn_together(
    problem: CutProblem, more: Sequence[int], dear: int
) -> tuple[list[int], list[tuple[int, int, Sequence[int]]]]:
    """The node that stands for each, and the tensors that may cross: maker, cost and readers.

    Args:
        problem: The problem.
        more: What each operator, and post-processing, costs more in the cloud, in ns.
        dear: Cost in ns above which nothing is paid.
    """
    count = len(problem.edge_ns)
    post, source, sink = count, count + 1, count + 2
    joined = _Joined(count + 3)
    crossing: list[tuple[int, int, Sequence[int]]] = []
    for tensor in problem.tensors:
        maker = source if tensor.producer is None else tensor.producer
        readers = (*tensor.consumers, post) if tensor.delivered else tensor.consumers
        if tensor.up_ns is not None and tensor.up_ns <= dear:
            crossing.append((maker, tensor.up_ns, readers))
            continue
        for reader in readers:
            joined.join(maker, reader)
    for one, other in _pins(problem, source=source, sink=sink):
        joined.join(one, other)
    for node, gain in enumerate(more):
        if abs(gain) > dear:
            joined.join(source if gain > 0 else sink, node)
    return joined.roots(), crossing


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


def _ups(problem: CutProblem) -> Iterator[int]:
    return (tensor.up_ns for tensor in problem.tensors if tensor.up_ns is not None)


def _pins(problem: CutProblem, *, source: int, sink: int) -> Iterator[tuple[int, int]]:
    """Arcs that are infinite because of pins and groups."""
    yield from ((source, node) for node in problem.on_edge)
    yield from ((node, sink) for node in problem.on_cloud)
    for group in problem.together:
        for one, other in pairwise(group):
            yield from ((one, other), (other, one))


def _firsts(problem: CutProblem, heavy: frozenset[int]) -> list[int]:
    """Operators of the set that depend on no other of it."""
    behind: set[int] = set()  # operators that depend on one of the set
    firsts = []
    makers: dict[int, list[int]] = {}
    for tensor in problem.tensors:
        if tensor.producer is not None:
            for reader in tensor.consumers:
                makers.setdefault(reader, []).append(tensor.producer)
    for index in range(len(problem.edge_ns)):
        if any(maker in behind or maker in heavy for maker in makers.get(index, ())):
            behind.add(index)
        elif index in heavy:
            firsts.append(index)
    return firsts


def _lasts(problem: CutProblem, heavy: frozenset[int]) -> list[int]:
    """Operators of the set on which no other of it depends."""
    before: set[int] = set()
    lasts = []
    readers: dict[int, list[int]] = {}
    for tensor in problem.tensors:
        if tensor.producer is not None:
            readers.setdefault(tensor.producer, []).extend(tensor.consumers)
    for index in reversed(range(len(problem.edge_ns))):
        if any(reader in before or reader in heavy for reader in readers.get(index, ())):
            before.add(index)
        elif index in heavy:
            lasts.append(index)
    return lasts[::-1]
