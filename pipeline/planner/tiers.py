"""The best place to cut one network over several tiers in a row.

Tiers are ordered away from the sensor, such as the car's NPU, the car's host, a cloud NPU and the
PIM beside it; between neighbours lies a link or a bus. A frame never comes back to an earlier tier
inside the network. Costs add up: each operator costs what it takes on its tier, each tensor is
charged once for every boundary that it crosses, and post-processing is one operator more. The
minimum is exact for these costs up to the stated unit.

Placements whose tiers all begin behind a prefix of the network are swept through first
(`_tier_search`), which is exact where all operators are pivots; where others can be as good, one
minimum cut of what can still be parted decides (`_tier_network`). With two tiers it is the cut of
`cuts`, seen from the far side. Like that one it is a surrogate: `Device.price` of the parts
decides.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.planner._flow import minimum_cut
from pipeline.planner._tier_network import SINK, SOURCE, network_of
from pipeline.planner._tier_search import begins_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTensor:
    """A tensor that may have to cross boundaries.

    Attributes:
        name: Its name.
        producer: Index of the operator that makes it; None for an input, which is on the first
            tier.
        consumers: Indices of the operators that read it.
        crossing_ns: What crossing each boundary costs, from the first to the second tier on, pack,
            link and unpack together; None where it must not cross.
        delivered: Whether post-processing reads it.
    """

    name: str
    producer: int | None
    consumers: tuple[int, ...]
    crossing_ns: tuple[int | None, ...]
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TierProblem:
    """What there is to decide: a tier for every operator.

    Operators are numbered from 0 in topological order; all times are nanoseconds, not negative.

    Attributes:
        costs_ns: What each operator takes on each tier; None where that tier cannot run it.
        tensors: All tensors that operators or post-processing read, inputs included.
        post_ns: Post-processing on each tier's host, the way of the result back to the car
            included; None where it cannot be done.
        least: First tier that an operator may run on, by index; the first of all where left out.
        most: Last tier that an operator may run on; the last of all where left out.
        together: Groups of operators that must run on the same tier.
    """

    costs_ns: tuple[tuple[int | None, ...], ...]
    tensors: tuple[TierTensor, ...]
    post_ns: tuple[int | None, ...]
    least: Mapping[int, int]
    most: Mapping[int, int]
    together: tuple[tuple[int, ...], ...] = ()

    @property
    def tiers(self) -> int:
        """How many tiers there are."""
        return len(self.post_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An answer.

    Attributes:
        tiers: Tier of each operator, never falling along the network.
        post: Tier whose host post-processes.
        objective_ns: Sum of all costs, exact for this placement.
        unit_ns: Resolution of the search: 1 means that no placement is better.
    """

    tiers: tuple[int, ...]
    post: int
    objective_ns: int
    unit_ns: int = 1


def best_placement(problem: TierProblem) -> Placement | None:
    """Find the placement with the smallest sum of costs; None where none satisfies the problem.

    Of placements that cost the same the one furthest from the sensor is taken.

    Raises:
        ValueError: A row of costs or crossings has another length than the tiers ask for, or
            operators are not numbered in topological order.
    """
    _check(problem)
    if problem.tiers == 1:
        return _placed(problem, (0,) * (len(problem.costs_ns) + 1), 1)
    begins = begins_of(problem)
    behind = None
    if begins.prefix is not None:
        lengths = begins.prefix
        places = range(len(problem.costs_ns) + 1)
        behind = _placed(problem, tuple(bisect_right(lengths, place) for place in places), 1)
    if begins.settled:
        return behind
    network = network_of(problem, begins)
    cut = minimum_cut(network.arcs, nodes=network.nodes, source=SOURCE, sink=SINK)
    if cut is None:
        return behind
    far = [[node not in cut.far for node in nodes] for nodes in network.node_of]
    found = _placed(problem, tuple(map(sum, zip(*far, strict=True))), cut.unit)
    if found is None or (behind is not None and behind.objective_ns < found.objective_ns):
        return None if behind is None else replace(behind, unit_ns=cut.unit)
    return found


def cost_of(problem: TierProblem, tiers: Sequence[int], post: int) -> int | None:
    """Sum of all costs of a placement; None where it is barred.

    Args:
        problem: The problem.
        tiers: Tier of each operator.
        post: Tier whose host post-processes.
    """
    places = (*tiers, post)
    costs = (*problem.costs_ns, problem.post_ns)
    if any(tiers[v] < tier for v, tier in problem.least.items()):
        return None
    if any(tiers[v] > tier for v, tier in problem.most.items()):
        return None
    if any(
        tiers[one] != tiers[other] for group in problem.together for one, other in pairwise(group)
    ):
        return None
    total = 0
    for place, row in zip(places, costs, strict=True):
        cost = row[place]
        if cost is None:
            return None
        total += cost
    for tensor in problem.tensors:
        made = 0 if tensor.producer is None else tiers[tensor.producer]
        readers = [places[v] for v in _readers(problem, tensor)]
        if any(reader < made for reader in readers):
            return None
        for boundary in range(made, max(readers, default=made)):
            crossing = tensor.crossing_ns[boundary]
            if crossing is None:
                return None
            total += crossing
    return total


def _check(problem: TierProblem) -> None:
    wanted = problem.tiers
    if wanted < 1 or any(len(row) != wanted for row in problem.costs_ns):
        msg = f"every operator needs one cost for each of {wanted} tiers"
        raise ValueError(msg)
    if any(len(tensor.crossing_ns) != wanted - 1 for tensor in problem.tensors):
        msg = f"every tensor needs one cost for each of {wanted - 1} boundaries"
        raise ValueError(msg)


def _placed(problem: TierProblem, found: tuple[int, ...], unit: int) -> Placement | None:
    objective = cost_of(problem, found[:-1], found[-1])
    if objective is None:
        return None
    return Placement(tiers=found[:-1], post=found[-1], objective_ns=objective, unit_ns=unit)


def _readers(problem: TierProblem, tensor: TierTensor) -> tuple[int, ...]:
    return (*tensor.consumers, *((len(problem.costs_ns),) if tensor.delivered else ()))
