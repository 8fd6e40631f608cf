"""The best place to cut one network over several tiers in a row, by one minimum cut.

Tiers are ordered away from the sensor, such as the car's NPU, the car's host, a cloud NPU and the
PIM beside it; between neighbours lies a link or a bus. A frame never comes back to an earlier tier
inside the network. Costs add up: each operator costs what it takes on its tier, each tensor is
charged once for every boundary that it crosses, and post-processing is one operator more. The
minimum is exact for these costs up to the stated unit.

The construction is a chain of nodes per operator, one fewer than there are tiers, whose cut arc
says the tier, with infinite arcs that keep chain and order; a node per tensor and boundary charges
a crossing once however many operators read it. With two tiers it is the cut of `cuts`, seen from
the far side. Like that one it is a surrogate: `Device.price` of the parts decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.planner._flow import minimum_cut

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

    Raises:
        ValueError: A row of costs or crossings has another length than the tiers ask for.
    """
    _check(problem)
    if problem.tiers == 1:
        return _placed(problem, (0,) * (len(problem.costs_ns) + 1), 1)
    arcs, nodes = _network(problem)
    cut = minimum_cut(arcs, nodes=nodes, source=0, sink=1)
    if cut is None:
        return None
    stages = problem.tiers - 1
    found = tuple(
        sum(_node(problem, place, stage) not in cut.far for stage in range(1, stages + 1))
        for place in range(len(problem.costs_ns) + 1)
    )
    return _placed(problem, found, cut.unit)


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


def _node(problem: TierProblem, place: int, stage: int) -> int:
    """Node of an operator at a stage: 0 is the source and beyond the last one the sink.

    On the source's side it says that the operator's tier is at least `stage`.
    """
    if stage == 0:
        return 0
    if stage == problem.tiers:
        return 1
    return 2 + place * (problem.tiers - 1) + stage - 1


def _network(problem: TierProblem) -> tuple[dict[tuple[int, int], int | None], int]:
    tiers, count = problem.tiers, len(problem.costs_ns)
    arcs: dict[tuple[int, int], int | None] = {}
    for place, row in enumerate((*problem.costs_ns, problem.post_ns)):
        known = [cost for cost in row if cost is not None]
        least = min(known, default=0)  # paid on any tier, so no minimum hangs on it
        first, last = problem.least.get(place, 0), problem.most.get(place, tiers - 1)
        for tier, cost in enumerate(row):
            barred = cost is None or not first <= tier <= last
            arc = (_node(problem, place, tier), _node(problem, place, tier + 1))
            arcs[arc] = None if cost is None or barred else cost - least
        for stage in range(1, tiers - 1):
            arcs[_node(problem, place, stage + 1), _node(problem, place, stage)] = None
    nodes = 2 + (count + 1) * (tiers - 1)
    for tensor in problem.tensors:
        readers = _readers(problem, tensor)
        for stage in range(1, tiers):
            maker = 1 if tensor.producer is None else _node(problem, tensor.producer, stage)
            if maker != 1:
                for reader in readers:
                    arcs[maker, _node(problem, reader, stage)] = None
            if readers:
                arcs[nodes, maker] = tensor.crossing_ns[stage - 1]
                for reader in readers:
                    arcs[_node(problem, reader, stage), nodes] = None
                nodes += 1
    for group in problem.together:
        for one, other in pairwise(group):
            for stage in range(1, tiers):
                arcs[_node(problem, one, stage), _node(problem, other, stage)] = None
                arcs[_node(problem, other, stage), _node(problem, one, stage)] = None
    return arcs, nodes
