"""The best place to cut one network in two, car first and cloud behind, exactly.

Costs add up: each operator costs what it takes on its side, each tensor that crosses is charged
once, and post-processing runs where the last operator ran. The minimum is exact for these costs up
to the stated unit. Heads that are prefixes of the network are priced all at once; where others can
be better, which the order of the network says (`_order`, `_stretches`), minimum cuts of those parts
find the best (`_search`, `_network`). Ideas of DADS (INFOCOM 2019) and DDS (arXiv 2306.12185), with
post-processing and the round trip added.

It is a surrogate: compute is charged one operator at a time, as on an accelerator that overlaps
nothing, and what a device really takes for the parts (`Device.price`) decides among candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.graph.heads import shape_tensors
from pipeline.planner._network import Pins
from pipeline.planner._order import finals, firsts
from pipeline.planner._search import Search
from pipeline.planner._stretches import stretches_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.graph.model import Graph
    from pipeline.planner._order import Order
    from pipeline.planner._search import Head


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


def best_cut(problem: CutProblem, *, order: Order | None = None) -> Cut | None:
    """Find the head with the smallest sum of costs; the car is preferred where sums are equal.

    An empty head (all behind the link) and a whole one (nothing sent) take part.

    Args:
        problem: The problem.
        order: Its order, where `order_of` found it before; it hangs on no cost.

    Returns:
        The cut; None where no head satisfies the pins.

    Raises:
        ValueError: Operators are not numbered in topological order.
    """
    search = Search(problem, order)
    home_ns = _home_ns(problem)
    below_ns = search.barred_ns
    best = search.best(below_ns=below_ns if home_ns is None else min(home_ns, below_ns))
    if best is None and home_ns is not None:
        everything = frozenset(range(len(problem.edge_ns)))
        return Cut(head=everything, objective_ns=home_ns, unit_ns=search.unit_ns)
    return _cut(best, search)


def best_split(
    problem: CutProblem, mac_ops: Collection[int], *, order: Order | None = None
) -> Cut | None:
    """Find the best head that leaves an operator of weight on each side.

    Only the first operators with multiply-adds on their ways can be forced onto the car at no loss,
    and only the last ones into the cloud: each pair of such is solved and the best answer kept.

    Args:
        problem: The problem.
        mac_ops: Indices of the operators with multiply-adds.
        order: Its order, where `order_of` found it before; it hangs on no cost.

    Returns:
        The cut; None where no head has one on each side and satisfies the pins.

    Raises:
        ValueError: Operators are not numbered in topological order.
    """
    search = Search(problem, order)
    below_ns, best = search.barred_ns, None
    starts, lasts = firsts(search.order, mac_ops), finals(search.order, mac_ops)
    search.pinned = {*starts, *lasts}
    for first in starts:
        for last in lasts:
            if first == last:
                continue
            found = search.best(below_ns=below_ns, pins=Pins(on_edge=first, on_cloud=last))
            if found is not None:
                below_ns, best = found.cost_ns, found
    return _cut(best, search)


def prefix_costs(problem: CutProblem) -> tuple[int | None, ...]:
    """Cost of every head made of the first operators: a cheap baseline, and no proof.

    Returns:
        Objective in ns of the heads of 0, 1, … all operators, in that order; None where a pin, a
        group or a tensor that must not cross forbids the head.

    Raises:
        ValueError: Operators are not numbered in topological order.
    """
    found = stretches_of(problem)
    costs = found.prefix_ns[:-1].tolist()
    return (*(None if cost >= found.barred_ns else cost for cost in costs), _home_ns(problem))


def _home_ns(problem: CutProblem) -> int | None:
    """What it costs to stay on the car; None where a pin forbids it."""
    return None if problem.on_cloud else sum(problem.edge_ns) + problem.edge_post_ns


def _cut(head: Head | None, search: Search) -> Cut | None:
    if head is None:
        return None
    return Cut(head=head.operators, objective_ns=head.cost_ns, unit_ns=search.unit_ns)
